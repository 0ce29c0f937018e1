// What is known of zones: their keys, or why they have none; bounded and with an end. Filled by the chain of trust.
import { BoundedMap } from '../base/bounded-map.js';
import { nameKey } from '../wire/name.js';
import type { Verdict } from './verdict.js';
import type { Signers } from './verify.js';

export interface SecureZone extends Signers {
  status: 'secure';
}

/** A zone with keys, or names about which something else is known at and below `zone`. */
export type ZoneState = SecureZone | (Verdict & { status: Exclude<Verdict['status'], 'secure'> });

/** `inside`: no zone begins at this name. */
export type Known = ZoneState | 'inside';

const MAX_ZONES = 10_000;
/** Seconds; RFC 4035 section 4.7 and RFC 9520 section 3.2 want what failed to be tried again soon. */
export const BOGUS_SECONDS = 60;
/** For which records that could not be fetched are not asked for again: the least of RFC 9520 section 3.2. */
export const UNFETCHED_SECONDS = 1;
const MAX_SECONDS = 86_400;

export class ZoneKeys {
  readonly #zones: BoundedMap<string, { known: Known; until: number }>;
  constructor(maxZones = MAX_ZONES) {
    this.#zones = new BoundedMap(maxZones);
  }
  get size(): number {
    return this.#zones.size;
  }
  get(name: Uint8Array, now: number): Known | undefined {
    const entry = this.#zones.get(nameKey(name));
    return entry !== undefined && entry.until > now ? entry.known : undefined;
  }
  /** @param seconds for which it holds: the least TTL of what it was made of */
  set(name: Uint8Array, known: Known, now: number, seconds: number): void {
    this.#zones.set(nameKey(name), { known, until: now + Math.min(seconds, MAX_SECONDS) });
  }
  clear(): void {
    this.#zones.clear();
  }
}
