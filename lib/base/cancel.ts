// Calling off work that may be under way: by a Canceller, which does what AbortSignal does at a hundredth of its price
// (one is made for every query that goes upstream), and by the AbortSignals of callers.

/** What a Canceller calls off; told once. */
export type Cancellable = { calledOff(): void } | (() => void);

function callOff(one: Cancellable): void {
  if (typeof one === 'function') one();
  else one.calledOff();
}

export class Canceller {
  #cancelled = false;
  /** Nearly always one, which costs no list. In the order in which they came. */
  #first: Cancellable | undefined;
  #others: Cancellable[] | undefined;

  get cancelled(): boolean {
    return this.#cancelled;
  }
  /** Tells `one` when it is called off. */
  subscribe(one: Cancellable): void {
    if (this.#first === undefined) this.#first = one;
    else (this.#others ??= []).push(one);
  }
  unsubscribe(one: Cancellable): void {
    if (one === this.#first) {
      this.#first = this.#others?.shift();
    } else if (this.#others !== undefined) {
      const at = this.#others.indexOf(one);
      if (at >= 0) this.#others.splice(at, 1);
    }
  }
  cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    const first = this.#first;
    const others = this.#others;
    this.#first = this.#others = undefined;
    if (first !== undefined) callOff(first);
    if (others !== undefined) others.forEach(callOff);
  }
}

/** Those who wait for a signal, and the one listener they share. */
class Waiting {
  readonly runs = new Set<() => void>();
  constructor(private readonly signal: AbortSignal) {
    signal.addEventListener('abort', this.#aborted, { once: true });
  }
  readonly #aborted = (): void => {
    waitingFor.delete(this.signal);
    for (const run of this.runs) run();
  };
  stop(): void {
    waitingFor.delete(this.signal);
    this.signal.removeEventListener('abort', this.#aborted);
  }
}
const waitingFor = new WeakMap<AbortSignal, Waiting>();

/**
 * Calls `run` when `signal` aborts, once, or never after what this returns was called. A signal may be shared by any
 * number of calls: Node warns of a leak where more than ten of them listen (events.defaultMaxListeners).
 * @param signal one that is not aborted yet
 * @param run must not throw
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  let waiting = waitingFor.get(signal);
  if (waiting === undefined) {
    waiting = new Waiting(signal);
    waitingFor.set(signal, waiting);
  }
  const { runs } = waiting;
  const own = (): void => run(); // the same function may wait twice
  runs.add(own);
  return () => {
    if (runs.delete(own) && runs.size === 0 && waitingFor.get(signal) === waiting) waiting.stop();
  };
}
