// A value that is not here: asked for in the second level, and loaded where that has none, or has not answered in a few
// milliseconds. Whichever comes first is what is answered; where instances take turns at loading, one loads and the others
// look for what it has stored.
import type { Clock, Timer } from '../../base/clock.js';
import type { ByteLevel, FoundValue } from './level.js';

export interface LevelRead<V> {
  readonly level: ByteLevel;
  readonly clock: Clock;
  readonly key: Buffer;
  readonly kind: number;
  /** Mark of the namespace. */
  readonly space: number;
  /** Undefined: it cannot be read, or is what is to be loaded anew. Must not throw. */
  take(value: FoundValue): V | undefined;
  load(): V | Promise<V>;
  /** For those who wait, where the loader goes on. */
  early(value: V): void;
  /** Others wait for what is loaded here now. @param sinceMs by the monotonic clock, at the latest */
  leased(sinceMs: number): void;
}

/** How often those who wait for another instance look for what it has stored. */
const LOOK_MS = 25;

/** @returns what was loaded or found; rejects with what the loader throws where nothing was found either */
export function readThrough<V>(read: LevelRead<V>): Promise<V> {
  return new Promise((resolve, reject) => new ReadThrough(read, resolve, reject).begin());
}

class ReadThrough<V> {
  #loading = false;
  /** The second level may still answer. */
  #asking = false;
  /** Of the loader, which has ended before the second level has answered. */
  #failure: { error: unknown } | undefined;
  #hedge: Timer | undefined;
  #waitsUntilMs = 0;
  /** It is this one's turn to load. */
  #mine = false;

  constructor(
    private readonly read: LevelRead<V>,
    private readonly resolve: (value: V) => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  begin(): void {
    const { level, clock } = this.read;
    const { leaseMs } = level.settings;
    // Who may have to wait for his turn does not begin beside the read.
    if (leaseMs === 0) this.#hedge = level.hedge(() => this.#load());
    this.#waitsUntilMs = clock.nowMs() + leaseMs;
    this.#look();
  }

  #look(): void {
    const { level, key, kind, space } = this.read;
    this.#asking = true;
    const begun = level.read(key, kind, space, {
      found: value => this.#found(value),
      absent: () => this.#absent(),
      unread: () => this.#fallBack(),
    });
    if (!begun) this.#fallBack();
  }

  #found(value: FoundValue): void {
    const taken = this.read.take(value);
    if (taken === undefined) {
      this.#absent();
      return;
    }
    this.#answered();
    if (this.#loading && this.#failure === undefined) this.read.early(taken);
    else this.resolve(taken);
  }
  #absent(): void {
    if (this.read.level.settings.leaseMs > 0 && !this.#mine) this.#takeTurn();
    else this.#fallBack();
  }
  #fallBack(): void {
    this.#answered();
    if (this.#failure !== undefined) this.reject(this.#failure.error);
    else this.#load();
  }
  #answered(): void {
    this.#asking = false;
    this.#hedge?.cancel();
  }

  #takeTurn(): void {
    const { level, clock, key, leased } = this.read;
    const sinceMs = clock.nowMs();
    level.take(key, mine => {
      if (mine === true) {
        this.#mine = true;
        leased(sinceMs);
        // Whoever had it before may have stored the value since it was looked for.
        this.#look();
      } else if (mine !== false || clock.nowMs() >= this.#waitsUntilMs) this.#fallBack();
      else clock.after(LOOK_MS, () => this.#look());
    });
  }

  #load(): void {
    if (this.#loading) return;
    this.#loading = true;
    new Promise<V>(loaded => loaded(this.read.load())).then(this.resolve, (error: unknown) => {
      this.#failure = { error };
      if (!this.#asking) this.reject(error);
    });
  }
}
