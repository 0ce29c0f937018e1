// What a question comes to: links, each what is said of one name of a chain of aliases, and the result that they add up to.
import { extendedErrorIn, Security, statusIn } from '../../cache/rrset-entry.js';
import { Rcode } from '../../wire/iana.js';
import { equalNames } from '../../wire/name.js';
import type { Rrset } from '../../wire/rrset.js';
import type { FoundLink } from './classify.js';

export interface RecursionResult {
  rcode: number;
  /** Aliases before their targets. */
  answers: Rrset[];
  /** The SOA of a denial, and the proofs of denials and wildcards. */
  authority: Rrset[];
  /** Set: an answer that is not to be kept. */
  noCache: boolean;
  /** Set: some of it has expired. */
  stale: boolean;
  /** Milliseconds until the first of its RRsets ends. */
  leftMs: number;
  /** Set: all of it has been validated, and is secure. */
  secure: boolean;
  /** Why it is not, where there is more to say of that than that it is not signed. */
  extendedError: number | undefined;
  /** The same in words, where it was judged for this question and not before. */
  reason: string | undefined;
  /** The answers as they were judged, where some of their addresses were taken out since. */
  unfiltered?: readonly Rrset[];
}

/** One link of a chain. */
export interface Link {
  rcode: number;
  rrsets: Rrset[];
  target?: Uint8Array;
  authority: Rrset[];
  /** As of a FoundLink. */
  beside?: Rrset[];
  noCache?: boolean;
  stale?: boolean;
  leftMs: number;
  /** How far it is believed, as the cache has it. */
  rank: number;
  /** What validation says of it, as `securityOf` has it. */
  security: number;
  /** Why it is not secure, where that has just been judged. */
  reason?: string;
  /** The name that a denial is about, where that is one above the name asked for. */
  denied?: Uint8Array;
  /** What is said of the target in the same response. */
  next?: Link;
}

export const emptyResult = (): RecursionResult => ({
  rcode: Rcode.NOERROR,
  answers: [],
  authority: [],
  noCache: false,
  stale: false,
  leftMs: Infinity,
  secure: true,
  extendedError: undefined,
  reason: undefined,
});

/** Of one link. Its lists are the link's own. */
export const resultOf = (link: Link): RecursionResult => ({
  rcode: link.rcode,
  answers: link.rrsets,
  authority: link.authority,
  noCache: link.noCache ?? false,
  stale: link.stale ?? false,
  leftMs: link.leftMs,
  secure: statusIn(link.security) === Security.secure,
  extendedError: extendedErrorIn(link.security) || undefined,
  reason: link.reason,
});

export function append(result: RecursionResult, link: Link): void {
  result.rcode = link.rcode;
  result.answers.push(...link.rrsets);
  // The proofs of one response may go with several of its links.
  const known = (one: Rrset): boolean =>
    result.authority.some(other => other.type === one.type && equalNames(other.name, one.name));
  result.authority.push(
    ...(result.authority.length === 0 ? link.authority : link.authority.filter(one => !known(one))),
  );
  result.noCache ||= link.noCache ?? false;
  result.stale ||= link.stale ?? false;
  result.leftMs = Math.min(result.leftMs, link.leftMs);
  result.secure &&= statusIn(link.security) === Security.secure;
  result.extendedError ??= extendedErrorIn(link.security) || undefined;
  result.reason ??= link.reason;
}

/** Of what was found in a response. */
export function linkOf(
  { rcode, target, beside }: FoundLink,
  rrsets: Rrset[],
  authority: Rrset[],
  { leftMs, rank, noCache = false }: { leftMs: number; rank: number; noCache?: boolean },
): Link {
  const security = Security.unchecked;
  return { rcode, rrsets, target, authority, beside, noCache, stale: false, leftMs, rank, security, next: undefined };
}
