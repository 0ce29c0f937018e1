// What the parts of a resolver read of it: its options, which change while it works, and what it counts.
import type { LatenciesBy } from '../base/log-histogram.js';
import type { Query } from '../wire/query.js';
import type { StepContext, StepOptions } from './steps/step.js';

export interface ResolverOptions extends StepOptions {
  /** RFC 8767 section 5: after how long a client is given a stale answer; 0 = at once. */
  staleClientTimeoutMs: number;
  staleTtlSeconds: number;
  prefetchPerSecond: number;
}

export interface ResolverStats {
  resolved: number;
  coalesced: number;
  prefetches: number;
  prefetchesDropped: number;
  failures: number;
  staleServed: number;
  /** Turned away because of a bound on all. */
  overloaded: number;
  /** Turned away because their client had its share. */
  clientOverloaded: number;
  /** Failed for want of our own room, and remembered against nobody. */
  ownFailures: number;
  rejectedResponses: number;
  /** Not asked, because too many names of their zone came to nothing. */
  zoneLimited: number;
  /** Answers made of IPv4 addresses, and of the names of such. */
  dns64Answers: number;
  dns64Pointers: number;
}

export const noStats = (): ResolverStats => ({
  resolved: 0,
  coalesced: 0,
  prefetches: 0,
  prefetchesDropped: 0,
  failures: 0,
  staleServed: 0,
  overloaded: 0,
  clientOverloaded: 0,
  ownFailures: 0,
  rejectedResponses: 0,
  zoneLimited: 0,
  dns64Answers: 0,
  dns64Pointers: 0,
});

export interface ResolverContext extends StepContext {
  readonly options: ResolverOptions;
  readonly stats: ResolverStats;
  /** Of flights, from their begin to what they come to, by how they were answered (AnsweredBy). */
  readonly latencies: LatenciesBy;
  /** Those under way natively: who asks the same takes them over. */
  readonly plain: { takeOver(query: Query): void } | undefined;
  /** The same of this process's own. */
  readonly plainQuestions: { takeOver(query: Query): void } | undefined;
}
