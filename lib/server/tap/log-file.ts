// A file that lines are appended to, in batches, beside serving. It is renamed where it would be greater than it may be, and
// the oldest of those is deleted.
//
// A disk that is full stops nothing: what cannot be written is dropped and counted, and told once a minute at the most.
//
// Bound: MAX_QUEUED octets of lines that wait to be written; `maxFileBytes` a file, `keepBytes` all of them.
import { closeSync, constants, fstatSync, openSync, renameSync, unlinkSync, write } from 'node:fs';
import type { Clock } from '../../base/clock.js';
import { ShardnsError } from '../../base/errors.js';
import type { Logger } from '../../base/log.js';

const MAX_QUEUED = 4 * 2 ** 20;
const TELL_MS = 60_000;
/** Files that an earlier, greater `keepBytes` has left are looked for up to this number. */
const MOST_FILES = 1000;
// Who waits at the other end of a FIFO, or does not, is not waited for.
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
const NEWLINE = 0x0a;

const writeFrom = (fd: number, octets: Uint8Array, offset: number): Promise<number> =>
  new Promise((resolve, reject) =>
    write(fd, octets, offset, octets.length - offset, null, (error, written) => {
      if (error === null) resolve(written);
      else reject(error);
    }),
  );

export interface LogFileOptions {
  readonly path: string;
  readonly maxFileBytes: number;
  readonly keepBytes: number;
}

export interface LogFileStats {
  lines: number;
  dropped: number;
  failures: number;
  rotations: number;
}

export class LogFile {
  #fd: number | undefined;
  #size = 0;
  #queued: string[] = [];
  #queuedOctets = 0;
  #writing: Promise<void> | undefined;
  #toldMs = Number.NEGATIVE_INFINITY;
  /** A device, or a FIFO, is not renamed. */
  #isFile = false;
  /** The last line was written in part. */
  #isCut = false;
  #closed = false;

  /**
   * @param stats of all files that are written to, one after the other
   * @throws {ShardnsError} ERR_SHARDNS_FILE naming the path and what is wrong
   */
  constructor(
    private readonly options: LogFileOptions,
    private readonly clock: Clock,
    private readonly log: Logger,
    readonly stats: LogFileStats,
  ) {
    try {
      this.#open();
    } catch (cause) {
      const text = `${options.path}: cannot be written: ${(cause as Error).message}`;
      throw new ShardnsError('ERR_SHARDNS_FILE', text, { cause });
    }
  }

  /** @param line without its end */
  write(line: string): void {
    if (this.#closed || this.#queuedOctets + line.length > MAX_QUEUED) {
      this.stats.dropped++;
      return;
    }
    this.#queued.push(line);
    this.#queuedOctets += line.length + 1;
    this.#writing ??= this.#writeQueued();
  }

  /** Writes what waits. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    this.#shut();
  }

  async #writeQueued(): Promise<void> {
    // Those of this turn are one batch.
    await new Promise(resolve => setImmediate(resolve));
    while (this.#queued.length > 0) {
      const lines = this.#queued;
      this.#queued = [];
      this.#queuedOctets = 0;
      await this.#writeLines(lines);
    }
    this.#writing = undefined;
  }

  async #writeLines(lines: readonly string[]): Promise<void> {
    // Names are ASCII, and so is all the rest.
    const octets = Buffer.from(`${this.#isCut ? '\n' : ''}${lines.join('\n')}\n`, 'latin1');
    let written = 0;
    const wasCut = this.#isCut;
    try {
      if (this.#isFile && this.#size > 0 && this.#size + octets.length > this.options.maxFileBytes) this.#rotate();
      if (this.#fd === undefined) this.#open();
      while (written < octets.length) {
        const octetsWritten = await writeFrom(this.#fd!, octets, written);
        written += octetsWritten;
        this.#size += octetsWritten;
      }
      this.#isCut = false;
      this.stats.lines += lines.length;
    } catch (error) {
      if (written > 0) this.#isCut = octets[written - 1] !== NEWLINE;
      let whole = wasCut && written > 0 ? -1 : 0;
      for (let at = 0; at < written; at++) if (octets[at] === NEWLINE) whole++;
      this.stats.lines += whole;
      this.#failed(error as Error, lines.length - whole);
    }
  }

  #failed(error: Error, dropped: number): void {
    this.stats.failures++;
    this.stats.dropped += dropped;
    this.#shut(); // and is opened anew by the next batch
    const now = this.clock.nowMs();
    if (now - this.#toldMs < TELL_MS) return;
    this.#toldMs = now;
    const { path } = this.options;
    this.log.warn({ file: path, reason: error.message, dropped: this.stats.dropped }, 'queries could not be logged');
  }

  #open(): void {
    const fd = openSync(this.options.path, FLAGS, 0o640);
    this.#fd = fd;
    const stats = fstatSync(fd);
    this.#isFile = stats.isFile();
    this.#size = this.#isFile ? stats.size : 0;
  }
  #shut(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd === undefined) return;
    try {
      closeSync(fd);
    } catch {
      // What it could not write then was told.
    }
  }

  #rotate(): void {
    const { path, maxFileBytes, keepBytes } = this.options;
    this.#shut();
    const kept = Math.max(0, Math.floor(keepBytes / maxFileBytes) - 1);
    for (let n = Math.max(1, kept); n <= MOST_FILES && removed(`${path}.${n}`); n++);
    for (let n = kept - 1; n >= 1; n--) moved(`${path}.${n}`, `${path}.${n + 1}`);
    if (kept === 0) removed(path);
    else moved(path, `${path}.1`);
    this.stats.rotations++;
    this.#open();
  }
}

/** @returns whether there was one */
function removed(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return false;
  }
}

function moved(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
