// Who calls, what they may do, and the request that they made.
import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * What whoever calls may do: nothing at all needs a right; look; have the cache forget; change. Each but the first is
 * granted with those before it.
 */
export type Scope = 'open' | 'read' | 'flush' | 'write';
const ORDER: readonly Scope[] = ['open', 'read', 'flush', 'write'];

export const grants = (given: Scope, wanted: Scope): boolean => ORDER.indexOf(given) >= ORDER.indexOf(wanted);

/** Whoever asked, as the listener has judged it. */
export interface Caller {
  readonly scope: Scope;
  /** For the log: `socket`, `token NAME`, `session NAME`. */
  readonly name: string;
  /** Whether it may still call: tokens are taken away, sessions expire, while a stream goes on. */
  stands(): boolean;
}

/** One that answers by itself: a stream of lines, or of events. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Caller;
}
