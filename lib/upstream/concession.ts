// Something that is given up for a server: for one question first, which whoever asks sees to; for the server only when
// several names in a row needed it, for a time, and not while it is known to be able to do it. One packet, which somebody
// off the path may have sent, or one odd name, so takes nothing from the others (RFC 6891 section 6.2.2, RFC 5452 9).
//
// Bound: the keys of concession.names names.
import type { Clock } from '../base/clock.js';
import { UPSTREAM_LIMITS } from './limits.js';

const { names: NAMES, ms: FOR_MS, shownMs: SHOWN_MS } = UPSTREAM_LIMITS.concession;

export class Concession {
  readonly #names = new Set<string>();
  #firstMs = 0;
  #untilMs = 0;
  #shownUntilMs = 0;

  constructor(private readonly clock: Clock) {}

  get granted(): boolean {
    return this.#untilMs > 0 && this.clock.nowMs() < this.#untilMs;
  }

  /** A question was answered only when it was given up for it. */
  needed(question: string): void {
    const now = this.clock.nowMs();
    if (now < this.#shownUntilMs) return;
    if (now - this.#firstMs > FOR_MS) this.#names.clear();
    if (this.#names.size === 0) this.#firstMs = now;
    this.#names.add(question);
    if (this.#names.size < NAMES) return;
    this.#untilMs = now + FOR_MS;
    this.#names.clear();
  }

  /** The server has shown that it can. */
  shown(): void {
    this.#shownUntilMs = this.clock.nowMs() + SHOWN_MS;
    if (this.#names.size > 0) this.#names.clear();
  }
}
