// Parameters of SVCB and HTTPS records (RFC 9460 sections 2.1 and 2.2, appendix A).
import { formatAddress, recordAddress } from '../base/address.js';
import { optionError, ShardnsError } from '../base/errors.js';
import { plainNameLength } from './name.js';
import { base64Octets, escape, type Token, unescape } from './text.js';

const KEYS = ['mandatory', 'alpn', 'no-default-alpn', 'port', 'ipv4hint', 'ech', 'ipv6hint', 'dohpath', 'ohttp'];
const keyName = (code: number): string => KEYS[code] ?? `key${code}`;
function keyCode(text: string): number {
  const known = KEYS.indexOf(text);
  if (known >= 0) return known;
  const match = /^key(0|[1-9]\d{0,4})$/.exec(text);
  if (match === null || Number(match[1]) > 65_535)
    throw optionError('SVCB parameter', text, 'a key such as alpn or key123');
  return Number(match[1]);
}
const u16 = (value: number): number[] => [value >> 8, value & 0xff];

/** Splits at commas that are not escaped; `\\,` is a comma of the value, `\\\\` a backslash (appendix A.1). */
function list(octets: readonly number[]): number[][] {
  const items: number[][] = [[]];
  for (let i = 0; i < octets.length; i++) {
    if (octets[i] === 0x5c && i + 1 < octets.length) items.at(-1)!.push(octets[++i]);
    else if (octets[i] === 0x2c) items.push([]);
    else items.at(-1)!.push(octets[i]);
  }
  return items;
}

/** @param key as it is written: `key123` has the octets themselves for its value, whatever it stands for (section 2.1) */
function encodeValue(key: string, text: string | undefined): number[] {
  const wrong = (expected: string): Error => optionError(`SVCB ${key}`, text ?? '', expected);
  const items = (): string[] => (text ?? '').split(',');
  switch (key) {
    case 'mandatory':
      return items()
        .map(keyCode)
        .sort((a, b) => a - b)
        .flatMap(u16);
    case 'alpn':
      return list(unescape(text ?? '')).flatMap(id => {
        if (id.length === 0 || id.length > 255) throw wrong('ids of 1 to 255 octets');
        return [id.length, ...id];
      });
    case 'no-default-alpn':
    case 'ohttp':
      if ((text ?? '') !== '') throw wrong('no value');
      return [];
    case 'port':
      if (!/^\d{1,5}$/.test(text ?? '') || Number(text) > 65_535) throw wrong('a port');
      return u16(Number(text));
    case 'ipv4hint':
    case 'ipv6hint':
      return items().flatMap(one => {
        const octets = recordAddress(one, key === 'ipv4hint' ? 4 : 6);
        if (octets === undefined) throw wrong('addresses');
        return [...octets];
      });
    case 'ech': {
      const octets = base64Octets(text ?? '');
      if (octets === undefined) throw wrong('base 64');
      return [...octets];
    }
    default:
      return unescape(text ?? '');
  }
}

/** In ascending order of keys, each at most once. */
export function encodeParams(tokens: readonly Token[]): Uint8Array {
  const values = new Map<number, number[]>();
  for (const { text } of tokens) {
    const [, name, , value] = /^([^=]+)(=([\s\S]*))?$/.exec(text) ?? [];
    const key = name ?? text;
    const code = keyCode(key);
    if (values.has(code)) throw optionError('SVCB parameter', text, 'each key once');
    values.set(code, encodeValue(key, value));
  }
  const mandatory = values.get(0) ?? [];
  for (let i = 0; i < mandatory.length; i += 2) {
    const code = mandatory[i] * 256 + mandatory[i + 1];
    // RFC 9460 section 8.
    if (code === 0 || !values.has(code) || (i > 0 && code === mandatory[i - 2] * 256 + mandatory[i - 1])) {
      throw optionError('SVCB mandatory', keyName(code), 'keys that are there, each once and not itself');
    }
  }
  if (values.has(SvcParam.noDefaultAlpn) && !values.has(SvcParam.alpn)) {
    // RFC 9460 section 7.1.1: there is no other protocol to speak.
    throw optionError('SVCB parameter', 'no-default-alpn', 'alpn beside it');
  }
  const sorted = [...values].sort(([a], [b]) => a - b);
  return Uint8Array.from(sorted.flatMap(([code, value]) => [...u16(code), ...u16(value.length), ...value]));
}

/** Whether a key that is known here can have this value. */
function isProper(key: string, value: Uint8Array): boolean {
  const { length } = value;
  switch (key) {
    case 'mandatory':
      return length > 0 && length % 2 === 0;
    case 'alpn':
      return alpnIds(value) !== undefined;
    case 'no-default-alpn':
    case 'ohttp':
      return length === 0;
    case 'port':
      return length === 2;
    case 'ipv4hint':
      return length > 0 && length % 4 === 0;
    case 'ipv6hint':
      return length > 0 && length % 16 === 0;
    default:
      return true;
  }
}

