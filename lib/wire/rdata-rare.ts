// Fields of types that are seldom seen: LOC, APL, CERT, WKS, NSAP, ATMA, IPSECKEY, HIP.
import { isIP } from 'node:net';
import { addressOctets, formatAddress } from '../base/address.js';
import { encodeName } from './name.js';
import { base64, bigEndian, type Field, hexOctets, name, type Octets, type Source } from './rdata-fields.js';

const octetsOf = (value: number): Uint8Array => Uint8Array.of(value);
function whole(source: Source, most: number): number {
  const { text } = source.next('a number');
  if (!/^\d+$/.test(text) || Number(text) > most) throw source.wrong(text, `a number from 0 to ${most}`);
  return Number(text);
}

// --- LOC (RFC 1876) ---

const EQUATOR = 2 ** 31;
const METRES = /^(-?\d+(?:\.\d{1,2})?)m?$/;

/** Centimetres as a digit and a power of ten, four bits each. */
function precision(source: Source, fallback: number): number {
  if (source.left === 0) return fallback;
  const { text } = source.next('metres');
  const metres = METRES.exec(text);
  let centimetres = Math.round(Number(metres?.[1]) * 100);
  if (metres === null || centimetres < 0 || centimetres > 9e9) throw source.wrong(text, '0 to 90000000.00 metres');
  let power = 0;
  for (; centimetres >= 10; power++) centimetres = Math.floor(centimetres / 10);
  return (centimetres << 4) | power;
}
/** `42 21 54.5 N`: minutes and seconds may be left out. */
function angle(source: Source, directions: string, most: number): number {
  const parts: number[] = [];
  for (;;) {
    const { text } = source.next(`degrees, minutes, seconds and ${directions}`);
    if (text.length === 1 && directions.includes(text.toUpperCase()) && parts.length > 0) {
      const [degrees, minutes = 0, seconds = 0] = parts;
      const thousandths = Math.round(((degrees * 60 + minutes) * 60 + seconds) * 1000);
      if (thousandths > most * 3_600_000 || minutes >= 60 || seconds >= 60) throw source.wrong(text, 'an angle');
      return EQUATOR + (text.toUpperCase() === directions[0] ? thousandths : -thousandths);
    }
    if (!/^\d+(\.\d{1,3})?$/.test(text) || parts.length === 3) throw source.wrong(text, 'an angle');
    parts.push(Number(text));
  }
}
function angleText(value: number, directions: string): string {
  const thousandths = Math.abs(value - EQUATOR);
  const minutes = Math.floor(thousandths / 60_000);
  const seconds = ((thousandths % 60_000) / 1000).toFixed(3);
  return `${Math.floor(minutes / 60)} ${minutes % 60} ${seconds} ${directions[value >= EQUATOR ? 0 : 1]}`;
}

export const loc: Field = {
  encode: source => {
    const latitude = angle(source, 'NS', 90);
    const longitude = angle(source, 'EW', 180);
    const { text } = source.next('an altitude');
    const metres = METRES.exec(text);
    const altitude = Math.round((Number(metres?.[1]) + 100_000) * 100);
    if (metres === null || altitude < 0 || altitude >= 2 ** 32) throw source.wrong(text, 'an altitude in metres');
    const sizes = [0x12, 0x16, 0x13].map(fallback => precision(source, fallback));
    return Buffer.concat([Buffer.from([0, ...sizes]), ...[latitude, longitude, altitude].map(n => bigEndian(n, 4))]);
  },
  decode: octets => {
    const [, ...sizes] = octets.take(4);
    const [latitude, longitude, altitude] = [octets.number(4), octets.number(4), octets.number(4)];
    const metres = (centimetres: number): string => `${(centimetres / 100).toFixed(2)}m`;
    const size = sizes.map(one => metres((one >> 4) * 10 ** (one & 15))).join(' ');
    return `${angleText(latitude, 'NS')} ${angleText(longitude, 'EW')} ${metres(altitude - 10_000_000)} ${size}`;
  },
};

// --- APL (RFC 3123) ---

const FAMILIES = [
  { number: 1, kind: 4, bits: 32 },
  { number: 2, kind: 6, bits: 128 },
];
export const prefixes: Field = {
  encode: source => {
    const parts: Uint8Array[] = [];
    while (source.left > 0) {
      const { text } = source.next('a prefix');
      const [, negated, family, at, bits] = /^(!?)(\d):([^/]+)\/(\d+)$/.exec(text) ?? [];
      const known = FAMILIES.find(one => String(one.number) === family);
      if (known === undefined || isIP(at) !== known.kind || Number(bits) > known.bits) {
        throw source.wrong(text, 'prefixes such as 1:192.0.2.0/24 or !2:2001:db8::/32');
      }
      const octets = addressOctets(at);
      const length = octets.findLastIndex(octet => octet !== 0) + 1;
      const head = [0, known.number, Number(bits), (negated === '!' ? 0x80 : 0) | length];
      parts.push(Uint8Array.from([...head, ...octets.subarray(0, length)]));
    }
    return Buffer.concat(parts);
  },
  decode: octets => {
    const texts: string[] = [];
    while (octets.left > 0) {
      const number = octets.number(2);
      const bits = octets.number(1);
      const flags = octets.number(1);
      const at = new Uint8Array(number === 1 ? 4 : 16);
      at.set(octets.take(flags & 0x7f).subarray(0, at.length));
      texts.push(`${flags & 0x80 ? '!' : ''}${number}:${formatAddress(at)}/${bits}`);
    }
    return texts.join(' ');
  },
};

