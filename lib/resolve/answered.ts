// How a question was answered, for those who watch and for what is counted: each step of a flight notes it there, and what
// comes without a flight is told by what it is.
import { AnsweredBy } from '../native/binding.js';
import { ExtendedError, Rcode } from '../wire/iana.js';
import type { Moved, Resolution } from './outcome.js';

/** What the steps note, of all who wait for it. */
export interface AnsweredNote {
  /** One of AnsweredBy. */
  answeredBy: number;
  /** The upstream whose response was taken. */
  answeredFrom: string | undefined;
}

const OWN: ReadonlySet<number> = new Set([
  AnsweredBy.zone,
  AnsweredBy.local,
  AnsweredBy.hook,
  AnsweredBy.blocked,
  AnsweredBy.recursion,
]);

/** @param flight undefined where there was none: the cache had it after all, or nobody was asked */
export function answeredBy(found: Resolution | Moved, flight: AnsweredNote | undefined): number {
  if (found.kind === 'error') {
    if (flight !== undefined && OWN.has(flight.answeredBy) && found.rcode !== Rcode.SERVFAIL) return flight.answeredBy;
    return flight === undefined && found.rcode === Rcode.REFUSED ? AnsweredBy.refused : AnsweredBy.failed;
  }
  if (found.kind === 'message' && isStale(found.extendedError & 0xffff)) return AnsweredBy.stale;
  return flight?.answeredBy ?? AnsweredBy.hit;
}

const isStale = (code: number): boolean => code === ExtendedError.staleAnswer || code === ExtendedError.staleNxdomain;
