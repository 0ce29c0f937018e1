// What the log of a fleet says of byte caches: one item is one thing that was forgotten or written.
//
//   1 | everything
//   2 | tag's mark, 2 octets
//   3 | namespace's name
//   4 | written at, 6 octets | key with its namespace       5 | deleted at, 6 octets | the same
//
// Times are milliseconds of the writer's notion of Redis' clock; 0: it did not know it. A key begins with the length of its
// namespace's name, one octet, and the name.
import { MAX_KEY_OCTETS } from '../../native/binding.js';

const Kind = { everything: 1, tag: 2, space: 3, written: 4, deleted: 5 } as const;
const TIME_OCTETS = 6;
const MAX_NAME = 255;

export type LevelItem =
  | { what: 'everything' }
  | { what: 'tag'; mark: number }
  | { what: 'space'; name: Buffer }
  | { what: 'written' | 'deleted'; atMs: number; key: Buffer };

export const EVERYTHING: Uint8Array = Uint8Array.of(Kind.everything);

export const tagItem = (mark: number): Uint8Array => Uint8Array.of(Kind.tag, mark >> 8, mark & 0xff);
export const spaceItem = (name: Uint8Array): Uint8Array => Buffer.concat([Uint8Array.of(Kind.space), name]);
export function keyItem(what: 'written' | 'deleted', key: Uint8Array, atMs: number): Uint8Array {
  const item = Buffer.allocUnsafe(1 + TIME_OCTETS + key.length);
  item[0] = Kind[what];
  item.writeUIntBE(Number.isNaN(atMs) ? 0 : Math.floor(atMs), 1, TIME_OCTETS);
  item.set(key, 1 + TIME_OCTETS);
  return item;
}

/** Undefined for what is none: of a version that is not known here, or of somebody else. */
export function readItem(octets: Uint8Array): LevelItem | undefined {
  const item = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
  switch (item[0]) {
    case Kind.everything:
      return item.length === 1 ? { what: 'everything' } : undefined;
    case Kind.tag:
      return item.length === 3 ? { what: 'tag', mark: item.readUInt16BE(1) } : undefined;
    case Kind.space:
      return item.length > 1 && item.length <= 1 + MAX_NAME ? { what: 'space', name: item.subarray(1) } : undefined;
    case Kind.written:
    case Kind.deleted: {
      const key = item.subarray(1 + TIME_OCTETS);
      if (key.length === 0 || key.length > MAX_KEY_OCTETS || key.length <= key[0]) return undefined;
      const what = item[0] === Kind.written ? 'written' : 'deleted';
      return { what, atMs: item.readUIntBE(1, TIME_OCTETS), key };
    }
    default:
      return undefined;
  }
}
