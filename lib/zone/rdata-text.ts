// Record data of a zone file's entry to wire format. The types that zones are made of are written at once from the file's
// octets; others go the way of everybody's text (wire/rdata.ts).
import { ShardnsError, show } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { Class, Type, typeName } from '../wire/iana.js';
import { nameExpected, writeNameOctets } from '../wire/name-octets.js';
import { encodeFields } from '../wire/rdata.js';
import { Source } from '../wire/rdata-fields.js';
import { readRdata } from '../wire/rdata-layout.js';
import type { Token } from '../wire/text.js';
import { type EntryScanner, FieldKind } from './entry-scanner.js';

export interface Origin {
  wire: Uint8Array;
  text: string;
}

/** Types whose data is nothing but a name, and those with numbers of 16 bits before it. */
const NUMBERS_BEFORE_NAME = new Map<number, number>([
  ...[Type.NS, Type.CNAME, Type.PTR, Type.DNAME].map(type => [type, 0] as const),
  ...[Type.MX, Type.AFSDB, Type.KX, Type.RT].map(type => [type, 1] as const),
  [Type.SRV, 3],
]);
/** One for all: a file is read in one go, and whoever is given a record copies it. */
const held = lazy(() => new Uint8Array(65_535 + 512));

export class RdataText {
  /** Of the last record: its first `length` octets. */
  readonly data = held();
  length = 0;
  /** What is wrong with the last record: a field of the entry, and what it should be. */
  problem: { field: number; message: string } | undefined;

  /** @param from the field that its data begins with. @returns false for what is wrong */
  write(type: number, entry: EntryScanner, from: number, origin: Origin): boolean {
    this.problem = undefined;
    this.length = 0;
    if (from < entry.count && !this.#isGeneric(entry, from)) {
      const numbers = NUMBERS_BEFORE_NAME.get(type);
      if (numbers !== undefined) return this.#named(numbers, entry, from, origin);
      if (type === Type.A && this.#address4(entry, from)) return true;
      if (type === Type.TXT) return this.#strings(entry, from);
    }
    return this.#others(type, entry, from, origin);
  }

  #isGeneric(entry: EntryScanner, field: number): boolean {
    const at = entry.begin[field];
    return entry.kind[field] === FieldKind.escaped && entry.text[at] === 0x5c && entry.text[at + 1] === 0x23;
  }

