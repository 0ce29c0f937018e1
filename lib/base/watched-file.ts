// What a file says, read again when it has changed. Looks at most once a second. A missing file is an empty one; one that
// cannot be read, is no regular file or is too large is told once, and what it said before stays.
//
// Bound: MAX_BYTES, above the largest lists that people put into hosts(5); the C library has none.
import { systemClock, type Clock } from './clock.js';
import { ShardnsError } from './errors.js';
import { readRegularFile, versionOf } from './regular-file.js';

const LOOK_EVERY_MS = 1000;
const MAX_BYTES = 128 * 2 ** 20;
/** Times of files are as coarse as the kernel's tick, or a second: what was written this lately may be written again. */
const FRESH_SECONDS = 2;

export class WatchedFile<T> {
  #value: T;
  #version = '';
  #problem: string | undefined;
  #lookAt = -Infinity;

  /** @param tell told of each problem once; by default a warning of the process */
  constructor(
    readonly path: string,
    private readonly parse: (text: string) => T,
    private readonly clock: Clock = systemClock,
    private readonly tell: (problem: string) => void = problem => process.emitWarning(problem, 'ShardnsWarning'),
    private readonly maxBytes = MAX_BYTES,
  ) {
    this.#value = parse('');
  }

  /** Parsed anew only when the file may have changed. */
  get value(): T {
    const now = this.clock.nowMs();
    if (now < this.#lookAt) return this.#value;
    this.#lookAt = now + LOOK_EVERY_MS;
    try {
      const file = readRegularFile(this.path, this.maxBytes, this.#version);
      if (file === undefined) return this.#value;
      this.#value = this.parse(file.text);
      const age = Date.now() / 1000 - Number(file.stats.mtimeNs / 1_000_000n) / 1000;
      this.#version = Math.abs(age) < FRESH_SECONDS ? '' : versionOf(file.stats);
      this.#problem = undefined;
    } catch (error) {
      if (isMissing(error)) {
        if (this.#version !== 'missing') this.#value = this.parse('');
        this.#version = 'missing';
        this.#problem = undefined;
      } else this.#told((error as Error).message);
    }
    return this.#value;
  }

  #told(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.tell(`${problem}; what it said before stays`);
  }
}

function isMissing(error: unknown): boolean {
  if (!(error instanceof ShardnsError)) return false;
  const { code } = (error.cause ?? {}) as { code?: string };
  return code === 'ENOENT' || code === 'ENOTDIR';
}
