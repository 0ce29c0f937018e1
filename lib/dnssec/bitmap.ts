// Type bitmaps of NSEC and NSEC3 (RFC 4034 section 4.1.2).
import { Type } from '../wire/iana.js';

/** Of compact denial: the name does not exist (RFC 9824 section 3.1). */
export const NXNAME = 128;

export function hasType(bitmap: Uint8Array, type: number): boolean {
  for (let at = 0; at + 2 <= bitmap.length; at += 2 + bitmap[at + 1]) {
    if (bitmap[at] !== type >> 8) continue;
    const octet = (type & 0xff) >> 3;
    return (
      octet < bitmap[at + 1] && at + 2 + octet < bitmap.length && (bitmap[at + 2 + octet] & (0x80 >> (type & 7))) !== 0
    );
  }
  return false;
}

/** Whether its name is a zone cut seen from above (RFC 6840 section 4.1). */
export const isCut = (bitmap: Uint8Array): boolean => hasType(bitmap, Type.NS) && !hasType(bitmap, Type.SOA);

/** What lies below such a name is not this record's to deny (RFC 6840 section 4.1; RFC 6672 section 5.3.4.1). */
export const hidesBelow = (bitmap: Uint8Array): boolean => isCut(bitmap) || hasType(bitmap, Type.DNAME);

/** Whether there is nothing but what denials are made of: so of an empty non-terminal (RFC 5155 section 7.1, RFC 9824). */
function isBare(bitmap: Uint8Array): boolean {
  for (let type = 1; type < 256; type++) if (!DENIAL_TYPES.has(type) && hasType(bitmap, type)) return false;
  return bitmap.length === 0 || (bitmap[0] === 0 && bitmap.length === 2 + bitmap[1]);
}
const DENIAL_TYPES = new Set<number>([Type.RRSIG, Type.NSEC, Type.NSEC3]);

/** Whether the record at a name shows that it has no data of a type: each side of a cut speaks of its own data only. */
export function lacksType(bitmap: Uint8Array, type: number, isRoot: boolean): boolean {
  if (hasType(bitmap, type) || hasType(bitmap, Type.CNAME)) return false;
  if (type === Type.ANY) return isBare(bitmap);
  if (type === Type.DS) return isRoot || !hasType(bitmap, Type.SOA);
  return !isCut(bitmap);
}
