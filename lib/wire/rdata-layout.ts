// Where names and strings stand in the data of each type, so that names are expanded before the data moves, and data
// that its type cannot have is refused at the border. native/wire/rdata.cc judges by the same table.
//
// Names are expanded in the types of RFC 1035, those that RFC 3597 section 4 lists, and those whose names no sender may
// compress (RRSIG, NSEC, SVCB and so on): a pointer there means what it means elsewhere, or nothing.
import { ShardnsError } from '../base/errors.js';
import { Class, MAX_NAME_SIZE, Type, typeName } from './iana.js';
import { endOfLastName, equalNames, expandName, foldOctets, nameKey as octetsKey, plainNameLength } from './name.js';

/** A digit: so many octets; n: a name; s: a character-string; S: one or more of them; *: whatever is left. */
const LAYOUTS = new Map<number, string>();
const define = (layout: string, ...types: number[]): void => types.forEach(type => LAYOUTS.set(type, layout));
define('4', Type.A);
define('88', Type.AAAA);
define('n', Type.NS, Type.MD, Type.MF, Type.CNAME, Type.MB, Type.MG, Type.MR, Type.PTR, Type.DNAME, Type['NSAP-PTR']);
define('nn', Type.MINFO, Type.RP, Type.TALINK);
define('nn992', Type.SOA);
define('2n', Type.MX, Type.AFSDB, Type.RT, Type.KX, Type.LP);
define('2nn', Type.PX);
define('6n', Type.SRV);
define('4sssn', Type.NAPTR);
define('2n*', Type.SVCB, Type.HTTPS);
define('99n*', Type.SIG, Type.RRSIG);
define('n*', 30 /* NXT */, Type.NSEC);
define('S', Type.TXT, Type.SPF);
define('s', Type.X25);
define('ss', Type.HINFO);
define('sss', Type.GPOS);
define('s*', Type.ISDN);
define('1s*', Type.CAA);
define('4ss*', Type.NSEC3);
define('4s', Type.NSEC3PARAM);
define('1*', Type.LOC);
define('2*', Type.SSHFP);
define('3*', Type.TLSA, Type.SMIMEA, Type.IPSECKEY);
define('4*', Type.DS, Type.CDS, Type.DLV, Type.DNSKEY, Type.CDNSKEY, Type.KEY, Type.URI);
define('5*', Type.WKS, Type.CERT);
define('6*', Type.CSYNC, Type.ZONEMD);
define('6', Type.EUI48);
define('8', Type.EUI64);
define('24', Type.L32);
define('28', Type.NID, Type.L64);

/** Names in the data that a sender may compress: of the types of RFC 1035 (RFC 3597 section 4), all of them below 16. */
const COMPRESSIBLE = new Uint8Array(16);
for (const type of [Type.NS, Type.MD, Type.MF, Type.CNAME, Type.MB, Type.MG, Type.MR, Type.PTR, Type.MX]) {
  COMPRESSIBLE[type] = 1;
}
COMPRESSIBLE[Type.SOA] = COMPRESSIBLE[Type.MINFO] = 2;

/** How many names of a type's data may be compressed, and what stands before the first. */
export const compressibleNames = (type: number): number => (type < COMPRESSIBLE.length ? COMPRESSIBLE[type] : 0);
export const octetsBeforeNames = (type: number): number => (type === Type.MX ? 2 : 0);

/** NONE and ANY are of updates, with no data (RFC 2136 section 2.4). */
const FIRST_META_CLASS = 254;

// Class CH has another A (RFC 1035 section 3.3: data depends on the class).
const layoutOf = (type: number, dnsClass: number): string | undefined =>
  dnsClass >= FIRST_META_CLASS || (type === Type.A && dnsClass !== Class.IN) ? undefined : LAYOUTS.get(type);

/** Data of at most 65,535 octets, with each of its names at its longest. */
const expanded = new Uint8Array(65_535 + 3 * MAX_NAME_SIZE);
const NOTHING = new Uint8Array(0);

