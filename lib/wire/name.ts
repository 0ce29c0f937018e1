// Domain names: text to wire and back (RFC 1035 sections 3.1 and 5.1), letter case.
import { ShardnsError } from '../base/errors.js';
import { HEADER_SIZE, MAX_NAME_SIZE } from './iana.js';

function bad(name: string, why: string): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_MESSAGE', `not a domain name: ${JSON.stringify(name.slice(0, 80))}: ${why}`);
}

const scratch = new Uint8Array(MAX_NAME_SIZE + 1);

/** Wire format of a name in text, `\\.` and `\\123` escapes understood; with or without the final dot. */
export function encodeName(text: string): Uint8Array {
  return scratch.slice(0, encodeNameInto(scratch, 0, text));
}

/**
 * The same into `out` from `at` on, where 256 octets must be free.
 * @returns octets written
 */
export function encodeNameInto(out: Uint8Array, at: number, text: string): number {
  let lengthAt = at; // of the label under way
  let to = at + 1;
  const limit = at + MAX_NAME_SIZE;
  const length = text === '.' ? 0 : text.length;
  for (let i = 0; i < length; i++) {
    let code = text.charCodeAt(i);
    if (code === 0x2e) {
      if (to - lengthAt === 1) throw bad(text, 'an empty label');
      out[lengthAt] = to - lengthAt - 1;
      lengthAt = to++;
      if (to > limit) throw bad(text, 'more than 255 octets');
      continue;
    }
    if (code === 0x5c) {
      const digits = /^\d{3}/.exec(text.slice(i + 1, i + 4));
      code = digits !== null ? Number(digits[0]) : text.charCodeAt(i + 1);
      if (Number.isNaN(code) || code > 255) throw bad(text, 'a broken escape');
      i += digits !== null ? 3 : 1;
    } else if (code > 126 || code < 33) {
      throw bad(text, 'a character outside printable ASCII (use punycode or \\DDD)');
    }
    if (to - lengthAt > 63) throw bad(text, 'a label of more than 63 octets');
    if (to >= limit) throw bad(text, 'more than 255 octets');
    out[to++] = code;
  }
  if (to - lengthAt > 1) {
    out[lengthAt] = to - lengthAt - 1;
    lengthAt = to++;
    if (to > limit) throw bad(text, 'more than 255 octets');
  }
  out[lengthAt] = 0;
  return to - at;
}

/** Octets of the uncompressed name at `at`, root included; 0 when it is malformed or compressed. */
export function plainNameLength(message: Uint8Array, at: number): number {
  let here = at;
  while (here < message.length) {
    const label = message[here];
    if (label === 0) return here + 1 - at;
    if (label > 63) return 0;
    here += 1 + label;
    if (here - at >= MAX_NAME_SIZE) return 0;
  }
  return 0;
}

/** 127 labels need no more pointers; without the bound a chain of bare pointers costs its square (native/wire/name.cc). */
const MAX_POINTERS = 127;

/**
 * Follows the name at `at` to its end, into `scratch`: pointers lead strictly backwards (RFC 9267 section 2), each part
 * ends before the one it was reached from, and the whole has at most 255 octets.
 * @returns octets in `scratch`; 0 when it is malformed. `behind` is then the offset behind its own octets.
 */
function walkName(message: Uint8Array, at: number, end: number): number {
  let length = 0;
  let here = at;
  let limit = at;
  let bound = end;
  let pointers = 0;
  behind = 0;
  while (here < bound) {
    const label = message[here];
    if (label === 0) {
      scratch[length] = 0;
      behind ||= here + 1;
      return length + 1;
    }
    if ((label & 0xc0) === 0xc0) {
      if (here + 2 > bound) return 0;
      const target = ((label & 0x3f) << 8) | message[here + 1];
      if (target >= limit || target < HEADER_SIZE || ++pointers > MAX_POINTERS) return 0;
      behind ||= here + 2;
      bound = limit;
      limit = target;
      here = target;
      continue;
    }
    if (label > 63 || here + 1 + label > bound || length + 1 + label >= MAX_NAME_SIZE) return 0;
    for (const stop = here + 1 + label; here < stop; here++) scratch[length++] = message[here];
  }
  return 0;
}
let behind = 0;

/**
 * Expands the name at `at`, which may be compressed. `next` is the offset behind its own octets.
 * @param end what its own octets must end before
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for a malformed name
 */
export function readName(message: Uint8Array, at: number, end = message.length): { name: Uint8Array; next: number } {
  const length = walkName(message, at, end);
  if (length === 0) throw new ShardnsError('ERR_SHARDNS_MESSAGE', `a malformed name at octet ${at}`);
  return { name: scratch.slice(0, length), next: behind };
}

/** The offset behind the name at `at`, which is followed to its end; 0 when it is malformed. */
export function checkName(message: Uint8Array, at: number): number {
  return walkName(message, at, message.length) === 0 ? 0 : behind;
}

