// The kinds of fields that record data is made of; each knows text and wire format.
import { formatAddress, recordAddress } from '../base/address.js';
import { optionError, ShardnsError } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { typeCode, typeName } from './iana.js';
import { encodeName, nameToText, readName } from './name.js';
import { decodeParams, encodeParams } from './svcb.js';
import { base64Octets, escape, quoted, type Token, unescape } from './text.js';

/** Fields of a record's text, taken one after another. */
export class Source {
  #at = 0;
  constructor(
    readonly type: string,
    private readonly tokens: readonly Token[],
    readonly origin: string,
  ) {}

  next(expected: string): Token {
    const token = this.tokens[this.#at++];
    if (token === undefined) throw this.ends(expected);
    return token;
  }
  ends(expected: string): Error {
    return new ShardnsError('ERR_SHARDNS_OPTION', `${this.type} data: expected ${expected}, got the end of the data`);
  }
  peek(): Token | undefined {
    return this.tokens[this.#at];
  }
  get at(): number {
    return this.#at;
  }
  get left(): number {
    return this.tokens.length - this.#at;
  }
  /** The fields that are left, without the blanks between them. */
  rest(): string {
    const text = this.tokens.slice(this.#at).map(token => token.text);
    this.#at = this.tokens.length;
    return text.join('');
  }
  wrong(value: unknown, expected: string): Error {
    return optionError(`${this.type} data`, value, expected);
  }
}

/** Octets of a record's data, taken one after another. */
export class Octets {
  at = 0;
  constructor(
    readonly data: Uint8Array,
    readonly type: string,
  ) {}
  get left(): number {
    return this.data.length - this.at;
  }
  take(n: number): Uint8Array {
    if (n > this.left) {
      throw new ShardnsError('ERR_SHARDNS_MESSAGE', `${this.type} data: cut off after ${this.data.length} octets`);
    }
    return this.data.subarray(this.at, (this.at += n));
  }
  number(octets: number): number {
    return this.take(octets).reduce((sum, octet) => sum * 256 + octet, 0);
  }
  name(): string {
    const { name, next } = readName(this.data, this.at);
    if (next - this.at !== name.length) {
      throw new ShardnsError('ERR_SHARDNS_MESSAGE', `${this.type} data: a compressed name`);
    }
    this.at = next;
    return nameToText(name);
  }
}

/** A kind of field: both ways. */
export interface Field {
  encode(source: Source): Uint8Array;
  decode(octets: Octets): string;
}

export const bigEndian = (value: number, octets: number): Uint8Array =>
  Uint8Array.from({ length: octets }, (_, i) => Math.floor(value / 256 ** (octets - 1 - i)) & 0xff);

const number = (octets: number): Field => ({
  encode: source => {
    const expected = `a number from 0 to ${2 ** (8 * octets) - 1}`;
    const { text } = source.next(expected);
    if (!/^\d+$/.test(text) || Number(text) >= 2 ** (8 * octets)) throw source.wrong(text, expected);
    return bigEndian(Number(text), octets);
  },
  decode: octets_ => String(octets_.number(octets)),
});
export const u8 = number(1);
export const u16 = number(2);
export const u32 = number(4);

const UNITS: Readonly<Record<string, number>> = { S: 1, M: 60, H: 3600, D: 86_400, W: 604_800 };
/** Seconds, or `1h30m`. */
function parseSeconds(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  if (!/^(\d+[smhdw])+$/i.test(text)) return undefined;
  return [...text.matchAll(/(\d+)([smhdw])/gi)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * UNITS[unit.toUpperCase()],
    0,
  );
}
export const seconds: Field = {
  encode: source => {
    const { text } = source.next('seconds');
    const value = parseSeconds(text);
    if (value === undefined || value >= 2 ** 32) throw source.wrong(text, 'seconds, such as 3600 or 1h');
    return bigEndian(value, 4);
  },
  decode: u32.decode,
};
/** Of signatures: YYYYMMDDHHMMSS, or seconds (RFC 4034 section 3.2). */
export const time: Field = {
  encode: source => {
    const { text } = source.next('a time');
    const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text);
    if (match === null) {
      if (!/^\d{1,10}$/.test(text) || Number(text) >= 2 ** 32) throw source.wrong(text, 'YYYYMMDDHHMMSS or seconds');
      return bigEndian(Number(text), 4);
    }
    const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
    const at = Date.UTC(year, month - 1, day, hour, minute, second);
    // What is no date comes back as another one. Of the seconds as many bits are kept as the field has (RFC 4034 3.1.5).
    const written = new Date(at).toISOString().replace(/\D/g, '').slice(0, 14);
    if (written !== text || at < 0) throw source.wrong(text, 'a time from 1970 on');
    return bigEndian((at / 1000) % 2 ** 32, 4);
  },
  decode: octets =>
    new Date(octets.number(4) * 1000)
      .toISOString()
      .replace(/\.\d+Z$/, '')
      .replace(/[-:T]/g, ''),
};

export const name: Field = {
  encode: source => nameOctets(source.next('a name').text, source.origin),
  decode: octets => octets.name(),
};
/** A name that may be written relative to the origin. */
export function nameOctets(text: string, origin: string): Uint8Array {
  if (text === '@') return encodeName(origin);
  return encodeName(isAbsolute(text) ? text : absolute(text, origin));
}
/** Whether its last dot is one, and not an octet of the last label. */
const isAbsolute = (text: string): boolean => /(^|[^\\])(\\\\)*\.$/.test(text);
const absolute = (text: string, origin: string): string => (origin === '.' ? `${text}.` : `${text}.${origin}`);

export const address = (family: 4 | 6): Field => ({
  encode: source => {
    const { text } = source.next('an address');
    const octets = recordAddress(text, family);
    if (octets === undefined) throw source.wrong(text, `an IPv${family} address`);
    return octets;
  },
  decode: octets => formatAddress(octets.take(family === 4 ? 4 : 16)),
});

/** A character-string: its length in an octet before it. */
export const string: Field = {
  encode: source => {
    const { text } = source.next('a string');
    const octets = unescape(text);
    if (octets.length > 255) throw source.wrong(`${octets.length} octets`, 'a string of at most 255 octets');
    return Uint8Array.of(octets.length, ...octets);
  },
  decode: octets => quoted(octets.take(octets.number(1))),
};
const whileLeft = (field: Field, least: number): Field => ({
  encode: source => {
    const parts: Uint8Array[] = [];
    for (let i = 0; i < least || source.left > 0; i++) parts.push(field.encode(source));
    return Buffer.concat(parts);
  },
  decode: octets => {
    const parts: string[] = [];
    while (octets.left > 0) parts.push(field.decode(octets));
    return parts.join(' ');
  },
});
export const optional = (field: Field): Field => ({
  encode: source => (source.left > 0 ? field.encode(source) : new Uint8Array(0)),
  decode: octets => (octets.left > 0 ? field.decode(octets) : ''),
});
export const strings = whileLeft(string, 1);
/** A word of letters and digits, its length before it (the tag of CAA: RFC 8659 section 4.1). */
export const tag: Field = {
  encode: source => {
    const expected = 'a tag of letters and digits, such as issue';
    const { text } = source.next(expected);
    if (!/^[a-z0-9]{1,255}$/i.test(text)) throw source.wrong(text, expected);
    return Uint8Array.of(text.length, ...Buffer.from(text));
  },
  // Without quotes, in which others do not take it.
  decode: octets => escape(octets.take(octets.number(1))).replaceAll(' ', '\\032') || '""',
};
/** A string that is the rest of the data. */
export const longString: Field = {
  encode: source => Uint8Array.from(unescape(source.next('a string').text)),
  decode: octets => quoted(octets.take(octets.left)),
};

export const hexOctets = (source: Source, text: string): Uint8Array => {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw source.wrong(text, 'an even number of hexadecimal digits');
  return Buffer.from(text, 'hex');
};
export const hex: Field = {
  encode: source => {
    if (source.left === 0) throw source.ends('hexadecimal digits');
    return hexOctets(source, source.rest());
  },
  decode: octets => Buffer.from(octets.take(octets.left)).toString('hex').toUpperCase(),
};
export const base64: Field = {
  encode: source => {
    if (source.left === 0) throw source.ends('base 64');
    const text = source.rest();
    const octets = base64Octets(text);
    if (octets === undefined) throw source.wrong(text, 'base 64');
    return octets;
  },
  decode: octets => Buffer.from(octets.take(octets.left)).toString('base64'),
};
/** NSEC3's salt: hexadecimal, `-` for none, its length before it. */
export const salt: Field = {
  encode: source => {
    const { text } = source.next('a salt');
    const octets = text === '-' ? new Uint8Array(0) : hexOctets(source, text);
    if (octets.length > 255) throw source.wrong(text, 'at most 255 octets');
    return Uint8Array.of(octets.length, ...octets);
  },
  decode: octets => {
    const value = octets.take(octets.number(1));
    return value.length === 0 ? '-' : Buffer.from(value).toString('hex').toUpperCase();
  },
};
const BASE32 = '0123456789ABCDEFGHIJKLMNOPQRSTUV'; // RFC 4648 section 7
/** NSEC3's next owner: base 32 with extended hex alphabet, its length before it. */
export const hash32: Field = {
  encode: source => {
    const { text } = source.next('a hash');
    // Most leave the padding out (RFC 5155 section 3.3). So many digits end in the middle of an octet.
    const digits = text.replace(/={1,6}$/, '');
    const isPadded = digits.length < text.length;
    if (!/^[0-9a-v]+$/i.test(digits) || [1, 3, 6].includes(digits.length % 8) || (isPadded && text.length % 8 !== 0)) {
      throw source.wrong(text, 'base 32 with extended hex alphabet');
    }
    const octets: number[] = [];
    let bits = 0;
    let value = 0;
    for (const digit of digits.toUpperCase()) {
      value = (value << 5) | BASE32.indexOf(digit);
      bits += 5;
      if (bits >= 8) {
        bits -= 8;
        octets.push((value >> bits) & 0xff);
        value &= (1 << bits) - 1;
      }
    }
    return Uint8Array.of(octets.length, ...octets);
  },
  decode: octets => {
    let text = '';
    let bits = 0;
    let value = 0;
    for (const octet of octets.take(octets.number(1))) {
      value = (value << 8) | octet;
      bits += 8;
      for (; bits >= 5; bits -= 5) text += BASE32[(value >> (bits - 5)) & 31];
      value &= (1 << bits) - 1;
    }
    return bits > 0 ? text + BASE32[(value << (5 - bits)) & 31] : text;
  },
};

export const typeField: Field = {
  encode: source => {
    const { text } = source.next('a type');
    const code = typeCode(text);
    if (code === undefined) throw source.wrong(text, 'a type such as A or TYPE123');
    return bigEndian(code, 2);
  },
  decode: octets => typeName(octets.number(2)),
};
/** DNSSEC algorithms (IANA "DNS Security Algorithm Numbers"); a number stands for itself (RFC 4034 section 3.2). */
const ALGORITHMS: Readonly<Record<string, number>> = {
  RSAMD5: 1,
  DH: 2,
  DSA: 3,
  RSASHA1: 5,
  'DSA-NSEC3-SHA1': 6,
  'RSASHA1-NSEC3-SHA1': 7,
  RSASHA256: 8,
  RSASHA512: 10,
  'ECC-GOST': 12,
  ECDSAP256SHA256: 13,
  ECDSAP384SHA384: 14,
  ED25519: 15,
  ED448: 16,
  INDIRECT: 252,
  PRIVATEDNS: 253,
  PRIVATEOID: 254,
};
const algorithmNames = lazy(() => new Map(Object.entries(ALGORITHMS).map(([name, number]) => [number, name])));
/** As `ECDSAP256SHA256`, and as a number where it has no name here. */
export const algorithmName = (number: number): string => algorithmNames().get(number) ?? `algorithm ${number}`;
export const algorithm: Field = {
  encode: source => {
    const { text } = source.next('an algorithm');
    const upper = text.toUpperCase();
    const code = Object.hasOwn(ALGORITHMS, upper) ? ALGORITHMS[upper] : /^\d+$/.test(text) ? Number(text) : 256;
    if (code > 255) throw source.wrong(text, 'an algorithm such as 13 or ECDSAP256SHA256');
    return bigEndian(code, 1);
  },
  decode: octets => String(octets.number(1)),
};
/** Digests of DS records (IANA "Digest Algorithms"); a number stands for itself. */
const DIGESTS: Readonly<Record<string, number>> = { 'SHA-1': 1, 'SHA-256': 2, GOST: 3, 'SHA-384': 4 };
export const digestType: Field = {
  encode: source => {
    const text = source.peek()?.text.toUpperCase() ?? '';
    if (!Object.hasOwn(DIGESTS, text)) return u8.encode(source);
    source.next('a digest type');
    return Uint8Array.of(DIGESTS[text]);
  },
  decode: u8.decode,
};
/** RFC 4034 section 4.1.2. */
export const bitmap: Field = {
  encode: source => {
    const windows = new Map<number, Uint8Array>();
    while (source.left > 0) {
      const { text } = source.next('a type');
      const code = typeCode(text);
      if (code === undefined) throw source.wrong(text, 'types such as A or TYPE123');
      const bits = windows.get(code >> 8) ?? new Uint8Array(32);
      bits[(code & 0xff) >> 3] |= 0x80 >> (code & 7);
      windows.set(code >> 8, bits);
    }
    return Buffer.concat(
      [...windows]
        .sort(([a], [b]) => a - b)
        .map(([window, bits]) => {
          const length = bits.findLastIndex(octet => octet !== 0) + 1;
          return Buffer.from([window, length, ...bits.subarray(0, length)]);
        }),
    );
  },
  decode: octets => {
    const types: string[] = [];
    while (octets.left > 0) {
      const window = octets.number(1);
      octets.take(octets.number(1)).forEach((bits, i) => {
        for (let bit = 0; bit < 8; bit++) if (bits & (0x80 >> bit)) types.push(typeName(window * 256 + i * 8 + bit));
      });
    }
    return types.join(' ');
  },
};
export const params: Field = {
  encode: source => {
    const tokens: Token[] = [];
    while (source.left > 0) tokens.push(source.next('a parameter'));
    return encodeParams(tokens);
  },
  decode: octets => decodeParams(octets.take(octets.left)),
};
/** Groups of hexadecimal digits with a sign between them. */
export const groups = (octets: number, size: number, sign: string): Field => ({
  encode: source => {
    const { text } = source.next('octets');
    const digits = 2 * size;
    // Of words of 16 bits zeros in front are left out, as in IPv6 addresses (RFC 6742 section 2.1.1).
    const least = size > 1 ? 1 : digits;
    const form = new RegExp(
      `^[0-9a-f]{${least},${digits}}(${sign}[0-9a-f]{${least},${digits}}){${octets / size - 1}}$`,
      'i',
    );
    if (!form.test(text)) throw source.wrong(text, `${octets} octets in hexadecimal, ${sign} between them`);
    const groups = text.split(sign).map(group => group.padStart(digits, '0'));
    return Buffer.from(groups.join(''), 'hex');
  },
  decode: source => {
    const digits = Buffer.from(source.take(octets)).toString('hex');
    return digits.match(new RegExp(`.{${2 * size}}`, 'g'))!.join(sign);
  },
});
