// One try to validate a question, of which others may follow: what it is not to believe of what is known, and what it finds of
// zones, which counts for all only when another try has found the same.
//
// Bounds: the zones that a question meets (dnssec/budget.ts: fetches).
import { type Known, ZoneKeys } from '../../dnssec/zone-keys.js';
import { nameKey } from '../../wire/name.js';

/** What a question does not believe any more when it asks again. */
export class Doubts {
  /** Who serves the zones above it. */
  way = false;
  /** Zones whose keys did not verify what they are to have signed: they may have others by now. Each once. */
  readonly keys = new Set<string>();
  readonly #added = new Set<string>();

  add(zone: Uint8Array | undefined): void {
    if (zone === undefined) return;
    const key = nameKey(zone);
    if (!this.#added.has(key)) this.keys.add(key);
    this.#added.add(key);
  }
}

/** What one try finds out of zones: that they are bogus counts for others when the last two have said so. */
export class Attempt extends ZoneKeys {
  readonly #bogus = new Map<string, { name: Uint8Array; known: Known; seconds: number }>();
  /** Something rests on what was known to be bogus before. */
  knewBogus = false;
  /** Seconds for which that is remembered still. */
  bogusSeconds = Infinity;

  constructor(
    private readonly zones: ZoneKeys,
    private readonly doubts?: Doubts,
  ) {
    super(0);
  }

  override at(key: string, now: number): Known | undefined {
    const own = this.#bogus.get(key);
    if (own !== undefined) return own.known;
    if (this.doubts?.keys.has(key) === true) return undefined;
    const known = this.zones.at(key, now);
    if (known?.status === 'bogus') {
      this.knewBogus = true;
      this.bogusSeconds = Math.min(this.bogusSeconds, this.zones.secondsLeft(key, now));
    }
    return known;
  }
  override set(name: Uint8Array, known: Known, now: number, seconds: number): void {
    if (known.status === 'bogus') this.#bogus.set(nameKey(name), { name, known, seconds });
    else {
      this.doubts?.keys.delete(nameKey(name));
      this.zones.set(name, known, now, seconds);
    }
  }
  /**
   * What the try before has found too is so for all; not of zones with keys that hold still.
   * @returns what is so for all from now on
   */
  conclude(before: Attempt | undefined, now: number): { name: Uint8Array; known: Known }[] {
    const found: { name: Uint8Array; known: Known }[] = [];
    for (const [key, { name, known, seconds }] of this.#bogus) {
      const isSecure = this.zones.at(key, now)?.status === 'secure';
      if (before === undefined || !before.#bogus.has(key) || isSecure) continue;
      this.zones.set(name, known, now, seconds);
      found.push({ name, known });
    }
    return found;
  }
}
