// The header by which a proxy says whose query it passes on (PROXY protocol version 2, by HAProxy): before the first octet of
// a connection, TLS or not, and before the query of each datagram.
//
//  0           12                13                     14        16
//  | signature | version, command | family, transport    | length  | addresses, then TLVs |
//
// What a header says of a client without an IP address (a socket of the proxy's own machine, or nobody in particular) is that
// the proxy asks: its own address is all that access and rates can go by.
//
// Bound: MAX_PROXY_HEADER octets. TLVs are stepped over unread, each within the header.
import { formatAddress, isMapped } from '../../base/address.js';

/** As dnsdist takes them by default; a header with addresses alone has 16, 28, 52 or 232. */
export const MAX_PROXY_HEADER = 512;

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const FIXED = 16;
const LOCAL = 0x20;
const PROXY = 0x21;
/** Octets of the two addresses, and their ports, of each family (the upper half of the octet): none, IPv4, IPv6, Unix. */
const ADDRESSES_OCTETS: readonly number[] = [0, 12, 36, 216];
/** Of one address, for clients that have one. */
const ADDRESS_OCTETS: readonly (0 | 4 | 16)[] = [0, 4, 16, 0];
/** The lower half: not said, stream, datagram. */
const MAX_TRANSPORT = 2;
/** Type and length. */
const TLV_HEAD = 3;

export interface ProxyHeader {
  /** Octets up to what the client has sent. */
  readonly length: number;
  /** Undefined: the proxy asks for itself, as for a health check (LOCAL), for a Unix socket, or does not know for whom. */
  readonly client: { readonly address: string; readonly port: number } | undefined;
}

/**
 * Reads the header that these octets begin with.
 * @returns `incomplete` where what there is may become one; `wrong` where it cannot
 */
export function readProxyHeader(octets: Uint8Array): ProxyHeader | 'incomplete' | 'wrong' {
  for (let i = 0; i < SIGNATURE.length && i < octets.length; i++) if (octets[i] !== SIGNATURE[i]) return 'wrong';
  if (octets.length < FIXED) return 'incomplete';
  const command = octets[12];
  const family = octets[13] >> 4;
  const length = FIXED + ((octets[14] << 8) | octets[15]);
  if ((command !== LOCAL && command !== PROXY) || length > MAX_PROXY_HEADER) return 'wrong';
  // What LOCAL, or no family, says of addresses is passed over.
  const isBare = command === LOCAL || family === 0;
  const addressesEnd = isBare ? length : FIXED + (ADDRESSES_OCTETS[family] ?? Infinity);
  if (addressesEnd > length || (command === PROXY && (octets[13] & 0x0f) > MAX_TRANSPORT)) return 'wrong';
  if (octets.length < length) return 'incomplete';
  if (!areTlvs(octets, addressesEnd, length)) return 'wrong';
  const size = isBare ? 0 : ADDRESS_OCTETS[family];
  if (size === 0) return { length, client: undefined };
  const address = octets.subarray(FIXED, FIXED + size);
  const portAt = FIXED + 2 * size;
  return {
    length,
    client: {
      // One client, however its address is written.
      address: formatAddress(isMapped(address) ? address.subarray(12) : address),
      port: (octets[portAt] << 8) | octets[portAt + 1],
    },
  };
}

/** Whether these octets are TLVs, the last of which ends where they do. */
function areTlvs(octets: Uint8Array, at: number, end: number): boolean {
  while (at + TLV_HEAD <= end) at += TLV_HEAD + ((octets[at + 1] << 8) | octets[at + 2]);
  return at === end;
}
