// A second level of answers, behind the cache of this process and before upstreams: what the resolver asks of one. It can
// only help: nobody waits for it beyond a few milliseconds, and nothing depends on it.
import type { Query } from '../../wire/query.js';

/** An answer of another instance, or of this one before it was started anew. */
export interface SharedAnswer {
  /** Without OPT; what is left of its TTLs. One's own, to be changed. */
  readonly message: Uint8Array;
  /** Negative: it has expired, and may be served when nothing better is found. */
  readonly remainingSeconds: number;
  /** Since it was asked for. */
  readonly ageSeconds: number;
  /** It was asked for with neither AD nor DO. */
  readonly adUnknown: boolean;
  /** It was put together from RRsets, and has the AA that it shows. */
  readonly own: boolean;
}

/** Told once, in a later turn of the event loop. Must not throw. */
export interface SharedReader {
  found(answer: SharedAnswer): void;
  absent(): void;
  /** It is asked for farther away: until then upstreams need not be asked beside it. */
  farther(ms: number): void;
}

export interface SharedDetails {
  /** When it was asked for, by the monotonic clock. */
  readonly askedMs: number;
  /** How long it may live from now on. */
  readonly livesMs: number;
  readonly adUnknown: boolean;
  readonly own: boolean;
}

export interface SecondLevel {
  /** When the upstream is asked beside it. */
  readonly hedgeMs: number;
  /** False where it is not asked, as it does not answer: nobody is told then. */
  read(query: Query, reader: SharedReader): boolean;
  /** Behind the reply. @param message not to be changed afterwards */
  store(query: Query, message: Uint8Array, details: SharedDetails): void;
  /** An answer that could not be taken into the cache: it is counted. */
  unusable(): void;
}
