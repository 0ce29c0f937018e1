// What goes wrong by a mistake of ours or of a hook: counted, told at a bounded rate, and the end of one question only.
//
// Bound: one stack trace in ten seconds, whatever the questions that lead to it; of the others a line with what it is.
import type { Clock } from '../base/clock.js';
import { show } from '../base/errors.js';
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
