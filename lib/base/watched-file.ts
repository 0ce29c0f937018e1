// What a file says, read again when it has changed. Looks at most once a second; a missing file is an empty one.
//
// Bound: 256 MiB (the largest public lists of blocked hosts have 70 MB; a string of V8 ends at 512 MiB). A larger file
// counts as empty, of which Node's warning tells.
import { readFileSync, statSync } from 'node:fs';
import type { Clock } from './clock.js';

const LOOK_EVERY_MS = 1000;
const MAX_BYTES = 256 << 20;

export class WatchedFile<T> {
  #value: T;
  #seen = '';
  #lookAt = -Infinity;

  constructor(
    readonly path: string,
    private readonly parse: (text: string) => T,
    private readonly clock: Clock,
  ) {
    this.#value = parse('');
  }

  get value(): T {
    const now = this.clock.nowMs();
    if (now < this.#lookAt) return this.#value;
    this.#lookAt = now + LOOK_EVERY_MS;
    try {
      const { mtimeNs, size, ino } = statSync(this.path, { bigint: true });
      const seen = `${mtimeNs} ${size} ${ino}`;
      if (seen === this.#seen) return this.#value;
      if (size > MAX_BYTES) this.#warn(size);
      this.#value = this.parse(size > MAX_BYTES ? '' : readFileSync(this.path, 'utf8'));
      this.#seen = seen;
    } catch {
      if (this.#seen !== '') this.#value = this.parse('');
      this.#seen = '';
    }
    return this.#value;
  }

  #warn(size: bigint): void {
    process.emitWarning(`${this.path} has ${size} octets and is not read: expected at most ${MAX_BYTES}`, {
      type: 'ShardnsWarning',
    });
  }
}
