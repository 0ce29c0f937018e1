// What clients are told of what a recursor has found, or knows.
import { MARK_AUTHORITATIVE, NO_EXTENDED_ERROR } from '../native/binding.js';
import { ExtendedError, Rcode, Type } from '../wire/iana.js';
import { buildResponse } from '../wire/message.js';
import type { Query } from '../wire/query.js';
import { recordsOf, type Rrset } from '../wire/rrset.js';
import { ResolutionError } from './recurse/job.js';
import type { RecursionResult } from './recurse/knowledge.js';
import type { Recursor } from './recurse/recursor.js';
import type { Resolution } from './outcome.js';

/** What of a chain of records a client is given. */
function encodeResult(query: Query, result: RecursionResult): Uint8Array {
  const { dnssecOk } = query;
  const authority = dnssecOk ? result.authority : result.authority.filter(one => one.type === Type.SOA);
  return buildResponse(query, {
    rcode: result.rcode,
    answers: result.answers.flatMap(one => recordsOf(one, dnssecOk)),
    authorities: authority.flatMap(one => recordsOf(one, dnssecOk)),
  });
}

/** What a resolution came to. */
export type Resolved =
  | { kind: 'answer'; message: Uint8Array; noCache: boolean }
  /** `message`: what led to it, where a client is to see that. */
  | { kind: 'failure'; extendedError: number; reason: string; message?: Uint8Array; ours?: boolean };

/** A recursor, or several behind one face. */
export interface Resolving {
  answer(query: Query, fresh: boolean): Promise<Resolved>;
}

/** Resolves a client's question. Rejects for mistakes of ours only. */
export async function resolveFor(query: Query, recursor: Recursor, fresh: boolean): Promise<Resolved> {
  try {
    const result = await recursor.resolve(query.name, query.type, { fresh });
    return { kind: 'answer', message: encodeResult(query, result), noCache: result.noCache };
  } catch (error) {
    if (!(error instanceof ResolutionError)) throw error;
    const { extendedError, message: reason, answers } = error;
    if (answers.length === 0) return { kind: 'failure', extendedError, reason };
    const result = { rcode: Rcode.SERVFAIL, answers: [...answers], authority: [], noCache: true, stale: false };
    return { kind: 'failure', extendedError, reason, message: encodeResult(query, result) };
  }
}

/** What is known to those who do not want recursion: an answer, or who serves the zone. */
export function answerWithoutRecursion(query: Query, recursor: Recursor): Resolution {
  const known = recursor.known.chain(query.name, query.type);
  const referral = known === undefined ? recursor.known.referral(query.name) : undefined;
  if (known === undefined && referral === undefined) {
    return { kind: 'error', rcode: Rcode.REFUSED, extendedError: ExtendedError.notAuthoritative };
  }
  const message =
    known !== undefined
      ? encodeResult(query, known)
      : buildResponse(query, {
          rcode: Rcode.NOERROR,
          authorities: recordsOf(referral!.ns, query.dnssecOk),
          additionals: referral!.glue.flatMap(one => recordsOf(one, query.dnssecOk)),
        });
  return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR | MARK_AUTHORITATIVE };
}

/** What expired RRsets say where no reply is kept, as when others asked for it without their signatures. */
export function staleRrsets(query: Query, recursor: Recursor, ttlSeconds: number): Resolution | undefined {
  if (!recursor.serves(query.name, query.type)) return undefined;
  const known = recursor.known.chain(query.name, query.type, true);
  if (known === undefined || !known.stale) return undefined;
  const aged = (list: readonly Rrset[]): Rrset[] => list.map(one => ({ ...one, ttl: Math.min(one.ttl, ttlSeconds) }));
  const result = { ...known, answers: aged(known.answers), authority: aged(known.authority) };
  const extendedError = known.rcode === Rcode.NXDOMAIN ? ExtendedError.staleNxdomain : ExtendedError.staleAnswer;
  return { kind: 'message', message: encodeResult(query, result), extendedError: extendedError | MARK_AUTHORITATIVE };
}
