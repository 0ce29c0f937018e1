// Records and differences as octets of our own files: plain wire format, one after the other, without compression. Files
// may be damaged or written by others: they are read like what comes from a network.
import { ShardnsError } from '../../base/errors.js';
import { inOneGo } from '../../base/slices.js';
import { Class } from '../../wire/iana.js';
import type { ResourceRecord } from '../../wire/message.js';
import { plainNameLength } from '../../wire/name.js';
import { readRdata } from '../../wire/rdata-layout.js';
import { word } from '../../wire/record-walk.js';
import { type Difference, octetsOf, recordsOfDifference } from './difference.js';
import { placeOf, type RecordPlace } from './transfer-writer.js';

const FIXED = 10;
/** Before a difference: how many records go. */
const HEAD = 4;

/** @returns the place behind it */
export function putRecord(out: Buffer, at: number, record: RecordPlace): number {
  const { owner, ownerLength, type, ttl, octets, length } = record;
  for (let i = 0; i < ownerLength; i++) out[at + i] = owner[i];
  at += ownerLength;
  out.writeUInt16BE(type, at);
  out.writeUInt16BE(Class.IN, at + 2);
  out.writeUInt32BE(ttl, at + 4);
  out.writeUInt16BE(length, at + 8);
  out.set(octets.subarray(record.at, record.at + length), at + FIXED);
  return at + FIXED + length;
}

/**
 * The record at `at`, and where the next one is.
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for octets that are none
 */
export function takeRecord(octets: Uint8Array, at: number): { record: ResourceRecord; next: number } {
  const length = plainNameLength(octets, at);
  const fixed = at + length;
  if (length === 0 || fixed + FIXED > octets.length) throw cutOff(at);
  const next = fixed + FIXED + word(octets, fixed + 8);
  if (next > octets.length || word(octets, fixed + 2) !== Class.IN) throw cutOff(at);
  const type = word(octets, fixed);
  const ttl = word(octets, fixed + 4) * 0x10000 + word(octets, fixed + 6);
  const data = readRdata(octets, type, Class.IN, fixed + FIXED, next);
  return { record: { name: octets.slice(at, fixed), type, dnsClass: Class.IN, ttl, data }, next };
}

export const encodeDifference = (difference: Difference): Buffer => inOneGo(encoding(difference));

/** Records that are written or read in one step: some milliseconds. */
const RECORDS_OF_STEP = 512;

/** The same in steps. */
export function* encoding(difference: Difference): Generator<void, Buffer> {
  const out = Buffer.allocUnsafe(HEAD + octetsOf(difference));
  out.writeUInt32BE(difference.deleted.length, 0);
  let at = HEAD;
  let done = 0;
  for (const record of recordsOfDifference(difference)) {
    at = putRecord(out, at, placeOf(record));
    if (++done % RECORDS_OF_STEP === 0) yield;
  }
  return out.subarray(0, at);
}

/** The records of a difference as IXFR sends them, each where it lies in octets that were made here. */
export function* placesOf(octets: Buffer): Generator<RecordPlace> {
  for (let at = HEAD; at < octets.length;) {
    const ownerLength = plainNameLength(octets, at);
    const owner = octets.subarray(at, at + ownerLength);
    const fixed = at + ownerLength;
    const length = octets.readUInt16BE(fixed + 8);
    const [type, ttl] = [octets.readUInt16BE(fixed), octets.readUInt32BE(fixed + 4)];
    yield { owner, ownerLength, type, ttl, octets, at: fixed + FIXED, length };
    at = fixed + FIXED + length;
  }
}

/** The difference that octets are, in steps. @throws {ShardnsError} ERR_SHARDNS_MESSAGE for octets that are none */
export function* decoding(octets: Uint8Array): Generator<void, Difference> {
  if (octets.length < HEAD) throw cutOff(0);
  const count = new DataView(octets.buffer, octets.byteOffset).getUint32(0);
  let at = HEAD;
  const take = (): ResourceRecord => {
    const { record, next } = takeRecord(octets, at);
    at = next;
    return record;
  };
  const before = take();
  const deleted: ResourceRecord[] = [];
  for (let i = 0; i < count; i++) {
    deleted.push(take());
    if (i % RECORDS_OF_STEP === 0) yield;
  }
  const after = take();
  const added: ResourceRecord[] = [];
  while (at < octets.length) {
    added.push(take());
    if (added.length % RECORDS_OF_STEP === 0) yield;
  }
  return { before, after, deleted, added };
}

const cutOff = (at: number): ShardnsError =>
  new ShardnsError('ERR_SHARDNS_MESSAGE', `octets that are no record, at ${at}`);
