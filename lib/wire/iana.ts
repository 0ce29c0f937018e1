// Code points (IANA "Domain Name System (DNS) Parameters").

export const Type = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  NULL: 10,
  WKS: 11,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  X25: 19,
  ISDN: 20,
  RT: 21,
  NSAP: 22,
  'NSAP-PTR': 23,
  SIG: 24,
  KEY: 25,
  PX: 26,
  GPOS: 27,
  AAAA: 28,
  LOC: 29,
  EID: 31,
  NIMLOC: 32,
  SRV: 33,
  ATMA: 34,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  APL: 42,
  DS: 43,
  SSHFP: 44,
  IPSECKEY: 45,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  DHCID: 49,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SMIMEA: 53,
  HIP: 55,
  NINFO: 56,
  RKEY: 57,
  TALINK: 58,
  CDS: 59,
  CDNSKEY: 60,
  OPENPGPKEY: 61,
  CSYNC: 62,
  ZONEMD: 63,
  SVCB: 64,
  HTTPS: 65,
  DSYNC: 66,
  SPF: 99,
  NID: 104,
  L32: 105,
  L64: 106,
  LP: 107,
  EUI48: 108,
  EUI64: 109,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  URI: 256,
  CAA: 257,
  AVC: 258,
  AMTRELAY: 260,
  RESINFO: 261,
  WALLET: 262,
  TA: 32768,
  DLV: 32769,
} as const;
export type TypeName = keyof typeof Type;

const typeNames = new Map<number, string>(Object.entries(Type).map(([name, code]) => [code, name]));
/** The mnemonic, or TYPE123 (RFC 3597 section 5). */
export function typeName(code: number): string {
  return typeNames.get(code) ?? `TYPE${code}`;
}
/** The code of a mnemonic or of TYPE123; undefined for neither. */
export function typeCode(name: string): number | undefined {
  const upper = name.toUpperCase();
  if (Object.hasOwn(Type, upper)) return Type[upper as TypeName];
  const match = /^TYPE(\d{1,5})$/.exec(upper);
  return match !== null && Number(match[1]) <= 65535 ? Number(match[1]) : undefined;
}

/** NONE and ANY stand in updates only (RFC 2136 section 1.1; ANY also with a TSIG, RFC 8945 section 4.2). */
export const Class = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const;

/** Kinds of messages (RFC 1035 section 4.1.1; RFC 1996 section 3.3; RFC 2136 section 2.2). */
export const Opcode = { QUERY: 0, NOTIFY: 4, UPDATE: 5 } as const;

export const Rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7, // this and the next: RFC 2136 section 2.2
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const;
export type RcodeName = keyof typeof Rcode;
const rcodeNames = new Map<number, string>(Object.entries(Rcode).map(([name, code]) => [code, name]));
export function rcodeName(code: number): string {
  return rcodeNames.get(code) ?? `RCODE${code}`;
}

/** The code of a mnemonic or of RCODE123; undefined for neither. */
export function rcodeCode(name: string): number | undefined {
  const upper = name.toUpperCase();
  if (Object.hasOwn(Rcode, upper)) return Rcode[upper as RcodeName];
  const match = /^RCODE(\d{1,4})$/.exec(upper);
  return match !== null && Number(match[1]) <= 4095 ? Number(match[1]) : undefined;
}

/** Extended DNS errors (RFC 8914 section 4). */
export const ExtendedError = {
  other: 0,
  unsupportedKeyAlgorithm: 1,
  unsupportedDsDigest: 2,
  staleAnswer: 3,
  forgedAnswer: 4,
  dnssecIndeterminate: 5,
  dnssecBogus: 6,
  signatureExpired: 7,
  signatureNotYetValid: 8,
  dnskeyMissing: 9,
  rrsigsMissing: 10,
  noZoneKeyBit: 11,
  nsecMissing: 12,
  cachedError: 13,
  notReady: 14,
  blocked: 15,
  censored: 16,
  filtered: 17,
  prohibited: 18,
  staleNxdomain: 19,
  notAuthoritative: 20,
  noReachableAuthority: 22,
  networkError: 23,
  invalidData: 24,
  signatureExpiredBeforeValid: 25,
  unsupportedNsec3Iterations: 27,
} as const;

export const Flag = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080, AD: 0x0020, CD: 0x0010 } as const;

export const HEADER_SIZE = 12;
export const MAX_MESSAGE_SIZE = 65535;
export const MAX_NAME_SIZE = 255;
