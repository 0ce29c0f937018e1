// A row of steps of which each is done whatever becomes of the others: what ends something, or puts something in force,
// must not leave half of it undone because one part has a mistake.
import { ShardnsError } from './errors.js';

export class Steps {
  /** What steps have thrown, in their order. */
  readonly errors: unknown[] = [];

  do(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.errors.push(error);
    }
  }

  async wait(step: () => Promise<unknown>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.errors.push(error);
    }
  }

  /**
   * To be called when all are done.
   * @param what they did, for the message
   * @throws what the one step has thrown that failed
   * @throws {ShardnsError} ERR_SHARDNS_INTERNAL where several failed: its cause is an AggregateError that has them all
   */
  tell(what: string): void {
    const { errors } = this;
    if (errors.length === 0) return;
    if (errors.length === 1) throw errors[0];
    const reasons = errors.map(one => (one instanceof Error ? one.message : String(one))).join('; ');
    const text = `${what}: ${errors.length} steps failed: ${reasons}`;
    throw new ShardnsError('ERR_SHARDNS_INTERNAL', text, { cause: new AggregateError(errors, text) });
  }
}

/** All of them, as {@link Steps}. */
export function doAll(what: string, steps: Iterable<() => void>): void {
  const row = new Steps();
  for (const step of steps) row.do(step);
  row.tell(what);
}
