// Record data between text and wire format: each type is a list of fields (RFC 1035 section 5.1; types as their RFCs say;
// unknown ones by RFC 3597 section 5).
import { ShardnsError } from '../base/errors.js';
import { typeName } from './iana.js';
import {
  address,
  algorithm,
  base64,
  bitmap,
  digestType,
  type Field,
  groups,
  hash32,
  hex,
  hexOctets,
  longString,
  name,
  Octets,
  optional,
  params,
  salt,
  seconds,
  Source,
  string,
  strings,
  tag,
  time,
  typeField,
  u16,
  u32,
  u8,
} from './rdata-fields.js';
import { amtrelay, atma, certType, hip, ipseckey, loc, notifyScheme, nsap, prefixes, services } from './rdata-rare.js';
import { tokenize } from './text.js';

const FIELDS: Readonly<Record<string, readonly Field[]>> = {
  A: [address(4)],
  AAAA: [address(6)],
  L32: [u16, address(4)],
  L64: [u16, groups(8, 2, ':')],
  NID: [u16, groups(8, 2, ':')],
  LP: [u16, name],
  ...Object.fromEntries(
    ['NS', 'CNAME', 'PTR', 'DNAME', 'MB', 'MG', 'MR', 'MD', 'MF', 'NSAP-PTR'].map(type => [type, [name]]),
  ),
  ...Object.fromEntries(['MX', 'AFSDB', 'RT', 'KX'].map(type => [type, [u16, name]])),
  ...Object.fromEntries(['RP', 'MINFO', 'TALINK'].map(type => [type, [name, name]])),
  PX: [u16, name, name],
  SOA: [name, name, u32, seconds, seconds, seconds, seconds],
  TXT: [strings],
  SPF: [strings],
  NINFO: [strings],
  AVC: [strings],
  RESINFO: [strings],
  WALLET: [strings],
  EID: [hex],
  NIMLOC: [hex],
  HINFO: [string, string],
  X25: [string],
  ISDN: [string, optional(string)],
  GPOS: [string, string, string],
  SRV: [u16, u16, u16, name],
  NAPTR: [u16, u16, string, string, string, name],
  URI: [u16, u16, longString],
  CAA: [u8, tag, longString],
  DS: [u16, algorithm, digestType, hex],
  CDS: [u16, algorithm, digestType, hex],
  DLV: [u16, algorithm, digestType, hex],
  TA: [u16, algorithm, digestType, hex],
  DNSKEY: [u16, u8, algorithm, base64],
  CDNSKEY: [u16, u8, algorithm, base64],
  KEY: [u16, u8, algorithm, base64],
  RKEY: [u16, u8, algorithm, base64],
  RRSIG: [typeField, algorithm, u8, u32, time, time, u16, name, base64],
  SIG: [typeField, algorithm, u8, u32, time, time, u16, name, base64],
  NSEC: [name, bitmap],
  NSEC3: [u8, u8, u16, salt, hash32, bitmap],
  NSEC3PARAM: [u8, u8, u16, salt],
  CSYNC: [u32, u16, bitmap],
  TLSA: [u8, u8, u8, hex],
  SMIMEA: [u8, u8, u8, hex],
  SSHFP: [u8, u8, hex],
  ZONEMD: [u32, u8, u8, hex],
  CERT: [certType, u16, algorithm, base64],
  LOC: [loc],
  APL: [prefixes],
  WKS: [address(4), services],
  NSAP: [nsap],
  ATMA: [atma],
  IPSECKEY: [ipseckey],
  HIP: [hip],
  AMTRELAY: [amtrelay],
  DSYNC: [typeField, notifyScheme, u16, name],
  OPENPGPKEY: [base64],
  DHCID: [base64],
  SVCB: [u16, name, params],
  HTTPS: [u16, name, params],
  EUI48: [groups(6, 1, '-')],
  EUI64: [groups(8, 1, '-')],
};

/**
 * Wire format of a record's data.
 * @param text the last fields of a zone file's line; `\# LENGTH HEX` for any type (RFC 3597)
 * @param origin what names without a final dot end in
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming the type, the field and what was expected
 */
export function encodeRdata(type: number, text: string, origin = '.'): Uint8Array {
  return encodeFields(new Source(typeName(type), tokenize(text), origin));
}

/** The same of fields; where it throws, the one before `source.at` is what is wrong. */
export function encodeFields(source: Source): Uint8Array {
  const first = source.peek();
  if (first?.text === '\\#' && !first.quoted) {
    source.next('');
    const length = Number(source.next('a length').text);
    const data = hexOctets(source, source.rest());
    if (data.length !== length) throw source.wrong(data.length, `${length} octets, as is said before them`);
    return data;
  }
  const fields = FIELDS[source.type];
  if (fields === undefined) {
    throw source.wrong(source.rest(), '\\# LENGTH HEX: this type has no text form of its own here');
  }
  const data = Buffer.concat(fields.map(field => field.encode(source)));
  if (source.left > 0) throw source.wrong(source.next('').text, 'nothing more');
  if (data.length > 65_535) throw source.wrong(`${data.length} octets`, 'at most 65535 octets');
  return Uint8Array.from(data);
}

/**
 * Text of a record's data: names with their final dot, unknown types by RFC 3597.
 * @param data wire format, names in it not compressed
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for octets that the type cannot have
 */
export function decodeRdata(type: number, data: Uint8Array): string {
  const label = typeName(type);
  const fields = FIELDS[label];
  if (fields === undefined)
    return `\\# ${data.length}${data.length > 0 ? ` ${Buffer.from(data).toString('hex')}` : ''}`;
  const octets = new Octets(data, label);
  const text = fields
    .map(field => field.decode(octets))
    .join(' ')
    .trim();
  if (octets.left > 0) {
    throw new ShardnsError('ERR_SHARDNS_MESSAGE', `${label} data: ${octets.left} octets more than it can have`);
  }
  return text;
}
