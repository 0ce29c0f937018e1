// How many names of a zone may come to nothing, so that names made up below it (random-subdomain attacks) cost neither its
// servers nor others who ask: questions that would go upstream, by what such questions below the same names have come to.
//
// Whose zone a name is nobody knows before it is asked for, and of a forwarder's names nobody tells: each question counts at
// the two names above its own, from two labels on. Each of these has a bucket that runs out at the rate that is allowed:
// NXDOMAIN and failures fill it, by one each, answers empty it as much; so a zone of which as many names exist as do not is
// never slowed down. Of what fails below one name that fails often, the name above that gets HOT_SHARE alone: one zone that
// is attacked does not fill the bucket of the suffix (`co.uk`) that it shares with others. Where a bucket is full, or its
// questions under way are too many, a question is asked only
// - where its name was answered before, by this memory or by an expired answer in the cache: it counts for nothing. What the
//   cache answers never comes here;
// - from the zone's reserve, a second bucket as large, where its client, or the name above its own if there were answers
//   there, has had less than ALLOWANCE of its questions come to nothing in such a time, and the less of them the fuller the
//   reserve is. So clients that ask for names that exist are served on beside those that flood a zone or a suffix, while
//   these are fewer than BLAME_SECONDS times the rate (1500 by default); whoever has just begun to flood is found out after
//   his first few questions.
// So the servers of one zone get at most twice the rate; where the names are spread over others below it that are each
// as often attacked, at most 1 / HOT_SHARE + 1 times that.
//
// Bounds: SLOTS buckets, of which the emptiest makes room (one with questions under way never does: what finds no room is
// not counted); as many for clients; GOOD names that are remembered, by a hash under a secret key: about 0.9 MB in all,
// taken when rates are first wanted. UNDER_WAY questions of one name above, and more only while as much of the room is free.
import { clientOf } from '../base/client-shares.js';
import type { Clock } from '../base/clock.js';
import { type KeyedHash, keyedHash } from '../base/keyed-hash.js';
import { LeakyBuckets } from '../base/leaky-buckets.js';
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

const SLOTS = 16_384;
const GOOD = 65_536;
const UNDER_WAY = 64;
/** Seconds' worth that may come at once. */
const BURST = 2;
/** Of a bucket: from there on what is below its name fails often. */
const HOT = 1 / 16;
/** Of each failure, and of questions under way, for the name above. */
const HOT_SHARE = 1 / 8;
/** Questions of a client that may be under way or have come to nothing, in a zone whose bucket is full. */
const ALLOWANCE = 8;
/** After which one of these is forgotten. */
const BLAME_SECONDS = 30;
const TELL_EVERY_MS = 60_000;
/** Of a name above. */
const LEAST_LABELS = 2;

