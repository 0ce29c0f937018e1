// What a loader may know and say beside its value: it alone sees how long that is good for, and what it depends on.

/** Second argument of a loader; of one load. What it sets holds for the value that it returns. */
export class LoadContext<V> {
  /** Lifetime of the value; default: what `fetch` was told. */
  ttlMs: number | undefined;
  /** What the value is forgotten with; default: what `fetch` was told. */
  tags: readonly string[] | undefined;
  /** False: the value is given to those who wait, and not stored. */
  store = true;
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  constructor(
    /** The value that has expired, where it is still there: a source may say that nothing has changed since. */
    readonly stale: V | undefined,
  ) {}

  /** Aborts when the load is given up (`loadDeadlineMs`): its value will not be stored. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }
  /** @internal */
  abort(reason: Error): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
