// What a service manager is told of this process (sd_notify(3), `Type=notify`): that it is ready, reads its options anew,
// stops; in a line how it is; and each half of the watchdog's time that it lives. A process that nobody watches tells nothing.
import type { Clock, Timer } from '../base/clock.js';

const STATUS_EVERY_MS = 10_000;
/** How much of the watchdog's time is between two signs of life, and one look whether it lives. */
const SIGN_SHARE = 1 / 2;
export const LOOK_SHARE = 1 / 8;

export interface ManagerParts {
  readonly clock: Clock;
  readonly pid: number;
  /** Microseconds of CLOCK_MONOTONIC, by which the manager tells a reload from the one before. */
  readonly monotonicUs: () => bigint;
  /** @returns 0, or a negative errno: nobody can do anything about it */
  readonly send: (path: string, text: string) => number;
}

export interface Watched {
  /** One line. */
  status(): string;
  /** Whether it does its work, within about so many milliseconds. Never rejects. */
  isWell(withinMs: number): Promise<boolean>;
}

export class ServiceManager {
  readonly #path: string | undefined;
  readonly #watchdogMs: number | undefined;
  #watched: Watched | undefined;
  #timers: (Timer | undefined)[] = [];
  #stopping = false;

  /** @param environment is left without what is meant for this process alone */
  constructor(
    environment: NodeJS.ProcessEnv,
    private readonly parts: ManagerParts,
  ) {
    const { NOTIFY_SOCKET: path, WATCHDOG_USEC: watchdog, WATCHDOG_PID: whose } = environment;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name];
    if (path === undefined || !/^[/@]/.test(path)) return;
    this.#path = path;
    const isOurs = whose === undefined || Number(whose) === parts.pid;
    if (isOurs && /^\d{1,15}$/.test(watchdog ?? '') && Number(watchdog) > 0) this.#watchdogMs = Number(watchdog) / 1000;
  }

  /** It serves, from now on until it stops. */
  ready(watched: Watched): void {
    this.#watched = watched;
    this.#tell('READY=1', this.#status());
    if (this.#path === undefined) return;
    this.#every(0, STATUS_EVERY_MS, () => this.#tell(this.#status()));
    if (this.#watchdogMs !== undefined) void this.#watch(this.#watchdogMs);
  }

  /** While options are read anew; whatever becomes of that, it is ready again. */
  async reloading(reload: () => Promise<void>): Promise<void> {
    this.#tell('RELOADING=1', `MONOTONIC_USEC=${this.parts.monotonicUs()}`, 'STATUS=reading its options anew');
    try {
      await reload();
    } finally {
      if (!this.#stopping) this.#tell('READY=1', this.#status());
    }
  }

  stopping(): void {
    this.#stopping = true;
    for (const timer of this.#timers) timer?.cancel();
    this.#tell('STOPPING=1', 'STATUS=answering what is under way');
  }

  #every(place: number, ms: number, run: () => void): void {
    this.#timers[place] = this.parts.clock.after(ms, () => {
      if (this.#stopping) return;
      run();
      this.#every(place, ms, run);
    });
  }

  /** Signs of life, as long as it does its work: one that does not is looked at again at once. */
  async #watch(ms: number): Promise<void> {
    while (!this.#stopping) {
      if ((await this.#watched!.isWell(ms * LOOK_SHARE)) && !this.#stopping) {
        this.#tell('WATCHDOG=1');
        await this.#pause(ms * SIGN_SHARE);
      } else await this.#pause(ms * LOOK_SHARE);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      this.#timers[1] = this.parts.clock.after(ms, resolve);
    });
  }

  #status(): string {
    // A line: what follows it would be an assignment of its own.
    return `STATUS=${this.#watched?.status().replace(/\s+/g, ' ') ?? 'starting'}`;
  }

  #tell(...assignments: string[]): void {
    if (this.#path !== undefined) this.parts.send(this.#path, assignments.join('\n'));
  }
}
