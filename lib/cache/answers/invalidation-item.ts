// One invalidation of answers, as the log of a fleet has it.
//
//   1 | everything      2 | a name     3 | a suffix, both folded and in wire format      4 | a tenant, 4 octets
import { foldName, plainNameLength } from '../../wire/name.js';
import type { Forgotten } from '../forgotten.js';

const Kind = { all: 1, name: 2, suffix: 3, tenant: 4 } as const;

export const EVERYTHING: Uint8Array = Uint8Array.of(Kind.all);

export function itemOf(what: Forgotten): Uint8Array {
  if (what === 'all') return EVERYTHING;
  if ('name' in what) return Uint8Array.of(Kind.name, ...what.name);
  if ('suffix' in what) return Uint8Array.of(Kind.suffix, ...what.suffix);
  const item = new Uint8Array(5);
  item[0] = Kind.tenant;
  new DataView(item.buffer).setUint32(1, what.tenant);
  return item;
}

/** Undefined for what is none: of a version that is not known here, or of somebody else. */
export function readItem(item: Uint8Array): Forgotten | undefined {
  const rest = item.subarray(1);
  switch (item[0]) {
    case Kind.all:
      return rest.length === 0 ? 'all' : undefined;
    case Kind.name:
    case Kind.suffix: {
      if (plainNameLength(rest, 0) !== rest.length) return undefined;
      const name = foldName(rest);
      return item[0] === Kind.name ? { name } : { suffix: name };
    }
    case Kind.tenant: {
      if (rest.length !== 4) return undefined;
      const tenant = new DataView(rest.buffer, rest.byteOffset, 4).getUint32(0);
      return tenant === 0 ? undefined : { tenant };
    }
    default:
      return undefined;
  }
}