  #fail(field: number, message: string): boolean {
    this.problem = { field, message };
    return false;
  }
  #expected(entry: EntryScanner, field: number, what: string): boolean {
    const got = field < entry.count ? show(fieldText(entry, field)) : 'the end of the entry';
    return this.#fail(field, `expected ${what}, got ${got}`);
  }

  #named(numbers: number, entry: EntryScanner, from: number, origin: Origin): boolean {
    let field = from;
    for (; field < from + numbers; field++) {
      const value = field < entry.count ? numberOf(entry, field) : -1;
      if (value < 0 || value > 0xffff) return this.#expected(entry, field, 'a number from 0 to 65535');
      this.data[this.length++] = value >> 8;
      this.data[this.length++] = value;
    }
    if (field >= entry.count || (entry.kind[field] & ~FieldKind.escaped) !== 0) {
      return this.#expected(entry, field, 'a name without quotes');
    }
    const { begin, end, text } = entry;
    const length = writeNameOctets(text, begin[field], end[field], origin.wire, this.data, this.length);
    if (length < 0) return this.#expected(entry, field, nameExpected());
    this.length += length;
    return field + 1 === entry.count || this.#expected(entry, field + 1, 'nothing more');
  }

  /** @returns false also for what is to be looked at again, for its error */
  #address4(entry: EntryScanner, field: number): boolean {
    if (entry.count !== field + 1 || entry.kind[field] !== FieldKind.plain) return false;
    const { text } = entry;
    let part = 0;
    let digits = 0;
    let to = 0;
    for (let at = entry.begin[field], end = entry.end[field]; at <= end; at++) {
      const c = at === end ? 0x2e : text[at];
      if (c === 0x2e) {
        if (digits === 0 || to === 4) return false;
        this.data[to++] = part;
        part = digits = 0;
      } else {
        if (c < 0x30 || c > 0x39 || (digits > 0 && part === 0)) return false;
        part = 10 * part + c - 0x30;
        if (++digits > 3 || part > 255) return false;
      }
    }
    if (to !== 4) return false;
    this.length = 4;
    return true;
  }

  #strings(entry: EntryScanner, from: number): boolean {
    const { text } = entry;
    for (let field = from; field < entry.count; field++) {
      if ((entry.kind[field] & FieldKind.partlyQuoted) !== 0) {
        return this.#expected(entry, field, 'a string with quotes around all of it');
      }
      const lengthAt = this.length++;
      for (let at = entry.begin[field], end = entry.end[field]; at < end; at++) {
        let c = text[at];
        if (c === 0x5c) {
          c = text[++at];
          if (at >= end) return this.#expected(entry, field, 'something behind the backslash');
          if (c >= 0x30 && c <= 0x39) {
            const value = at + 2 < end ? digits3(text, at) : -1;
            if (value < 0) return this.#expected(entry, field, 'three digits up to 255 behind the backslash');
            c = value;
            at += 2;
          }
        }
        if (this.length - lengthAt > 255) return this.#expected(entry, field, 'strings of at most 255 octets');
        if (this.length > 65_535) return this.#expected(entry, field, 'at most 65535 octets of data');
        this.data[this.length++] = c;
      }
      this.data[lengthAt] = this.length - lengthAt - 1;
    }
    return this.length <= 65_535 || this.#expected(entry, from, 'at most 65535 octets of data');
  }

  #others(type: number, entry: EntryScanner, from: number, origin: Origin): boolean {
    const tokens: Token[] = [];
    for (let field = from; field < entry.count; field++) {
      const quoted = (entry.kind[field] & FieldKind.quoted) !== 0;
      tokens.push({ text: fieldText(entry, field), quoted });
    }
    const source = new Source(typeName(type), tokens, origin.text);
    try {
      const data = encodeFields(source);
      // Data in hexadecimal digits may be anything.
      if (readRdata(data, type, Class.IN, 0, data.length).length !== data.length) {
        return this.#fail(from, `${typeName(type)} data: expected names that are written out`);
      }
      this.data.set(data);
      this.length = data.length;
      return true;
    } catch (error) {
      if (!(error instanceof ShardnsError)) throw error;
      return this.#fail(from + Math.max(0, source.at - 1), error.message);
    }
  }
}

function digits3(text: Uint8Array, at: number): number {
  const [a, b, c] = [text[at] - 0x30, text[at + 1] - 0x30, text[at + 2] - 0x30];
  if (a < 0 || a > 9 || b < 0 || b > 9 || c < 0 || c > 9) return -1;
  const value = 100 * a + 10 * b + c;
  return value > 255 ? -1 : value;
}

/** A decimal number, or -1: also where it takes more than ten digits. */
export function numberOf({ text, begin, end, kind }: EntryScanner, field: number): number {
  if (kind[field] !== FieldKind.plain || end[field] - begin[field] > 10) return -1;
  let value = 0;
  for (let at = begin[field]; at < end[field]; at++) {
    if (text[at] < 0x30 || text[at] > 0x39) return -1;
    value = 10 * value + text[at] - 0x30;
  }
  return value;
}

/** A field as text: without quotes, its escapes in it; octets that are not ASCII as escapes. */
export function fieldText({ text, begin, end, kind }: EntryScanner, field: number): string {
  const octets = Buffer.from(text.buffer, text.byteOffset + begin[field], end[field] - begin[field]);
  let string = octets.toString('latin1');
  if ((kind[field] & FieldKind.partlyQuoted) !== 0) {
    string = string.replace(/\\[\s\S]|"/g, part => (part === '"' ? '' : part));
  }
  return /^[\x20-\x7e]*$/.test(string)
    ? string
    : string.replace(/\\?[^\x20-\x7e]/g, one => `\\${String(one.charCodeAt(one.length - 1)).padStart(3, '0')}`);
}
