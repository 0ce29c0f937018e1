// How many names of a zone may come to nothing, so that names made up below it (random-subdomain attacks) cost neither its
// servers nor others who ask: questions that would go upstream, by what such questions below the same names have come to.
//
// Whose zone a name is nobody knows before it is asked for, and of a forwarder's names nobody tells: each question counts at
// the two names above its own, from two labels on. Each of these has a bucket that runs out at the rate that is allowed:
// NXDOMAIN and failures fill it, by one each, answers empty it as much. Where it is full, or its questions under way are too
// many, a question is not asked; so a zone of which as many names exist as do not is never slowed down. Names that were
// answered before, by this memory or by an expired answer in the cache, are asked in any case and count for nothing; what the
// cache answers never comes here.
//
// Bounds: SLOTS buckets, of which the emptiest makes room (one with questions under way never does: what finds no room is
// not counted); GOOD names that are remembered, by a hash under a secret key: about 0.7 MB in all, taken when rates are first
// wanted. UNDER_WAY questions of one name above, and more only while as much of the room is free.
import type { Clock } from '../base/clock.js';
import { type KeyedHash, keyedHash } from '../base/keyed-hash.js';
import type { Random } from '../base/random.js';
import { bySuffix, nameToText } from '../wire/name.js';

export interface ZoneRate {
  /** Names of a zone that may come to nothing in a second. */
  readonly perSecond: number;
  /** At and below which nothing is counted. */
  readonly exempt: ReadonlyMap<string, true>;
  /** It is counted, and all are asked. */
  readonly dryRun: boolean;
}

const WAYS = 4;
const SLOTS = 16_384;
const GOOD = 65_536;
const UNDER_WAY = 64;
/** Seconds' worth that may come at once. */
const BURST = 2;
const TELL_EVERY_MS = 60_000;
/** Of a name above. */
const LEAST_LABELS = 2;

/** Of a question: the places of its names above, which it leaves again. 0: of none. */
export type ZoneTicket = number;
/** In its place: the question is not to be asked. */
export const OVER_RATE = -1;
const PLACE_BITS = 15;
const PLACE = (1 << PLACE_BITS) - 1;

export class ZoneRates {
  readonly #random: Random;
  #table: Table | undefined;
  #toldMs = -Infinity;

  constructor(
    private readonly clock: Clock,
    random: Random,
  ) {
    this.#random = random;
  }

  /**
   * @param name folded, in wire form
   * @param free questions that may be begun beside those under way
   * @returns what `leave` is told, or OVER_RATE
   */
  enter(name: Uint8Array, rate: ZoneRate, free: number): ZoneTicket {
    if (rate.exempt.size > 0 && bySuffix(name, rate.exempt) !== undefined) return 0;
    const table = (this.#table ??= new Table(this.#random));
    return table.enter(name, rate, free, this.clock.nowMs());
  }

  /** The question is over. @param isGood undefined: its outcome says nothing of the name */
  leave(ticket: ZoneTicket, name: Uint8Array, isGood: boolean | undefined): void {
    this.#table?.leave(ticket, name, isGood, this.clock.nowMs());
  }

  /** The name above that has kept the last question from being asked, where that is to be told: once a minute. */
  toTell(): string | undefined {
    const now = this.clock.nowMs();
    const name = this.#table?.limited;
    if (name === undefined || now - this.#toldMs < TELL_EVERY_MS) return undefined;
    this.#toldMs = now;
    return nameToText(name);
  }
}

class Table {
  /** Hashes of names above; 0: free. */
  readonly #hashes = new Uint32Array(SLOTS);
  /** What the bucket had at its time, and the rate at which it runs out since. */
  readonly #levels = new Float32Array(SLOTS);
  readonly #times = new Float64Array(SLOTS);
  readonly #underWay = new Uint16Array(SLOTS);
  readonly #good = new Uint32Array(GOOD);
  readonly #hash: KeyedHash;
  #perSecond = 0;
  limited: Uint8Array | undefined;

  constructor(random: Random) {
    this.#hash = keyedHash(random);
  }

  enter(name: Uint8Array, { perSecond, dryRun }: ZoneRate, free: number, now: number): number {
    this.#perSecond = perSecond;
    if (this.#isGood(name)) return 0;
    let ticket = 0;
    let shift = 0;
    for (let at = 1 + name[0]; shift < 2 * PLACE_BITS && labelsFrom(name, at) >= LEAST_LABELS; at += 1 + name[at]) {
      const place = this.#place(this.#hash(name, at) || 1, now);
      if (place >= 0 && this.#isOver(place, free, now)) {
        this.limited = name.slice(at);
        if (!dryRun) return OVER_RATE;
      }
      if (place >= 0) ticket |= (place + 1) << shift;
      shift += PLACE_BITS;
    }
    for (let left = ticket; left > 0; left >>>= PLACE_BITS) {
      const place = (left & PLACE) - 1;
      if (place >= 0) this.#underWay[place]++;
    }
    return ticket;
  }

  leave(ticket: number, name: Uint8Array, isGood: boolean | undefined, now: number): void {
    for (let left = ticket; left > 0; left >>>= PLACE_BITS) {
      const place = (left & PLACE) - 1;
      if (place < 0) continue;
      this.#underWay[place]--;
      if (isGood === undefined) continue;
      const level = this.#levelAt(place, now);
      this.#levels[place] = isGood ? Math.max(0, level - 1) : level + 1;
      this.#times[place] = now;
    }
    if (isGood !== true || ticket === 0) return;
    const hash = this.#hash(name);
    this.#good[hash % GOOD] = hash;
  }

  #isGood(name: Uint8Array): boolean {
    const hash = this.#hash(name);
    return this.#good[hash % GOOD] === hash && hash !== 0;
  }

  #isOver(place: number, free: number, now: number): boolean {
    return this.#levelAt(place, now) >= this.#perSecond * BURST || this.#underWay[place] >= Math.max(UNDER_WAY, free);
  }

  #levelAt(place: number, now: number): number {
    return Math.max(0, this.#levels[place] - ((now - this.#times[place]) / 1000) * this.#perSecond);
  }

  /** That of a name above; -1: there is none to be had. */
  #place(hash: number, now: number): number {
    const first = (hash % (SLOTS / WAYS)) * WAYS;
    let emptiest = -1;
    let least = Infinity;
    for (let place = first; place < first + WAYS; place++) {
      if (this.#hashes[place] === hash) return place;
      if (this.#underWay[place] > 0) continue;
      const level = this.#hashes[place] === 0 ? -1 : this.#levelAt(place, now);
      if (level < least) [emptiest, least] = [place, level];
    }
    if (emptiest >= 0) {
      this.#hashes[emptiest] = hash;
      this.#levels[emptiest] = 0;
      this.#times[emptiest] = now;
    }
    return emptiest;
  }
}

/** Labels from there on, without the root's; as many as matter. */
function labelsFrom(name: Uint8Array, at: number): number {
  let labels = 0;
  for (; name[at] > 0 && labels < LEAST_LABELS; at += 1 + name[at]) labels++;
  return labels;
}
