// What goes wrong by a mistake of ours or of a hook: counted, told at a bounded rate, and the end of one question only.
//
// Bound: one stack trace in ten seconds, whatever the questions that lead to it; of the others a line with what it is.
import type { Clock } from '../base/clock.js';
import { isForWantOfRoom, ShardnsError, show } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Query } from '../wire/query.js';

const STACK_EVERY_MS = 10_000;

export class Mistakes {
  count = 0;
  #closed = false;
  #nextStackMs = -Infinity;

  /** @param log one that does not throw */
  constructor(
    private readonly log: Logger,
    private readonly clock: Pick<Clock, 'nowMs'>,
  ) {}

  /** What is under way finds its caches gone from now on: that is nobody's mistake. */
  close(): void {
    this.#closed = true;
  }

  /** What was the end of a question. Never throws. */
  ended(error: unknown, query?: Query, what = 'a query failed by a mistake of ours or of a hook'): void {
    if (!this.#closed) this.note(error, what, query && nameOf(query));
  }

  /** Never throws, whatever was thrown. */
  note(error: unknown, message: string, name?: string): void {
    this.count++;
    try {
      const now = this.clock.nowMs();
      if (now >= this.#nextStackMs) {
        this.#nextStackMs = now + STACK_EVERY_MS;
        this.log.error({ err: error, name }, message);
      } else {
        this.log.error({ reason: reasonOf(error), name }, message);
      }
    } catch {
      // A clock that throws, or an error that cannot be looked at.
    }
  }
}

function nameOf(query: Query): string {
  try {
    return query.nameText;
  } catch {
    return '?';
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message.slice(0, 200)}` : show(error);
}

/**
 * Whether a question failed for want of room or by a mistake here, and not because of those who were asked: such a
 * failure is told to those who wait and remembered against nobody (RFC 9520 section 2 is about failures of resolution).
 */
export function isOurs(error: unknown): boolean {
  if (!(error instanceof ShardnsError)) return true;
  if ((error as { ours?: unknown }).ours === true) return true;
  switch (error.code) {
    case 'ERR_SHARDNS_TIMEOUT':
      return false;
    case 'ERR_SHARDNS_UPSTREAM':
    case 'ERR_SHARDNS_MESSAGE':
      return isForWantOfRoom(error);
    default:
      return true;
  }
}
