// Reads what a lookup needs out of a reply, without taking the rest apart.
import { formatAddress } from '../base/address.js';
import { headerRcode } from '../wire/flags.js';
import { Class, HEADER_SIZE, Rcode, Type } from '../wire/iana.js';

const u16 = (octets: Uint8Array, at: number): number => (octets[at] << 8) | octets[at + 1];

/** Offset behind the name at `at`. */
function skipName(octets: Uint8Array, at: number): number {
  while (at < octets.length) {
    const label = octets[at];
    if (label === 0) return at + 1;
    if (label >= 0xc0) return at + 2;
    at += 1 + label;
  }
  return at;
}

/** The addresses of `type` in the answer section, in order; undefined where the name does not exist. */
export function readAddresses(reply: Uint8Array, type: number): string[] | undefined {
  const addresses: string[] = [];
  const size = type === Type.A ? 4 : 16;
  let at = skipName(reply, HEADER_SIZE) + 4;
  for (let left = u16(reply, 6); left > 0; left--) {
    at = skipName(reply, at);
    const length = u16(reply, at + 8);
    if (u16(reply, at) === type && u16(reply, at + 2) === Class.IN && length === size) {
      addresses.push(formatAddress(reply.subarray(at + 10, at + 10 + size)));
    }
    at += 10 + length;
  }
  return addresses.length === 0 && headerRcode(reply) === Rcode.NXDOMAIN ? undefined : addresses;
}