/**
 * A record's data with its names expanded.
 * @param begin its first octet in the message; `end` the one behind it
 * @param kept whether it is wanted; else it is looked at only
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for data that the type cannot have
 */
export function readRdata(
  octets: Uint8Array,
  type: number,
  dnsClass: number,
  begin: number,
  end: number,
  kept = true,
): Uint8Array {
  const layout = layoutOf(type, dnsClass);
  if (layout === undefined) return kept ? octets.slice(begin, end) : NOTHING;
  let length = 0; // octets in `expanded`
  let copied = begin;
  let at = begin;
  for (let i = 0; i < layout.length && at <= end; i++) {
    const field = layout[i];
    if (field === 'n') {
      const plain = plainNameLength(octets, at);
      if (plain > 0) {
        at += plain;
      } else {
        for (; copied < at; copied++) expanded[length++] = octets[copied];
        length += expandName(octets, at, end, expanded, length);
        at = copied = endOfLastName();
      }
    } else if (field === 's' || field === 'S') {
      at = at < end ? at + 1 + octets[at] : end + 1;
      while (field === 'S' && at < end) at += 1 + octets[at];
    } else {
      at = field === '*' ? end : at + Number(field);
    }
  }
  if (at !== end) {
    const why = at > end ? 'are too few' : `leave ${end - at} over`;
    throw new ShardnsError('ERR_SHARDNS_MESSAGE', `${typeName(type)} data: ${end - begin} octets ${why}`);
  }
  if (!kept) return NOTHING;
  if (copied === begin) return octets.slice(begin, end);
  for (; copied < end; copied++) expanded[length++] = octets[copied];
  return expanded.slice(0, length);
}

/** Calls `found` with where each name begins and ends in expanded data, in order; stops where the data is none of the type. */
function eachName(data: Uint8Array, layout: string, found: (begin: number, end: number) => void): void {
  let at = 0;
  for (const field of layout) {
    if (field === 'n') {
      const length = plainNameLength(data, at);
      if (length === 0) return;
      found(at, at + length);
      at += length;
    } else if (field === 's') {
      if (at >= data.length) return;
      at += 1 + data[at];
    } else if (field >= '0' && field <= '9') {
      at += Number(field);
    } else {
      return;
    }
  }
}

/** A record's data as a key: with its names in lower case, since those are equal (RFC 4343). */
export function rdataKey(type: number, data: Uint8Array): string {
  return octetsKey(foldRdata(type, data));
}

/** Whether two records of one owner and type are one (RFC 2181 section 5). */
export function isSameRdata(type: number, a: Uint8Array, b: Uint8Array): boolean {
  // What differs by more than letter case differs, wherever the names are: nothing is copied for that.
  if (!equalNames(a, b)) return false;
  return Buffer.compare(a, b) === 0 || (hasNames(type) && Buffer.compare(foldRdata(type, a), foldRdata(type, b)) === 0);
}

const hasNames = (type: number): boolean => LAYOUTS.get(type)?.includes('n') === true;

/** Types whose names are lower-case in what is signed (RFC 4034 section 6.2, RFC 6840 section 5.1): not NSEC, SVCB, HTTPS. */
const FOLDED_WHEN_SIGNED = new Set<number>([
  ...[Type.NS, Type.MD, Type.MF, Type.CNAME, Type.SOA, Type.MB, Type.MG, Type.MR, Type.PTR, Type.MINFO, Type.MX],
  ...[Type.RP, Type.AFSDB, Type.RT, Type.SIG, Type.RRSIG, Type.PX, Type.NAPTR, Type.KX, Type.SRV, Type.DNAME],
]);

/** A record's data in canonical form (RFC 4034 section 6.2): the data itself where nothing is to be changed. */
export function canonicalRdata(type: number, data: Uint8Array): Uint8Array {
  return FOLDED_WHEN_SIGNED.has(type) ? foldRdata(type, data) : data;
}

function foldRdata(type: number, data: Uint8Array): Uint8Array {
  if (!hasNames(type)) return data;
  const folded = data.slice();
  eachName(data, LAYOUTS.get(type)!, (begin, end) => foldOctets(folded, begin, end));
  return folded;
}
