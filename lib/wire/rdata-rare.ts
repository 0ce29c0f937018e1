// Fields of types that are seldom seen: LOC, APL, CERT, WKS, NSAP, ATMA, IPSECKEY, HIP, AMTRELAY, DSYNC.
import { formatAddress, recordAddress } from '../base/address.js';
import {
  base64,
  bigEndian,
  type Field,
  hexOctets,
  name,
  nameOctets,
  type Octets,
  type Source,
} from './rdata-fields.js';
import { base64Octets } from './text.js';

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
      if (thousandths > most * 3_600_000 || minutes >= 60 || seconds >= 60) {
        throw source.wrong(`${parts.join(' ')} ${text}`, `an angle of at most ${most} degrees`);
      }
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
] as const;
export const prefixes: Field = {
  encode: source => {
    const parts: Uint8Array[] = [];
    while (source.left > 0) {
      const { text } = source.next('a prefix');
      const [, negated, family, at, bits] = /^(!?)(\d):([^/]+)\/(\d+)$/.exec(text) ?? [];
      const known = FAMILIES.find(one => String(one.number) === family);
      const octets = known && recordAddress(at, known.kind);
      if (octets === undefined || Number(bits) > known!.bits) {
        throw source.wrong(text, 'prefixes such as 1:192.0.2.0/24 or !2:2001:db8::/32');
      }
      const length = octets.findLastIndex(octet => octet !== 0) + 1;
      const head = [0, known!.number, Number(bits), (negated === '!' ? 0x80 : 0) | length];
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
/** What zone files of the time name: others are written as numbers. */
const SERVICES = new Map(
  Object.entries({
    echo: 7,
    discard: 9,
    systat: 11,
    daytime: 13,
    netstat: 15,
    qotd: 17,
    chargen: 19,
    'ftp-data': 20,
    ftp: 21,
    ssh: 22,
    telnet: 23,
    smtp: 25,
    time: 37,
    nameserver: 42,
    whois: 43,
    domain: 53,
    tftp: 69,
    gopher: 70,
    finger: 79,
    http: 80,
    hostnames: 101,
    pop2: 109,
    pop3: 110,
    sunrpc: 111,
    auth: 113,
    sftp: 115,
    nntp: 119,
    ntp: 123,
    imap2: 143,
    imap: 143,
    snmp: 161,
    irc: 194,
    https: 443,
  }),
);
/** RFC 1035 section 3.4.2: a protocol, and a bit a port. */
export const services: Field = {
  encode: source => {
    const { text } = source.next('a protocol');
    const protocol = PROTOCOLS.get(text.toLowerCase()) ?? Number(text);
    if (!Number.isInteger(protocol) || protocol < 0 || protocol > 255) throw source.wrong(text, 'tcp, udp or a number');
    const bits = new Uint8Array(8192);
    let length = 0;
    while (source.left > 0) {
      const { text: service } = source.next('a port');
      const port = SERVICES.get(service.toLowerCase()) ?? (/^\d{1,5}$/.test(service) ? Number(service) : 65_536);
      if (port > 65_535) throw source.wrong(service, 'ports: numbers to 65535, or names such as smtp');
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

/** A host by its kind: none, which is written as a dot; an IPv4 or IPv6 address; a name. */
function hostOctets(source: Source, kind: number, what: string): Uint8Array {
  const { text } = source.next(what);
  if (kind === 3) return nameOctets(text, source.origin);
  const octets = kind === 0 ? (text === '.' ? new Uint8Array(0) : undefined) : recordAddress(text, kind === 1 ? 4 : 6);
  if (octets === undefined)
    throw source.wrong(text, kind === 0 ? 'a dot: there is none' : `an IPv${2 + 2 * kind} address`);
  return octets;
}
const hostText = (octets: Octets, kind: number): string =>
  kind === 0 ? '.' : kind === 3 ? name.decode(octets) : formatAddress(octets.take(kind === 1 ? 4 : 16));

/** RFC 4025: precedence, kind of gateway, algorithm, gateway, key. */
export const ipseckey: Field = {
  encode: source => {
    const [precedence, kind, algorithm] = [whole(source, 255), whole(source, 3), whole(source, 255)];
    const gateway = hostOctets(source, kind, 'a gateway');
    return Buffer.concat([Buffer.from([precedence, kind, algorithm]), gateway, base64.encode(source)]);
  },
  decode: octets => {
    const [precedence, kind, algorithm] = octets.take(3);
    return `${precedence} ${kind} ${algorithm} ${hostText(octets, kind)} ${base64.decode(octets)}`;
  },
};

/** RFC 8777 section 4: precedence, whether discovery is optional, kind of relay, relay. */
export const amtrelay: Field = {
  encode: source => {
    const [precedence, optional, kind] = [whole(source, 255), whole(source, 1), whole(source, 3)];
    return Buffer.concat([Buffer.from([precedence, (optional << 7) | kind]), hostOctets(source, kind, 'a relay')]);
  },
  decode: octets => {
    const [precedence, flags] = octets.take(2);
    const kind = flags & 0x7f;
    return `${precedence} ${flags >> 7} ${kind} ${hostText(octets, kind)}`;
  },
};

/** Of DSYNC: how whoever is meant is told (RFC 9859 section 2.2). */
export const notifyScheme: Field = {
  encode: source => {
    if (source.peek()?.text.toUpperCase() !== 'NOTIFY') return octetsOf(whole(source, 255));
    source.next('a scheme');
    return octetsOf(1);
  },
  decode: octets => {
    const scheme = octets.number(1);
    return scheme === 1 ? 'NOTIFY' : String(scheme);
  },
};

/** RFC 8005: algorithm, identity tag, public key, rendezvous servers. */
export const hip: Field = {
  encode: source => {
    const algorithm = whole(source, 255);
    const tag = hexOctets(source, source.next('an identity tag').text);
    const { text } = source.next('a public key');
    const key = base64Octets(text);
    if (key === undefined) throw source.wrong(text, 'base 64');
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