/** The offset behind the own octets of the name at `at`, which are not looked at any closer; 0 when it is cut off. */
export function skipName(message: Uint8Array, at: number): number {
  for (let here = at; here < message.length; here += 1 + message[here]) {
    if (message[here] === 0) return here + 1;
    if (message[here] > 63) return here + 2 <= message.length ? here + 2 : 0;
  }
  return 0;
}

/** Text of a wire-format name, escaped as RFC 1035 section 5.1 says, so that it is safe in logs and pages. */
export function nameToText(name: Uint8Array): string {
  if (name.length === 1) return '.';
  let text = '';
  for (let at = 0; name[at] !== 0 && at < name.length;) {
    const end = at + 1 + name[at];
    for (let i = at + 1; i < end; i++) {
      const c = name[i];
      if (c === 0x2e || c === 0x5c || c === 0x22 || c === 0x3b || c === 0x28 || c === 0x29 || c === 0x40 || c === 0x24)
        text += `\\${String.fromCharCode(c)}`;
      else if (c < 33 || c > 126) text += `\\${String(c).padStart(3, '0')}`;
      else text += String.fromCharCode(c);
    }
    text += '.';
    at = end;
  }
  return text;
}

/** An octet of a name in lower case: lengths are below any letter. */
export function foldedOctet(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
}

/** Lower-cases ASCII letters of a wire-format name, or of the one that stands at `begin`, into a new array. */
export function foldName(octets: Uint8Array, begin = 0, end = octets.length): Uint8Array {
  const folded = new Uint8Array(end - begin);
  for (let i = 0; i < folded.length; i++) {
    const c = octets[begin + i];
    folded[i] = c >= 0x41 && c <= 0x5a ? c | 0x20 : c;
  }
  return folded;
}

/** The same in place. */
export function foldOctets(octets: Uint8Array, begin: number, end: number): void {
  for (let i = begin; i < end; i++) {
    if (octets[i] >= 0x41 && octets[i] <= 0x5a) octets[i] |= 0x20;
  }
}

export function equalNames(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    let x = a[i];
    let y = b[i];
    if (x >= 0x41 && x <= 0x5a) x |= 0x20;
    if (y >= 0x41 && y <= 0x5a) y |= 0x20;
    if (x !== y) return false;
  }
  return true;
}

/** Whether `name` is `suffix` or lies below it; both folded wire format. */
export function isAtOrBelow(name: Uint8Array, suffix: Uint8Array): boolean {
  for (let at = 0; at < name.length; at += 1 + name[at]) {
    if (name.length - at === suffix.length) return suffix.every((octet, i) => name[at + i] === octet);
    if (name[at] === 0) return false;
  }
  return false;
}

// A Buffer made of a short array moves its octets out of V8's heap: four times the price of the string.
const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, from: number, to: number): string;
};

/** A wire-format name as a key of a Map. */
export function nameKey(name: Uint8Array, length = name.length): string {
  return latin1Slice.call(name, 0, length);
}

const foldingScratch = new Uint8Array(MAX_NAME_SIZE + 4);

/** `nameKey` of octets of a message in lower case, without an array of them: a name, or one with its type and class. */
export function foldedKey(octets: Uint8Array, begin: number, end: number): string {
  const length = end - begin;
  for (let i = 0; i < length; i++) {
    const c = octets[begin + i];
    foldingScratch[i] = c >= 0x41 && c <= 0x5a ? c | 0x20 : c;
  }
  return latin1Slice.call(foldingScratch, 0, length);
}

/** What a table by `nameKey` has for the longest suffix of a name that it has, and that `accept` takes. */
export function bySuffix<T>(
  name: Uint8Array,
  table: ReadonlyMap<string, T>,
  accept?: (value: T, length: number) => boolean,
): T | undefined {
  const key = nameKey(name);
  for (let at = 0; ; at += 1 + name[at]) {
    const value = table.get(at === 0 ? key : key.slice(at));
    if (value !== undefined && (accept === undefined || accept(value, name.length - at))) return value;
    if (name[at] === 0) return undefined;
  }
}

/** Labels, the root's not counted. */
export function countLabels(name: Uint8Array): number {
  let labels = 0;
  for (let at = 0; name[at] !== 0; at += 1 + name[at]) labels++;
  return labels;
}

/** The last `labels` labels of a name. */
export function lastLabels(name: Uint8Array, labels: number): Uint8Array {
  let at = 0;
  for (let left = countLabels(name) - labels; left > 0; left--) at += 1 + name[at];
  return name.subarray(at);
}

/** The name and what it lies below, from the longest to the root. */
export function* ancestors(name: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; ; at += 1 + name[at]) {
    yield name.subarray(at);
    if (name[at] === 0) return;
  }
}
