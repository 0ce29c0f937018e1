// Where the lines of the log go: to a file descriptor, from the event loop and without ever holding it up. A destination that
// is full, slow or gone stops nothing: lines wait, those for which there is no room are dropped and counted, and the count is
// written once there is room again. Nothing is thrown.
//
// Bounds: MAX_WAITING octets of lines; one write under way; one try each RETRY_MS while it fails.
import { constants, fstatSync, openSync, write } from 'node:fs';
import type { Clock, Timer } from '../base/clock.js';
import { systemClock } from '../base/clock.js';

const MAX_WAITING = 1 << 20;
const RETRY_MS = 500;
/** A pipe whose reader is slow has room again soon. */
const BUSY_RETRY_MS = 20;

/** Writes what it can of the octets, as `fs.write` does. */
export type Write = (octets: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void) => void;

export class LogDestination {
  #waiting: string[] = [];
  #waitingOctets = 0;
  /** Of a write that did not take all. */
  #rest: Buffer | undefined;
  #writing = false;
  #retry: Timer | undefined;
  #untold = 0;
  /** Lines that were dropped in all. */
  dropped = 0;
  #onIdle: (() => void)[] = [];

  constructor(
    private readonly put: Write,
    private readonly clock: Clock = systemClock,
  ) {}

  /** A line with its end. */
  write(line: string): void {
    const octets = Buffer.byteLength(line);
    if (this.#waitingOctets + octets > MAX_WAITING) {
      this.dropped++;
      this.#untold++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingOctets += octets;
    if (!this.#writing && this.#retry === undefined) this.#next();
  }

  /** Resolves when all is written, at the latest after `withinMs`. */
  async flush(withinMs: number): Promise<void> {
    if (!this.#busy()) return;
    await new Promise<void>(resolve => {
      const timer = this.clock.after(withinMs, resolve);
      this.#onIdle.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #busy(): boolean {
    return this.#writing || this.#rest !== undefined || this.#waiting.length > 0;
  }

  #next(): void {
    this.#retry = undefined;
    if (this.#rest === undefined) {
      if (this.#waiting.length === 0) {
        for (const tell of this.#onIdle.splice(0)) tell();
        return;
      }
      this.#rest = Buffer.from(this.#waiting.join(''));
      this.#waiting = [];
    }
    const octets = this.#rest;
    this.#writing = true;
    const done = (error: NodeJS.ErrnoException | null, written: number): void => {
      this.#writing = false;
      if (error !== null || written === 0) {
        const busy = error?.code === 'EAGAIN' || error?.code === 'EINTR';
        this.#retry = this.clock.after(busy ? BUSY_RETRY_MS : RETRY_MS, () => this.#next());
        return;
      }
      this.#waitingOctets -= written;
      this.#rest = written < octets.length ? octets.subarray(written) : undefined;
      if (this.#rest === undefined && this.#untold > 0) {
        const [lines, time] = [this.#untold, this.clock.wallSeconds() * 1000];
        this.#untold = 0;
        this.write(
          `${JSON.stringify({ level: 40, time, pid: process.pid, lines, msg: 'lines of the log were dropped' })}\n`,
        );
        if (this.#writing) return;
      }
      this.#next();
    };
    try {
      this.put(octets, done);
    } catch (error) {
      done(error as NodeJS.ErrnoException, 0);
    }
  }
}

/** Standard output. A pipe is opened anew, so that writing to it waits for nobody and nobody else's pipe is changed. */
export function standardOutput(): LogDestination {
  let fd = 1;
  try {
    if (fstatSync(1).isFIFO()) fd = openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    // Somebody else's pipe, or closed: as it is.
  }
  return new LogDestination((octets, done) => write(fd, octets, 0, octets.length, null, done));
}
