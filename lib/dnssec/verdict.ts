// What validation says of records, and the settings it judges by (RFC 4035 section 4.3; RFC 8914 section 4).
import type { ExtendedError } from '../wire/iana.js';
import type { AlgorithmPolicy } from './algorithms.js';
import type { Budget } from './budget.js';

export type Status = 'secure' | 'insecure' | 'indeterminate' | 'bogus';
export type Ede = (typeof ExtendedError)[keyof typeof ExtendedError];

export interface Verdict {
  status: Status;
  /** For logs and the extra text of an extended error; empty when secure. */
  reason: string;
  /** Extended DNS error code, where one says more than the status. */
  ede?: Ede;
  /**
   * Of `indeterminate`: DS or DNSKEY records could not be fetched, so nobody can tell; the client is to get SERVFAIL, or who
   * keeps those records away would have its forgery served. Without it there is no trust anchor.
   */
  unfetched?: true;
  /** Of `bogus`: the question whose answer it rests on, where that is not the one that is judged. */
  restsOn?: { name: Uint8Array; type: number };
  /** Of `bogus`: the zone whose keys did not verify it; it may have others since these were fetched. */
  by?: Uint8Array;
}

export const SECURE: Verdict = Object.freeze({ status: 'secure', reason: '' });
export const bogus = (reason: string, ede: Ede = 6): Verdict => ({ status: 'bogus', reason, ede });
export const insecure = (reason: string, ede?: Ede): Verdict => ({ status: 'insecure', reason, ede });
export const unfetched = (reason: string, ede: Ede = 5): Verdict => ({
  status: 'indeterminate',
  reason,
  ede,
  unfetched: true,
});

const RANK: Readonly<Record<Status, number>> = { secure: 0, insecure: 1, indeterminate: 2, bogus: 4 };
const rank = ({ status, unfetched: failed }: Verdict): number => (failed === true ? 3 : RANK[status]);
/** The worse of two: a chain is no better than its weakest link. */
export const worse = (a: Verdict, b: Verdict): Verdict => (rank(b) > rank(a) ? b : a);

export interface ValidationPolicy extends AlgorithmPolicy {
  /** Seconds before its inception from which a signature is believed: clocks differ. */
  inceptionSkew?: number;
  /** Seconds after its expiration until which one is believed. */
  expirationSkew?: number;
  /** NSEC3 iterations beyond which a proof shows a zone to be insecure (RFC 9276 section 3.2). */
  nsec3Iterations?: number;
  /**
   * Of a name below several trust anchors the closest decides (the default), or any that makes an answer secure (RFC 6840
   * section 5.13): then an anchor that is out of date harms less, and the weakest of them is as good as the best.
   */
  nestedAnchors?: 'closest' | 'any';
  /**
   * A zone's RRsets must be signed with each algorithm of its DS records, not with one of them: whoever breaks the weakest
   * gains nothing. Off: zones that change their algorithm may fail (RFC 6840 section 5.11).
   */
  hardenAlgorithmDowngrade?: boolean;
  /**
   * Where signatures are checked: `sync` (the default) on this thread, `pool` in libuv's those that take longer than a tenth
   * of a millisecond (P-384, Ed448): of P-256 the way there costs half as much again. `validate` then may give promises.
   */
  verify?: 'sync' | 'pool';
}
export const DEFAULT_INCEPTION_SKEW = 60;
export const DEFAULT_NSEC3_ITERATIONS = 50;

/** What one question is judged by. */
export interface Judging {
  /** Seconds since 1970. */
  now: number;
  budget: Budget;
  policy: ValidationPolicy;
}

/**
 * `optOut`: shown but for delegations without DS, so insecure (RFC 5155 section 9.2). `cut`: no DS, and the name is, or may
 * be, a delegation. `iterations`: beyond the limit, insecure. `spent`: beyond the budget.
 */
export type Proof = 'proven' | 'optOut' | 'cut' | 'iterations' | 'spent' | 'missing';
