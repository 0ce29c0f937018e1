// What clients are told of what a recursor has found, or knows.
import { MARK_AUTHORITATIVE, NO_EXTENDED_ERROR } from '../native/binding.js';
import { ExtendedError, MAX_MESSAGE_SIZE, Rcode, Type } from '../wire/iana.js';
import { buildResponse } from '../wire/message.js';
import type { Query } from '../wire/query.js';
import { recordsOf, recordsOfAll } from '../wire/rrset.js';
import { ResolutionError } from './recurse/job.js';
import { emptyResult, type RecursionResult } from './recurse/links.js';
import type { Recursor } from './recurse/recursor.js';
import type { Resolution } from './outcome.js';

/** What of a chain of records a client is given; undefined: no message can hold it. */
function encodeResult(query: Query, result: RecursionResult): Uint8Array | undefined {
  const { dnssecOk } = query;
  const isAllShown = dnssecOk || result.authority.length === 0;
  const authority = isAllShown ? result.authority : result.authority.filter(one => one.type === Type.SOA);
  return buildResponse(query, {
    rcode: result.rcode,
    answers: recordsOfAll(result.answers, dnssecOk),
    authorities: recordsOfAll(authority, dnssecOk),
    authenticData: result.secure,
  });
}

/** What a resolution came to. */
export type Resolved =
  /**
   * `extendedError`: what those who wait are told beside it. `reason`: why it is not secure, where this thread has judged it.
   * `livesMs`: until the first of the RRsets that it was made of ends.
   */
  | { kind: 'answer'; message: Uint8Array; noCache: boolean; livesMs: number; extendedError?: number; reason?: string }
  /**
   * `message`: what led to it, where a client is to see that. `ours`: it failed for want of room, or by being closed;
   * nobody's failure that could be remembered (RFC 9520 section 2). `isBogus`: nothing expired takes its place. `bogusMs`: for how long
   * that is remembered here.
   */
  | {
      kind: 'failure';
      extendedError: number;
      reason: string;
      message?: Uint8Array;
      ours: boolean;
      isBogus?: boolean;
      bogusMs?: number;
    };

/** For whom something is resolved. */
export interface AskedFrom {
  /** Anew, although it is cached. */
  readonly fresh: boolean;
  /** Numeric address of the client whose share it counts to; undefined: nobody's. */
  readonly client?: string | undefined;
}

/** A recursor, or several behind one face. */
export interface Resolving {
  answer(query: Query, from: AskedFrom): Promise<Resolved>;
}

/** Resolves a client's question. Rejects for mistakes of ours only. */
export async function resolveFor(query: Query, recursor: Recursor, { fresh, client }: AskedFrom): Promise<Resolved> {
  try {
    const result = await recursor.resolve(query.name, query.type, {
      fresh,
      client,
      checkingDisabled: query.checkingDisabled,
    });
    const message = encodeResult(query, result);
    if (message === undefined) {
      const reason = `an answer of more than ${MAX_MESSAGE_SIZE} octets`;
      return { kind: 'failure', extendedError: ExtendedError.other, reason, ours: false };
    }
    const { noCache, leftMs: livesMs, extendedError, reason } = result;
    return { kind: 'answer', message, noCache, livesMs, extendedError, reason };
  } catch (error) {
    if (!(error instanceof ResolutionError)) throw error;
    const { extendedError, message: reason, answers, ours, isBogus, bogusMs } = error;
    if (answers.length === 0) return { kind: 'failure', extendedError, reason, ours, isBogus, bogusMs };
    const result = { ...emptyResult(), rcode: Rcode.SERVFAIL, answers: [...answers], secure: false };
    return { kind: 'failure', extendedError, reason, ours, isBogus, bogusMs, message: encodeResult(query, result) };
  }
}

/** What is known to those who do not want recursion: an answer, or who serves the zone. */
export function answerWithoutRecursion(query: Query, recursor: Recursor): Resolution {
  const { checkingDisabled } = query;
  let known: RecursionResult | undefined;
  try {
    known = recursor.known.chain(query.name, query.type, { checkingDisabled });
  } catch (error) {
    if (!(error instanceof ResolutionError)) throw error;
    return { kind: 'error', rcode: Rcode.REFUSED, extendedError: error.extendedError };
  }
  const referral = known === undefined ? recursor.known.referral(query.name, checkingDisabled) : undefined;
  if (known === undefined && referral === undefined) {
    return { kind: 'error', rcode: Rcode.REFUSED, extendedError: ExtendedError.notAuthoritative };
  }
  const message =
    known !== undefined
      ? encodeResult(query, known)
      : buildResponse(query, {
          rcode: Rcode.NOERROR,
          authorities: recordsOf(referral!.ns, query.dnssecOk),
          additionals: recordsOfAll(referral!.glue, query.dnssecOk),
        });
  if (message === undefined) return { kind: 'error', rcode: Rcode.SERVFAIL, extendedError: ExtendedError.other };
  return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR | MARK_AUTHORITATIVE };
}

/**
 * What expired RRsets say where no reply is kept, as when others asked for it without their signatures. Called out of
 * timers and sockets: it never throws, whatever the RRsets are and though the cache is closed.
 */
export function staleRrsets(query: Query, recursor: Recursor, ttlSeconds: number): Resolution | undefined {
  try {
    if (!recursor.serves(query.name, query.type)) return undefined;
    const { checkingDisabled } = query;
    const known = recursor.known.chain(query.name, query.type, { checkingDisabled, staleTtl: ttlSeconds });
    const message = known?.stale === true ? encodeResult(query, known) : undefined;
    if (known === undefined || message === undefined) return undefined;
    const extendedError = known.rcode === Rcode.NXDOMAIN ? ExtendedError.staleNxdomain : ExtendedError.staleAnswer;
    return { kind: 'message', message, extendedError: extendedError | MARK_AUTHORITATIVE };
  } catch {
    return undefined;
  }
}
