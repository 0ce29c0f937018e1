// Signals from the first moment on. Imported before everything else, so that none that comes while the command starts ends
// it: SIGHUP, SIGUSR1 and SIGUSR2 are remembered and done once, SIGTERM and SIGINT end it at once, when nothing is served
// yet. A handler for SIGUSR1 also keeps Node from opening its inspector.

const REMEMBERED = ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
const ENDING = ['SIGTERM', 'SIGINT'] as const;
export type HandledSignal = (typeof REMEMBERED)[number] | (typeof ENDING)[number];

class Signals {
  readonly #handlers = new Map<HandledSignal, () => void>();
  readonly #waiting = new Set<HandledSignal>();
  #taken = false;

  /** From here on no signal has its own effect. */
  take(): void {
    if (this.#taken) return;
    this.#taken = true;
    for (const signal of [...REMEMBERED, ...ENDING]) process.on(signal, () => this.#came(signal));
  }

  /** What a signal does; at once if it came before. */
  on(signal: HandledSignal, handler: () => void): void {
    this.take();
    this.#handlers.set(signal, handler);
    if (this.#waiting.delete(signal)) handler();
  }

  #came(signal: HandledSignal): void {
    const handler = this.#handlers.get(signal);
    if (handler !== undefined) handler();
    else if (signal === 'SIGTERM' || signal === 'SIGINT') process.exit(0);
    else this.#waiting.add(signal);
  }
}

export const signals = new Signals();
