// The slot of a key in a Redis Cluster: CRC-16 (XMODEM) of the key, or of what stands between the first braces in it, modulo
// 16,384 (the Redis Cluster specification, "Key distribution model").
import { lazy } from '../../base/lazy.js';
import type { RedisArgument } from './client.js';

const SLOTS = 16_384;

const table = lazy(() =>
  Uint16Array.from({ length: 256 }, (_, octet) => {
    let crc = octet << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ ((crc & 0x8000) !== 0 ? 0x1021 : 0);
    return crc;
  }),
);

export function keySlot(key: RedisArgument): number {
  const octets = typeof key === 'string' ? Buffer.from(key) : key;
  let begin = 0;
  let end = octets.length;
  const open = octets.indexOf(0x7b);
  const close = open < 0 ? -1 : octets.indexOf(0x7d, open + 1);
  if (close > open + 1) {
    begin = open + 1;
    end = close;
  }
  const crcs = table();
  let crc = 0;
  for (let at = begin; at < end; at++) crc = ((crc << 8) & 0xffff) ^ crcs[(crc >> 8) ^ octets[at]];
  return crc % SLOTS;
}
