// Socket addresses as people write them: `192.0.2.1:53`, `[2001:db8::1]:53`, or without a port where there is a default.
import { isIP } from 'node:net';
import { optionError } from './errors.js';
import { lazy } from './lazy.js';

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
  readonly family: 4 | 6;
}

/**
 * With a default port it is an address to ask, which no port 0 can be; without, one to listen on, where 0 is any.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming `option`
 */
export function parseSocketAddress(text: string, option: string, defaultPort?: number): SocketAddress {
  const expected = defaultPort === undefined ? 'ADDRESS:PORT or [IPv6]:PORT' : 'ADDRESS, ADDRESS:PORT or [IPv6]:PORT';
  const match = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([^:]+)(?::(\d{1,5}))?$/.exec(text);
  const address = match !== null ? match[1] : text; // a bare IPv6 address has no port
  const portText = match?.[2];
  const family = isIP(address);
  const bracketed = text.startsWith('[');
  const port = portText !== undefined ? Number(portText) : defaultPort;
  const nobody = defaultPort !== undefined && portText !== undefined && port === 0;
  if (family === 0 || (bracketed && family !== 6) || port === undefined || port > 65535 || nobody) {
    throw optionError(option, text, expected);
  }
  return { address, port, family: family as 4 | 6 };
}

export function formatSocketAddress(at: SocketAddress): string {
  return at.family === 6 ? `[${at.address}]:${at.port}` : `${at.address}:${at.port}`;
}

/** A prefix such as `192.0.2.0/24`; a bare address is a prefix of full length. */
export interface AddressPrefix {
  readonly family: 4 | 6;
  readonly bits: number;
  readonly octets: Uint8Array;
}

export function parsePrefix(text: string, option: string): AddressPrefix {
  const [address, bitsText, ...rest] = text.split('/');
  const family = isIP(address);
  const most = family === 6 ? 128 : 32;
  const bits = bitsText === undefined ? most : Number(bitsText);
  // Digits alone: the number of a blank is 0, and all addresses lie in that prefix.
  if (family === 0 || rest.length > 0 || !/^\d{1,3}$/.test(bitsText ?? '0') || bits > most) {
    throw optionError(option, text, 'an address or a prefix such as 192.0.2.0/24 or 2001:db8::/32');
  }
  return { family: family as 4 | 6, bits, octets: addressOctets(address) };
}

/**
 * Ways to write an IPv4 address in an IPv6 one: those that begin so hold it from that octet on. Made when first needed:
 * Node compiles a long expression for its first IPv6 addresses, which is 7 ms of a program's start.
 */
const embeddings = lazy((): readonly { prefix: AddressPrefix; at: number; inverted?: boolean }[] => [
  { prefix: parsePrefix('::ffff:0:0/96', ''), at: 12 }, // mapped (RFC 4291 section 2.5.5.2)
  { prefix: parsePrefix('::ffff:0:0:0/96', ''), at: 12 }, // translated (RFC 2765 section 2.1)
  { prefix: parsePrefix('::/96', ''), at: 12 }, // compatible (RFC 4291 section 2.5.5.1)
  { prefix: parsePrefix('64:ff9b::/96', ''), at: 12 }, // NAT64 (RFC 6052 section 2.1)
  { prefix: parsePrefix('64:ff9b:1::/48', ''), at: 12 }, // NAT64 of one network (RFC 8215), with a prefix of 96 bits
  { prefix: parsePrefix('2002::/16', ''), at: 2 }, // 6to4 (RFC 3056 section 2)
  { prefix: parsePrefix('2001::/32', ''), at: 12, inverted: true }, // Teredo's client (RFC 4380 section 4)
]);

/**
 * The IPv4 address that the octets of an IPv6 one lead to; undefined where there is none.
 * @param translator the prefix of the network's own (NAT64), of one of the lengths of RFC 6052 section 2.2. What else is
 * in the address is not looked at: a translator has to ignore it.
 */