function decodeValue(key: string, value: Uint8Array): string | undefined {
  const parts = (size: number): Uint8Array[] =>
    Array.from({ length: Math.floor(value.length / size) }, (_, i) => value.subarray(i * size, (i + 1) * size));
  switch (key) {
    case 'mandatory':
      return parts(2)
        .map(([high, low]) => keyName(high * 256 + low))
        .join(',');
    case 'alpn': {
      const ids: string[] = [];
      for (let at = 0; at < value.length; at += 1 + value[at]) {
        // Escaped twice: once for the list, once for the string.
        const id = Buffer.from(value.subarray(at + 1, at + 1 + value[at])).toString('latin1');
        ids.push(escape(Buffer.from(id.replace(/[\\,]/g, '\\$&'), 'latin1')));
      }
      return `"${ids.join(',')}"`;
    }
    case 'no-default-alpn':
    case 'ohttp':
      return undefined;
    case 'port':
      return String(value[0] * 256 + value[1]);
    case 'ipv4hint':
      return parts(4).map(formatAddress).join(',');
    case 'ipv6hint':
      return parts(16).map(formatAddress).join(',');
    case 'ech':
      return Buffer.from(value).toString('base64');
    default:
      return `"${escape(value)}"`;
  }
}

/** @throws {ShardnsError} ERR_SHARDNS_MESSAGE for parameters that are cut off */
export function decodeParams(data: Uint8Array): string {
  const texts: string[] = [];
  for (let at = 0; at < data.length;) {
    const length = data[at + 2] * 256 + data[at + 3];
    if (!(at + 4 + length <= data.length)) {
      throw new ShardnsError('ERR_SHARDNS_MESSAGE', 'SVCB parameters that are cut off');
    }
    const code = data[at] * 256 + data[at + 1];
    const octets = data.subarray(at + 4, at + 4 + length);
    const key = isProper(keyName(code), octets) ? keyName(code) : `key${code}`;
    const value = decodeValue(key, octets);
    texts.push(value === undefined ? key : `${key}=${value}`);
    at += 4 + length;
  }
  return texts.join(' ');
}

/** The addresses in the ipv4hint and ipv6hint of a record's data (RFC 9460 section 7.3). */
export function addressHints(data: Uint8Array): Uint8Array[] {
  const hints: Uint8Array[] = [];
  const name = plainNameLength(data, 2);
  for (let at = 2 + name; name > 0 && at + 4 <= data.length;) {
    const key = (data[at] << 8) | data[at + 1];
    const end = at + 4 + ((data[at + 2] << 8) | data[at + 3]);
    const size = key === 4 ? 4 : key === 6 ? 16 : 0;
    for (let i = at + 4; size > 0 && i + size <= Math.min(end, data.length); i += size)
      hints.push(data.subarray(i, i + size));
    at = end;
  }
  return hints;
}

/** Keys of parameters (RFC 9460 section 14.3.2, RFC 9461 section 5). */
export const SvcParam = {
  mandatory: 0,
  alpn: 1,
  noDefaultAlpn: 2,
  port: 3,
  ipv4hint: 4,
  ech: 5,
  ipv6hint: 6,
  dohpath: 7,
} as const;

/** A record of SVCB or HTTPS, read. */
export interface ServiceBinding {
  /** 0: an alias (section 2.4.2), whose parameters say nothing. */
  readonly priority: number;
  /** In wire format; the root stands for the owner, or, of an alias, for there being none. */
  readonly target: Uint8Array;
  readonly params: ReadonlyMap<number, Uint8Array>;
}

/** @returns undefined for data that is malformed: cut off, or keys that do not ascend (RFC 9460 section 2.2) */
export function readServiceBinding(data: Uint8Array): ServiceBinding | undefined {
  const length = data.length < 3 ? 0 : plainNameLength(data, 2);
  if (length === 0) return undefined;
  const params = new Map<number, Uint8Array>();
  let before = -1;
  let at = 2 + length;
  while (at < data.length) {
    if (at + 4 > data.length) return undefined;
    const key = (data[at] << 8) | data[at + 1];
    const end = at + 4 + ((data[at + 2] << 8) | data[at + 3]);
    if (key <= before || end > data.length) return undefined;
    params.set(key, data.slice(at + 4, end));
    before = key;
    at = end;
  }
  return { priority: (data[0] << 8) | data[1], target: data.slice(2, 2 + length), params };
}

/** The ids of an `alpn` parameter; undefined: it is malformed. */
export function alpnIds(value: Uint8Array): string[] | undefined {
  const ids: string[] = [];
  for (let at = 0; at < value.length; at += 1 + value[at]) {
    if (value[at] === 0 || at + 1 + value[at] > value.length) return undefined;
    ids.push(Buffer.from(value.subarray(at + 1, at + 1 + value[at])).toString('latin1'));
  }
  return ids.length === 0 ? undefined : ids;
}
