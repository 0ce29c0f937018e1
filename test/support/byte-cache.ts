// A byte cache on a fake clock: its own time and that of its timers go together.
import { ByteCache, type ByteCacheOptions } from '../../lib/index.js';
import { FakeClock } from './fake-clock.js';

export class TimedCache implements Disposable {
  readonly clock = new FakeClock();
  readonly cache: ByteCache<string>;
  #shifted = 0;

  constructor(options: Omit<ByteCacheOptions<string>, 'codec'> = {}) {
    const settings = { memory: '2MiB', shards: 1, ttlMs: 1000, ...options, codec: 'utf8' } as const;
    this.cache = ByteCache.create(settings, { clock: this.clock, random: { uint32: () => 0x8000_0000 } });
  }
  async pass(ms: number): Promise<void> {
    this.#shifted += ms;
    this.cache.native.shiftClock(this.#shifted);
    await this.clock.advance(ms);
  }
  [Symbol.dispose](): void {
    this.cache.close();
  }
}

/** What ends when it is told to. */
export class Pending<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (error: Error) => void;
  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}
