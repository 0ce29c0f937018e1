// Whether a resolver that others are asked through passes on what answers prove themselves by (RFC 8027 section 3.1): questions
// about a zone that is known to be signed, and what the responses to them show. Whether the signatures are good is not asked.
import { Rcode, rcodeName, Type, typeName } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { equalNames } from '../wire/name.js';

export interface SignatureQuestion {
  name: Uint8Array;
  type: number;
  /** Asked where the response shows that something is left out: it counts only if this one is answered no better. */
  again: { name: Uint8Array; type: number };
}

/** What the sections of a response have. */
export interface Shown {
  rcode: number;
  answers: readonly ResourceRecord[];
  authorities: readonly ResourceRecord[];
}

/** Its apex has no such record, in any zone that is known: who is asked for it has to show that. */
const ABSENT = Type.HINFO;

/**
 * The keys of the zone, its SOA, and a name that does not exist.
 * @param zone folded, of a trust anchor
 * @param label of that name: drawn by chance, so that nobody has it cached
 */
export function signatureQuestions(zone: Uint8Array, label: string): SignatureQuestion[] {
  const twice = (type: number): SignatureQuestion => ({ name: zone, type, again: { name: zone, type } });
  const name = Uint8Array.from([label.length, ...Buffer.from(label), ...zone]);
  // TXT: there are forwarders that send no single labels on for their addresses. Who sends none on at all may still have
  // the proof of what the apex lacks.
  const absent = { name, type: Type.TXT, again: { name: zone, type: ABSENT } };
  return [twice(Type.DNSKEY), twice(Type.SOA), absent];
}

/**
 * What a response to one of these questions lacks: text for the log, or nothing; `unknown` where it shows neither.
 */
export function missingIn(question: { name: Uint8Array; type: number }, shown: Shown): string | undefined | 'unknown' {
  const { rcode, answers, authorities } = shown;
  const { name, type } = question;
  // What servers say that know nothing of EDNS, and so nothing of DO (RFC 6891 section 7).
  if (rcode === Rcode.FORMERR || rcode === Rcode.NOTIMP) return `answers ${rcodeName(rcode)}`;
  if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN) return 'unknown';
  const isSigned = (records: readonly ResourceRecord[]): boolean => records.some(one => one.type === Type.RRSIG);
  if (type === Type.DNSKEY || type === Type.SOA) {
    const isThere = answers.some(one => one.type === type && equalNames(one.name, name));
    if (!isThere) return `leaves ${typeName(type)} records out`;
    return isSigned(answers) ? undefined : `leaves the signatures of ${typeName(type)} records out`;
  }
  // A wildcard has it.
  if (answers.length > 0)
    return isSigned(answers) ? undefined : `leaves the signatures of ${typeName(type)} records out`;
  const isProof = (one: ResourceRecord): boolean => one.type === Type.NSEC || one.type === Type.NSEC3;
  return authorities.some(isProof) && isSigned(authorities)
    ? undefined
    : 'leaves out the proof (NSEC, NSEC3) that there is none';
}
