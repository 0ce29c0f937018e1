// What is known of zones: their keys, or why they have none; bounded and with an end. Filled by the chain of trust, with
// octets of their own: a view would keep the message that it came in.
//
// Bounds: MAX_ZONES zones, and MAX_OCTETS of all of them: 1.3 KB for two keys of P-256, 2.2 KB for three of RSA 2048.
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
const MAX_OCTETS = 24 * 2 ** 20;
/** What the objects of a zone, and of a key, take beside their octets: measured with Node 20. */
const ZONE_OVERHEAD = 500;
const KEY_OVERHEAD = 400;
/** Seconds; RFC 4035 section 4.7 and RFC 9520 section 3.2 want what failed to be tried again soon. */
export const BOGUS_SECONDS = 60;
/** For which records that could not be fetched are not asked for again: the least of RFC 9520 section 3.2. */
export const UNFETCHED_SECONDS = 1;
const MAX_SECONDS = 86_400;
/** By which a clock may be set back without a doubt about what was learnt: questions under way began a little earlier. */
const SET_BACK_SECONDS = 10;

function octetsOf(key: string, known: Known): number {
  let octets = ZONE_OVERHEAD + 2 * key.length;
  if (known.status === 'secure') for (const one of known.keys) octets += KEY_OVERHEAD + one.data.length;
  return octets;
}

export class ZoneKeys {
  readonly #zones: BoundedMap<string, { known: Known; from: number; until: number }>;
  #octets = 0;
  constructor(maxZones = MAX_ZONES) {
    this.#zones = new BoundedMap(maxZones);
  }
  get size(): number {
    return this.#zones.size;
  }
  /** Of all, with what they take beside their octets. */
  get octets(): number {
    return this.#octets;
  }
  /** @param name folded */
  get(name: Uint8Array, now: number): Known | undefined {
    return this.at(nameKey(name), now);
  }
  /** @param seconds for which it holds: the least TTL of what it was made of */
  set(name: Uint8Array, known: Known, now: number, seconds: number): void {
    const key = nameKey(name);
    this.#drop(key);
    this.#octets += octetsOf(key, known);
    while (this.#zones.size > 0 && (this.#octets > MAX_OCTETS || this.#zones.size >= this.#zones.limit)) {
      this.#drop(this.#zones.oldest()!);
    }
    this.#zones.set(key, { known, from: now, until: now + Math.min(seconds, MAX_SECONDS) });
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
    this.#drop(nameKey(name));
  }
  clear(): void {
    this.#zones.clear();
    this.#octets = 0;
  }
  #drop(key: string): void {
    const entry = this.#zones.get(key);
    if (entry === undefined) return;
    this.#octets -= octetsOf(key, entry.known);
    this.#zones.delete(key);
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
