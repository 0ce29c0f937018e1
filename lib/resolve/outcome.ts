// What a question on the slow path comes to: inside the chain, and for the clients that wait.
import type { ErrorReply } from '../cache/engine.js';
import { ExtendedError, Rcode } from '../wire/iana.js';
import type { QueryDecision } from './hooks.js';

/** What the clients that wait get. */
export type Resolution =
  /** A response to be finished per client, with an extended error if any. */
  | { kind: 'message'; message: Uint8Array; extendedError: number }
  /** The cache has it now for this tenant, or has an expired answer that is to be served. */
  | { kind: 'cached'; tenant: number }
  | ({ kind: 'error' } & ErrorReply);

export const SERVFAIL: Resolution & ErrorReply = {
  kind: 'error',
  rcode: Rcode.SERVFAIL,
  extendedError: ExtendedError.other,
};

/** No answer was to be had. */
export interface Failed {
  kind: 'failed';
  rcode: number;
  extendedError: number;
  /** For want of room or by a mistake here: nobody is to blame, and nothing is remembered (RFC 9520 section 2). */
  ours: boolean;
  /** It was found and does not prove itself: nothing that has expired is shown in its place (RFC 4035 section 5.5). */
  isBogus?: boolean;
  /** What is told beside the extended error. */
  text?: string;
  /** Of `isBogus`: milliseconds for which what it rests on is remembered; undefined: it is not. */
  bogusMs?: number;
  /** What led to it, where those who wait are to see that. */
  message?: Uint8Array;
}

/** The hook says that the client belongs to another tenant than the one it was asked for. */
export interface Moved {
  kind: 'moved';
  tenant: number;
  /** What it decided for this question, unless it was asked about another one. */
  decided?: { decision: QueryDecision | undefined };
}

export type Outcome = Resolution | Failed | Moved;

export function failed(rcode: number, extendedError: number, ours = false): Failed {
  return { kind: 'failed', rcode, extendedError, ours };
}