export function embeddedIPv4(octets: Uint8Array, translator?: AddressPrefix): Uint8Array | undefined {
  if (octets.length !== 16) return undefined;
  if (translator !== undefined && isInPrefix(octets, translator)) {
    return Uint8Array.from(translatedPlaces(translator), place => octets[place]);
  }
  const found = embeddings().find(({ prefix }) => isInPrefix(octets, prefix));
  // `::` and `::1` have the form of compatible addresses, and are none.
  if (found === undefined || octets.every((octet, i) => octet === 0 || i > 13)) return undefined;
  const address = octets.slice(found.at, found.at + 4);
  return found.inverted ? address.map(octet => octet ^ 0xff) : address;
}

/** Bits 64 to 71 of every translated address are zero (RFC 6052 section 2.2). */
export const RESERVED_OCTET = 8;

/** Where the four octets of an IPv4 address stand behind a translator's prefix (RFC 6052 section 2.2). */
export function translatedPlaces({ bits }: AddressPrefix): readonly number[] {
  const first = bits >> 3;
  return [0, 1, 2, 3].map(i => (first <= RESERVED_OCTET && first + i >= RESERVED_OCTET ? first + i + 1 : first + i));
}

/** Whether an address of 4 or 16 octets lies in the prefix, as it is written. */
export function isInPrefix(octets: Uint8Array, prefix: AddressPrefix): boolean {
  if (octets.length !== prefix.octets.length) return false;
  const whole = prefix.bits >> 3;
  for (let i = 0; i < whole; i++) if (octets[i] !== prefix.octets[i]) return false;
  const rest = prefix.bits & 7;
  return rest === 0 || ((octets[whole] ^ prefix.octets[whole]) & (0xff00 >> rest) & 0xff) === 0;
}

/** The octets with all but their first `bits` bits cleared. */
export function maskedOctets(octets: Uint8Array, bits: number): Uint8Array {
  return octets.map((octet, i) => octet & (bits >= 8 * i + 8 ? 0xff : bits <= 8 * i ? 0 : 0xff00 >> (bits - 8 * i)));
}

/** Whether these are the 16 octets of an IPv4 address in its IPv6-mapped form (RFC 4291 section 2.5.5.2). */
export function isMapped(octets: Uint8Array): boolean {
  if (octets.length !== 16 || octets[10] !== 0xff || octets[11] !== 0xff) return false;
  for (let i = 0; i < 10; i++) if (octets[i] !== 0) return false;
  return true;
}

/** Text of 4 or 16 octets (RFC 5952 section 4). */
export function formatAddress(octets: Uint8Array): string {
  if (octets.length === 4) return `${octets[0]}.${octets[1]}.${octets[2]}.${octets[3]}`;
  let [best, bestLength] = [-1, 1];
  for (let at = 0; at < 16; at += 2) {
    let end = at;
    while (end < 16 && octets[end] === 0 && octets[end + 1] === 0) end += 2;
    if ((end - at) / 2 > bestLength) [best, bestLength] = [at, (end - at) / 2];
    at = Math.max(at, end - 2);
  }
  let text = '';
  for (let at = 0; at < 16; at += 2) {
    if (at === best) {
      text += '::';
      at += bestLength * 2 - 2;
      continue;
    }
    if (text !== '' && !text.endsWith(':')) text += ':';
    // IPv4-mapped addresses show their IPv4 part (section 5).
    if (at === 12 && best === 0 && bestLength === 5) return `${text}${formatAddress(octets.subarray(12))}`;
    text += ((octets[at] << 8) | octets[at + 1]).toString(16);
  }
  return text;
}

/** The octets of an address of one family as records have them, without a scope; undefined for what is none. */
export function recordAddress(text: string, family: 4 | 6): Uint8Array | undefined {
  return isIP(text) === family && !text.includes('%') ? addressOctets(text) : undefined;
}

/** The 4 or 16 octets of a valid numeric address. */
export function addressOctets(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split('.').map(Number));
  const [head, tail] = address.replace(/%.*$/, '').split('::');
  const words = (part: string | undefined): number[] =>
    (part ?? '')
      .split(':')
      .filter(piece => piece !== '')
      .flatMap(piece => {
        if (!piece.includes('.')) return [Number.parseInt(piece, 16)];
        const v4 = addressOctets(piece);
        return [(v4[0] << 8) | v4[1], (v4[2] << 8) | v4[3]];
      });
  const front = words(head);
  const back = tail === undefined ? [] : words(tail);
  const all = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  return Uint8Array.from(all.flatMap(word => [word >> 8, word & 0xff]));
}
