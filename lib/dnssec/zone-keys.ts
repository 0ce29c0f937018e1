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

/** No zone begins at this name, nor between it and this zone: the zone said so. */
export interface Inside {
  status: 'inside';
  zone: Uint8Array;
}
export type Known = ZoneState | Inside;

export const isUnfetched = (known: Known): boolean => known.status === 'indeterminate' && known.unfetched === true;

const MAX_ZONES = 10_000;
/** Seconds; RFC 4035 section 4.7 and RFC 9520 section 3.2 want what failed to be tried again soon. */
export const BOGUS_SECONDS = 60;
/** For which records that could not be fetched are not asked for again: the least of RFC 9520 section 3.2. */
export const UNFETCHED_SECONDS = 1;
const MAX_SECONDS = 86_400;
/** By which a clock may be set back without a doubt about what was learnt: questions under way began a little earlier. */
const SET_BACK_SECONDS = 10;

export class ZoneKeys {
  readonly #zones: BoundedMap<string, { known: Known; from: number; until: number }>;
  constructor(maxZones = MAX_ZONES) {
    this.#zones = new BoundedMap(maxZones);
  }
  get size(): number {
    return this.#zones.size;
  }
  /** @param name folded */
  get(name: Uint8Array, now: number): Known | undefined {
    return this.at(nameKey(name), now);
  }
  /** @param seconds for which it holds: the least TTL of what it was made of */
  set(name: Uint8Array, known: Known, now: number, seconds: number): void {
    this.#zones.set(nameKey(name), { known, from: now, until: now + Math.min(seconds, MAX_SECONDS) });
  }
  /**
   * The longest name at or above this one, but not above `top`, of which the zone is known. That the records of a name could
   * not be fetched is of no account here: what is above may be without keys.
   * @returns that zone's state, and where the name begins
   */
  nearest(name: Uint8Array, top: Uint8Array, now: number): { state: ZoneState; at: number } | undefined {
    const key = nameKey(name);
    for (let at = 0; at <= name.length - top.length; at += 1 + name[at]) {
      let known = this.at(at === 0 ? key : key.slice(at), now);
      if (known?.status === 'inside') known = this.at(nameKey(known.zone), now);
      if (known !== undefined && known.status !== 'inside' && !isUnfetched(known)) return { state: known, at };
    }
    return undefined;
  }
  forget(name: Uint8Array): void {
    this.#zones.delete(nameKey(name));
  }
  clear(): void {
    this.#zones.clear();
  }
  /** @param key of a folded name */
  at(key: string, now: number): Known | undefined {
    return this.secondsLeft(key, now) > 0 ? this.#zones.get(key)!.known : undefined;
  }
  /**
   * For how long what is known of a name holds still. Nothing, for what was learnt at a time that is to come: the clock was
   * ahead then, as at boot, and what it made of signatures is not to last until it is that late.
   */
  secondsLeft(key: string, now: number): number {
    const entry = this.#zones.get(key);
    return entry === undefined || entry.from > now + SET_BACK_SECONDS ? 0 : Math.max(entry.until - now, 0);
  }
}
