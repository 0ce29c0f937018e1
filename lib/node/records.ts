// Records in the shapes of Node's Resolver (Node's documentation of dns.promises).
import { formatAddress } from '../base/address.js';
import { Class, Type } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { nameToText, readName } from '../wire/name.js';

export interface CaaRecord {
  critical: number;
  [tag: string]: string | number;
}
export interface TlsaRecord {
  certUsage: number;
  selector: number;
  match: number;
  data: ArrayBuffer;
}

const u16 = (octets: Uint8Array, at: number): number => (octets[at] << 8) | octets[at + 1];
const u32 = (octets: Uint8Array, at: number): number => u16(octets, at) * 65536 + u16(octets, at + 2);
/** Without the final dot; the root is empty. */
const nameAt = (data: Uint8Array, at: number): { text: string; next: number } => {
  const { name, next } = readName(data, at);
  return { text: nameToText(name).slice(0, -1), next };
};
const text = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1');
function strings(data: Uint8Array, from: number): { list: string[]; next: number } {
  const list: string[] = [];
  let at = from;
  while (at < data.length) {
    list.push(text(data.subarray(at + 1, at + 1 + data[at]))); // latin1, as Node has it
    at += 1 + data[at];
  }
  return { list, next: at };
}

const readers = {
  A: (data: Uint8Array) => formatAddress(data),
  AAAA: (data: Uint8Array) => formatAddress(data),
  CNAME: (data: Uint8Array) => nameAt(data, 0).text,
  NS: (data: Uint8Array) => nameAt(data, 0).text,
  PTR: (data: Uint8Array) => nameAt(data, 0).text,
  TXT: (data: Uint8Array) => strings(data, 0).list,
  MX: (data: Uint8Array) => ({ exchange: nameAt(data, 2).text, priority: u16(data, 0) }),
  SRV: (data: Uint8Array) => ({
    name: nameAt(data, 6).text,
    port: u16(data, 4),
    priority: u16(data, 0),
    weight: u16(data, 2),
  }),
  SOA: (data: Uint8Array) => {
    const nsname = nameAt(data, 0);
    const hostmaster = nameAt(data, nsname.next);
    const at = hostmaster.next;
    return {
      nsname: nsname.text,
      hostmaster: hostmaster.text,
      serial: u32(data, at),
      refresh: u32(data, at + 4),
      retry: u32(data, at + 8),
      expire: u32(data, at + 12),
      minttl: u32(data, at + 16),
    };
  },
  NAPTR: (data: Uint8Array) => {
    const fields: string[] = [];
    let at = 4;
    for (let i = 0; i < 3; i++) {
      fields.push(text(data.subarray(at + 1, at + 1 + data[at])));
      at += 1 + data[at];
    }
    return {
      flags: fields[0],
      service: fields[1],
      regexp: fields[2],
      replacement: nameAt(data, at).text,
      order: u16(data, 0),
      preference: u16(data, 2),
    };
  },
  CAA: (data: Uint8Array): CaaRecord => {
    const tagEnd = 2 + data[1];
    return { critical: data[0], [text(data.subarray(2, tagEnd))]: text(data.subarray(tagEnd)) };
  },
  TLSA: (data: Uint8Array): TlsaRecord => ({
    certUsage: data[0],
    selector: data[1],
    match: data[2],
    data: Uint8Array.from(data.subarray(3)).buffer,
  }),
} as const;

export type ReadableType = keyof typeof readers;
export type RecordOf<T extends ReadableType> = ReturnType<(typeof readers)[T]>;

/** From 24 on Node gives records of these types a `type`, where they are asked for by themselves too. */
const TYPED: ReadonlySet<ReadableType> = new Set(
  Number.parseInt(process.versions.node, 10) >= 24 ? ['CAA', 'MX', 'SRV'] : [],
);
const withType = (value: unknown, type: ReadableType): unknown =>
  TYPED.has(type) ? { ...(value as object), type } : value;

/** What `type` has among the answers, in order. */
export function readRecords<T extends ReadableType>(answers: readonly ResourceRecord[], type: T): RecordOf<T>[] {
  return answers
    .filter(one => one.type === Type[type] && one.dnsClass === Class.IN)
    .map(one => withType(readers[type](one.data), type) as RecordOf<T>);
}

/** The addresses with how long they hold: no longer than the aliases that lead to them. */
export function readAddressTtls(
  answers: readonly ResourceRecord[],
  type: 'A' | 'AAAA',
): { address: string; ttl: number }[] {
  const aliases = answers.filter(one => one.type === Type.CNAME).map(one => one.ttl);
  return answers
    .filter(one => one.type === Type[type] && one.dnsClass === Class.IN)
    .map(one => ({ address: formatAddress(one.data), ttl: Math.min(one.ttl, ...aliases) }));
}

/** `resolveAny`: each record with its type. */
export function readAny(answers: readonly ResourceRecord[]): object[] {
  const found: object[] = [];
  for (const one of answers) {
    if (one.dnsClass !== Class.IN) continue;
    const type = (Object.keys(readers) as ReadableType[]).find(name => Type[name] === one.type);
    if (type === undefined) continue;
    const value = readers[type](one.data);
    if (type === 'A' || type === 'AAAA') found.push({ address: value, ttl: one.ttl, type });
    else if (typeof value === 'string') found.push({ value, type });
    else if (Array.isArray(value)) found.push({ entries: value, type });
    else found.push({ ...(value as object), type });
  }
  return found;
}
