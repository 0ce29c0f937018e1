// An entry of the RRset cache as octets: the RRset it is about, then those that go with it: the proof of a wildcard or of a
// denial.
//   rank u8 | security u8 | rrsets u16 | rrset...
//   rrset: name length u8, name | type u16 | ttl u32 | data u16 | signatures u16 | (length u16, octets)...
import type { Rrset } from '../wire/rrset.js';

/** How far data is believed (RFC 2181 section 5.4.1); what is better is never replaced by what is worse. */
export const Rank = {
  /** Additional or authority data of an answer without authority. */
  additional: 2,
  /** An answer without authority, as of a forwarder. */
  answer: 3,
  /** The authority section of an authoritative answer. */
  authority: 4,
  authoritative: 5,
} as const;

/** What validation says of an entry (RFC 4035 section 4.3), the lower three bits of an octet. */
export const Security = { unchecked: 0, indeterminate: 1, insecure: 2, secure: 3, bogus: 4 } as const;
/** With the extended error that says why, in the upper five: 0 = none. */
export const securityOf = (status: number, extendedError = 0): number => status | ((extendedError & 31) << 3);
export const statusIn = (security: number): number => security & 7;
export const extendedErrorIn = (security: number): number => security >> 3;

export interface Entry {
  rank: number;
  /** As `securityOf` has it. */
  security: number;
  rrsets: Rrset[];
  ttl: number;
  storedTtl: number;
  stale: boolean;
  leftMs: number;
}

/** By how much the engine's clock, which ticks every four milliseconds, may lag behind when an entry is stored and read. */
const CLOCK_MS = 8;

const NAMELESS = new Uint8Array(0);

/** @returns octets written; 0 = too large to be kept */
export function encodeEntry(
  out: Buffer,
  { rank, security }: { rank: number; security: number },
  rrsets: readonly Rrset[],
  name: Uint8Array,
): number {
  let octets = 4;
  for (const one of rrsets) octets += 11 + one.name.length + listSize(one.data) + listSize(one.signatures);
  if (octets > out.length) return 0;
  out[0] = rank;
  out[1] = security;
  let at = put16(out, 2, rrsets.length);
  for (let i = 0; i < rrsets.length; i++) {
    const { name: owner, type, ttl, data, signatures } = rrsets[i];
    const own = i === 0 && sameOctets(owner, name) ? NAMELESS : owner;
    out[at++] = own.length;
    at = put16(out, put(out, own, at), type);
    at = put16(out, put16(out, at, ttl), ttl >>> 16);
    at = put16(out, put16(out, at, data.length), signatures.length);
    for (const one of data) at = put(out, one, put16(out, at, one.length));
    for (const one of signatures) at = put(out, one, put16(out, at, one.length));
  }
  return at;
}

function listSize(list: readonly Uint8Array[]): number {
  let size = 0;
  for (const one of list) size += 2 + one.length;
  return size;
}
/** @returns the offset behind it */
function put16(out: Uint8Array, at: number, value: number): number {
  out[at] = value;
  out[at + 1] = value >> 8;
  return at + 2;
}
function put(out: Uint8Array, data: Uint8Array, at: number): number {
  // A call of `set` costs more than a few octets.
  if (data.length > 64) out.set(data, at);
  else for (let i = 0; i < data.length; i++) out[at + i] = data[i];
  return at + data.length;
}
function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Where in an entry the reader is; beyond its end: it is none. */
let at = 0;

const read16 = (octets: Uint8Array): number => octets[at++] | (octets[at++] << 8);

/** Undefined for octets that are no entry: another process may have written to this memory. */
export function decodeEntry(octets: Uint8Array, end: number, name: Uint8Array, leftMs: number): Entry | undefined {
  if (end < 4) return undefined;
  const stale = leftMs <= 0;
  const ttl = Math.max(Math.floor((leftMs + CLOCK_MS) / 1000), 0);
  const rank = octets[0];
  const security = octets[1];
  const rrsets: Rrset[] = [];
  let age = 0;
  let storedTtl = 0;
  at = 2;
  for (let left = read16(octets); left > 0; left--) {
    const length = octets[at++];
    if (at + length + 10 > end) return undefined;
    const owner = length === 0 ? name.slice() : octets.slice(at, at + length);
    at += length;
    const type = read16(octets);
    const stored = (read16(octets) | (read16(octets) << 16)) >>> 0;
    const records = read16(octets);
    const signed = read16(octets);
    const data = readList(octets, records, end);
    const signatures = data && readList(octets, signed, end);
    if (data === undefined || signatures === undefined) return undefined;
    if (rrsets.length === 0) {
      storedTtl = stored;
      age = Math.max(stored - ttl, 0);
    }
    const shown = stale ? stored : Math.max(Math.min(stored - age, ttl), 0);
    rrsets.push({ name: owner, type, ttl: shown, data, signatures });
  }
  return { rank, security, rrsets, ttl, storedTtl, stale, leftMs };
}

function readList(octets: Uint8Array, count: number, end: number): Uint8Array[] | undefined {
  const list: Uint8Array[] = [];
  for (let left = count; left > 0; left--) {
    if (at + 2 > end) return undefined;
    const length = read16(octets);
    if (at + length > end) return undefined;
    list.push(octets.slice(at, at + length));
    at += length;
  }
  return list;
}