/** Of a question: the places of its names above, and of whom it is asked for, which it leaves again. 0: of none. */
export type ZoneTicket = number;
/** In its place: the question is not to be asked. */
export const OVER_RATE = -1;
const PLACE_BITS = 15;
const PLACE = (1 << PLACE_BITS) - 1;
const PLACES = 2 ** (2 * PLACE_BITS);
/** What tells the hash of a name's reserve, and of a name as the one that is blamed, from that of its bucket. */
const RESERVE = 0x5bd1e995;
const SUBTREE = 0x27d4eb2f;

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
   * @param client numeric address of who asks; undefined: nobody, or it is asked again with it where this says OVER_RATE
   * @returns what `leave` is told, or OVER_RATE
   */
  enter(name: Uint8Array, rate: ZoneRate, free: number, client?: string): ZoneTicket {
    if (rate.exempt.size > 0 && bySuffix(name, rate.exempt) !== undefined) return 0;
    const table = (this.#table ??= new Table(this.#random));
    return table.enter(name, rate, { free, client, nowMs: this.clock.nowMs() });
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

interface Entering {
  readonly free: number;
  readonly client: string | undefined;
  readonly nowMs: number;
}

class Table {
  /** Of names above, and their reserves. */
  readonly #zones = new LeakyBuckets(SLOTS);
  /** Of clients in a zone, and of names in the zone above. */
  readonly #blame = new LeakyBuckets(SLOTS);
  readonly #good = new Uint32Array(GOOD);
  readonly #hash: KeyedHash;
  #perSecond = 0;
  limited: Uint8Array | undefined;

  constructor(random: Random) {
    this.#hash = keyedHash(random);
  }

  enter(name: Uint8Array, { perSecond, dryRun }: ZoneRate, entering: Entering): ZoneTicket {
    this.#perSecond = perSecond;
    if (this.#isGood(this.#hash(name))) return 0;
    const { free, nowMs } = entering;
    let places = 0;
    let nearest = -1;
    /** Of the nearest name above; of the last whose bucket is full. */
    let nearestHash = 0;
    let fullHash = 0;
    let fullest = 0;
    for (let shift = 0, at = 1 + name[0]; shift < 2 * PLACE_BITS; shift += PLACE_BITS, at += 1 + name[at]) {
      if (labelsFrom(name, at) < LEAST_LABELS) break;
      const hash = this.#hash(name, at);
      let place = this.#zones.placeOf(hash, perSecond, nowMs);
      if (place >= 0 && this.#fillOf(place, Math.max(UNDER_WAY, free), nowMs) >= 1) {
        this.limited = name.slice(at);
        if (!dryRun) {
          place = this.#zones.placeOf(hash ^ RESERVE, perSecond, nowMs);
          fullest = Math.max(fullest, place < 0 ? 1 : this.#fillOf(place, UNDER_WAY, nowMs));
          if (fullest >= 1) return OVER_RATE;
          fullHash = hash;
        }
      }
      const isShared = shift > 0 && nearest >= 0 && this.#zones.heldAt(nearest) >= UNDER_WAY * HOT_SHARE;
      if (place >= 0 && !isShared) places |= (place + 1) << shift;
      if (shift === 0) [nearest, nearestHash] = [place, hash];
    }
    let blamed = 0;
    if (fullHash !== 0) {
      blamed = 1 + this.#answersFor(nearestHash, fullHash, fullest, entering);
      if (blamed === 0) return OVER_RATE;
    }
    for (let left = places; left > 0; left >>>= PLACE_BITS)
      if ((left & PLACE) > 0) this.#zones.hold((left & PLACE) - 1);
    return places + blamed * PLACES;
  }

  leave(ticket: ZoneTicket, name: Uint8Array, isGood: boolean | undefined, now: number): void {
    const blamed = Math.floor(ticket / PLACES) - 1;
    if (blamed >= 0 && isGood !== false) this.#blame.pour(blamed, -1, 1 / BLAME_SECONDS, now);
    const hot = this.#perSecond * BURST * HOT;
    let amount = isGood === true ? -1 : 1;
    for (let left = ticket % PLACES; left > 0; left >>>= PLACE_BITS) {
      const place = (left & PLACE) - 1;
      if (place < 0) continue;
      this.#zones.letGo(place);
      if (isGood === undefined) continue;
      const isHot = this.#zones.levelAt(place, this.#perSecond, now) >= Math.max(hot, 1);
      this.#zones.pour(place, amount, this.#perSecond, now);
      if (isGood === false && isHot) amount = HOT_SHARE;
    }
    if (isGood !== true || ticket === 0) return;
    this.#remember(this.#hash(name));
    // There is something at the name above, then (RFC 8020).
    const above = 1 + name[0];
    if (labelsFrom(name, above) >= LEAST_LABELS) this.#remember(this.#hash(name, above));
  }

  /** The place of whoever may still ask, and is blamed until the question has come to something; -1: nobody may. */
  #answersFor(nearest: number, full: number, fill: number, { client, nowMs }: Entering): number {
    const may = (hash: number): number => {
      const place = this.#blame.placeOf(hash >>> 0, 1 / BLAME_SECONDS, nowMs);
      const isBlamed = this.#blame.levelAt(place, 1 / BLAME_SECONDS, nowMs) >= ALLOWANCE * (1 - fill);
      if (isBlamed) return -1;
      this.#blame.pour(place, 1, 1 / BLAME_SECONDS, nowMs);
      return place;
    };
    const ofName = nearest !== full && this.#isGood(nearest) ? may(nearest ^ full ^ SUBTREE) : -1;
    if (ofName >= 0 || client === undefined) return ofName;
    return may(this.#hash(Buffer.from(clientOf(client), 'latin1')) ^ full);
  }

  #isGood(hash: number): boolean {
    return this.#good[hash % GOOD] === hash && hash !== 0;
  }
  #remember(hash: number): void {
    this.#good[hash % GOOD] = hash;
  }

  /** 1 and more: it is full. @param most questions that may be under way */
  #fillOf(place: number, most: number, now: number): number {
    const level = this.#zones.levelAt(place, this.#perSecond, now);
    return Math.max(level / (this.#perSecond * BURST), this.#zones.heldAt(place) / most);
  }
}

/** Labels from there on, without the root's; as many as matter. */
function labelsFrom(name: Uint8Array, at: number): number {
  let labels = 0;
  for (; name[at] > 0 && labels < LEAST_LABELS; at += 1 + name[at]) labels++;
  return labels;
}
