// A name in text, as octets of a file, to wire format (RFC 1035 section 5.1). What `encodeName` does for strings.
import { MAX_NAME_SIZE } from './iana.js';

/** What a name should have been, of the last that `writeNameOctets` refused. */
let expected = '';
export const nameExpected = (): string => expected;

function wrong(what: string): number {
  expected = what;
  return -1;
}

/**
 * Writes the name that stands from `from` to `end`, relative to `origin` unless it ends in a dot; `@` alone is the origin.
 * @param out has 256 octets from `to` on
 * @param origin wire format
 * @returns octets written; -1 for what is no name
 */
export function writeNameOctets(
  text: Uint8Array,
  from: number,
  end: number,
  origin: Uint8Array,
  out: Uint8Array,
  to: number,
): number {
  const length = end - from;
  if (length === 1) {
    if (text[from] === 0x40) return append(origin, out, to, to);
    if (text[from] === 0x2e) {
      out[to] = 0;
      return 1;
    }
  }
  if (length === 0) return wrong('a name');
  let lengthAt = to; // of the label under way
  let at = to + 1;
  const limit = to + MAX_NAME_SIZE;
  for (let i = from; i < end; i++) {
    let c = text[i];
    if (c === 0x2e) {
      if (at - lengthAt === 1) return wrong('a name without empty labels');
      out[lengthAt] = at - lengthAt - 1;
      lengthAt = at++;
      if (at > limit) return wrong('a name of at most 255 octets');
      continue;
    }
    if (c === 0x5c) {
      const [a, b, d] = [text[i + 1] - 0x30, text[i + 2] - 0x30, text[i + 3] - 0x30];
      if (i + 1 >= end) return wrong('something behind the backslash');
      if (!isDigit(a)) {
        c = text[++i];
        if (c < 32 || c > 126) return wrong('a printable character behind the backslash');
      } else {
        if (i + 3 >= end || !isDigit(b) || !isDigit(d)) return wrong('three digits behind the backslash');
        c = 100 * a + 10 * b + d;
        if (c > 255) return wrong('escapes up to \\255');
        i += 3;
      }
    } else if (c < 33 || c > 126 || c === 0x22) {
      return wrong('printable ASCII characters in a name (others as \\DDD, or in punycode)');
    } else if (c === 0x40 && length > 1 && text[from] === 0x40) {
      return wrong('@ alone, or \\@');
    }
    if (at - lengthAt > 63) return wrong('labels of at most 63 octets');
    if (at >= limit) return wrong('a name of at most 255 octets');
    out[at++] = c;
  }
  if (at - lengthAt === 1) {
    // The last dot was that of an absolute name.
    out[lengthAt] = 0;
    return at - to;
  }
  out[lengthAt] = at - lengthAt - 1;
  return append(origin, out, at, to);
}

function append(origin: Uint8Array, out: Uint8Array, at: number, to: number): number {
  if (at - to + origin.length > MAX_NAME_SIZE) return wrong('a name of at most 255 octets, with its origin');
  for (let i = 0; i < origin.length; i++) out[at + i] = origin[i];
  return at - to + origin.length;
}

const isDigit = (value: number): boolean => value >= 0 && value <= 9;
