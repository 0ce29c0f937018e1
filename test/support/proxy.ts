// Headers as a proxy writes them (PROXY protocol, version 2).
import { addressOctets } from '../../lib/base/address.js';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

export interface HeaderShape {
  command?: number;
  /** Family and transport. */
  family?: number;
  addresses?: Uint8Array;
  tlvs?: Uint8Array;
}

export function headerOf({
  command = 0x21,
  family = 0x11,
  addresses = new Uint8Array(0),
  tlvs = new Uint8Array(0),
}: HeaderShape): Buffer {
  const rest = Buffer.concat([addresses, tlvs]);
  return Buffer.concat([SIGNATURE, Buffer.from([command, family, rest.length >> 8, rest.length & 0xff]), rest]);
}

/** Of a client that has asked at 192.0.2.53:53, or its like. */
export function headerFor(address: string, port = 4000, tlvs?: Uint8Array): Buffer {
  const octets = addressOctets(address);
  const to = octets.length === 4 ? addressOctets('192.0.2.53') : addressOctets('2001:db8::53');
  const ports = Buffer.from([port >> 8, port & 0xff, 0, 53]);
  return headerOf({ family: octets.length === 4 ? 0x12 : 0x22, addresses: Buffer.concat([octets, to, ports]), tlvs });
}