// --- others ---

const CERTIFICATES = ['', 'PKIX', 'SPKI', 'PGP', 'IPKIX', 'ISPKI', 'IPGP', 'ACPKIX', 'IACPKIX']; // RFC 4398 section 2.1
export const certType: Field = {
  encode: source => {
    const { text } = source.next('a certificate type');
    const mnemonic = text.toUpperCase();
    const code = mnemonic === 'URI' ? 253 : mnemonic === 'OID' ? 254 : CERTIFICATES.indexOf(mnemonic);
    if (code > 0) return bigEndian(code, 2);
    if (!/^\d+$/.test(text) || Number(text) > 65_535) throw source.wrong(text, 'a certificate type');
    return bigEndian(Number(text), 2);
  },
  decode: octets => String(octets.number(2)),
};

const PROTOCOLS = new Map([
  ['tcp', 6],
  ['udp', 17],
]);
/** RFC 1035 section 3.4.2: a protocol, and a bit a port. */
export const services: Field = {
  encode: source => {
    const { text } = source.next('a protocol');
    const protocol = PROTOCOLS.get(text.toLowerCase()) ?? Number(text);
    if (!Number.isInteger(protocol) || protocol < 0 || protocol > 255) throw source.wrong(text, 'tcp, udp or a number');
    const bits = new Uint8Array(8192);
    let length = 0;
    while (source.left > 0) {
      const port = whole(source, 65_535);
      bits[port >> 3] |= 0x80 >> (port & 7);
      length = Math.max(length, (port >> 3) + 1);
    }
    return Uint8Array.from([protocol, ...bits.subarray(0, length)]);
  },
  decode: octets => {
    const texts = [String(octets.number(1))];
    octets.take(octets.left).forEach((bits, i) => {
      for (let bit = 0; bit < 8; bit++) if (bits & (0x80 >> bit)) texts.push(String(i * 8 + bit));
    });
    return texts.join(' ');
  },
};

/** RFC 1706: 0x, and hexadecimal digits with dots between them. */
export const nsap: Field = {
  encode: source => {
    const { text } = source.next('an address');
    if (!/^0x/i.test(text)) throw source.wrong(text, '0x and hexadecimal digits');
    return hexOctets(source, text.slice(2).replaceAll('.', ''));
  },
  decode: octets => `0x${hexText(octets, octets.left)}`,
};
/** ATM Name System 3: an end system's address in hexadecimal, or `+` and the digits of a telephone number. */
export const atma: Field = {
  encode: source => {
    const { text } = source.next('an address');
    if (/^\+\d+$/.test(text)) return Uint8Array.from([1, ...Buffer.from(text.slice(1))]);
    return Uint8Array.from([0, ...hexOctets(source, text.replaceAll('.', ''))]);
  },
  decode: octets => {
    const telephone = octets.number(1) === 1;
    return telephone ? `+${Buffer.from(octets.take(octets.left)).toString()}` : hexText(octets, octets.left);
  },
};
const hexText = (octets: Octets, n: number): string => Buffer.from(octets.take(n)).toString('hex').toUpperCase();

/** RFC 4025: precedence, kind of gateway, algorithm, gateway, key. */
export const ipseckey: Field = {
  encode: source => {
    const [precedence, kind, algorithm] = [whole(source, 255), whole(source, 3), whole(source, 255)];
    const { text } = source.next('a gateway');
    const family = [0, 4, 6, 0][kind];
    if (family !== 0 && isIP(text) !== family) throw source.wrong(text, `an IPv${family} address`);
    const gateway = kind === 0 ? new Uint8Array(0) : kind === 3 ? encodeName(text) : addressOctets(text);
    return Buffer.concat([Buffer.from([precedence, kind, algorithm]), gateway, base64.encode(source)]);
  },
  decode: octets => {
    const [precedence, kind, algorithm] = octets.take(3);
    const gateway =
      kind === 0 ? '.' : kind === 3 ? name.decode(octets) : formatAddress(octets.take(kind === 1 ? 4 : 16));
    return `${precedence} ${kind} ${algorithm} ${gateway} ${base64.decode(octets)}`;
  },
};

/** RFC 8005: algorithm, identity tag, public key, rendezvous servers. */
export const hip: Field = {
  encode: source => {
    const algorithm = whole(source, 255);
    const tag = hexOctets(source, source.next('an identity tag').text);
    const key = Buffer.from(source.next('a public key').text, 'base64');
    const servers: Uint8Array[] = [];
    while (source.left > 0) servers.push(name.encode(source));
    return Buffer.concat([octetsOf(tag.length), octetsOf(algorithm), bigEndian(key.length, 2), tag, key, ...servers]);
  },
  decode: octets => {
    const [length, algorithm] = octets.take(2);
    const keyLength = octets.number(2);
    const texts = [String(algorithm), hexText(octets, length), Buffer.from(octets.take(keyLength)).toString('base64')];
    while (octets.left > 0) texts.push(name.decode(octets));
    return texts.join(' ');
  },
};
