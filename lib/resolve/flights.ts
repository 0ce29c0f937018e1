// Questions under way: one for each key, which all who ask the same wait for (RFC 5452 section 5).
//
// Bounds: `most` flights; one client (address, or /56 of IPv6) begins `share` of them, and more only while as much of
// `room` is left as it has: clients that ask for what is never answered leave others room to be answered (ClientShares).
// A flight of an alias waits for its target's: they never wait for each other in a circle.
import { type Chained, ChainedTable } from '../base/chained-table.js';
import { ClientShares } from '../base/client-shares.js';
import { type KeyedHash, keyedHash } from '../base/keyed-hash.js';
import { type Random, systemRandom } from '../base/random.js';
import { AnsweredBy } from '../native/binding.js';
import type { Query } from '../wire/query.js';
import type { Flyer, KnownAsker, UnderWay } from './asker.js';
import { flightKey, isSameQuestion } from './flight-key.js';
import type { Moved, Outcome, Resolution } from './outcome.js';

/** Who waits for what a question comes to; told once, with the flight that it comes from. Must not throw. */
export interface Told {
  told(found: Resolution | Moved, flight: Flight): void;
}

/** What a flight that is known comes to, or something in its place. */
export type OfFlight<T> = Promise<T> & { flight?: Flight };

/** Whoever has begun it. */
export interface FlightOwner {
  landed(flight: Flight, outcome: Outcome): void;
  crashed(flight: Flight, error: unknown): void;
}

/** Also the asker of its question, as the steps of the chain see it: a flight is all that a miss is made of here. */
export class Flight implements Flyer, UnderWay, Chained<Flight> {
  next: Flight | undefined;
  waitsFor: UnderWay | undefined;
  /** What it finds was asked of those who are believed no more: it is told to those who wait, and not kept. */
  outdated = false;
  /** Local data and the hook have let it go to the recursor: what that has may be shown. */
  recursive = false;
  sharedSinceMs: number | undefined;
  zone = 0;
  answeredBy: number = AnsweredBy.local;
  answeredFrom: string | undefined = undefined;
  /** Called when it has landed. */
  late: { cancel(): void } | undefined;
  /** Nearly always one, which costs no list. */
  #waiting: Told | undefined;
  #others: Told[] | undefined;
  #found: Resolution | Moved | undefined;

  constructor(
    readonly owner: FlightOwner,
    readonly hash: number,
    readonly query: Query,
    readonly asker: KnownAsker,
    readonly forwardClientSubnet: boolean,
    /** Whose share it counts to. */
    readonly sharer: string | undefined,
    /** To be served when nothing better is found. */
    public stale: Resolution | undefined,
    /** Of the clock. */
    readonly beganMs: number,
  ) {}

  get flight(): this {
    return this;
  }
  get isKnown(): boolean {
    return this.stale !== undefined;
  }
  get protocol(): Flyer['protocol'] {
    return this.asker.protocol;
  }
  get client(): Flyer['client'] {
    return this.asker.client;
  }
  get tenant(): number {
    return this.asker.tenant;
  }
  get fresh(): boolean | undefined {
    return this.asker.fresh;
  }
  get decided(): Flyer['decided'] {
    return this.asker.decided;
  }
  get depth(): number | undefined {
    return this.asker.depth;
  }
  get parent(): UnderWay | undefined {
    return this.asker.parent;
  }
  get key(): string {
    return flightKey(this.query, this.tenant, this.forwardClientSubnet);
  }

  /** What all who wait get; may come before the flight ends, where a stale answer is given in the meantime. */
  get promise(): Promise<Resolution | Moved> {
    return new Promise(resolve => this.wait({ told: resolve }));
  }
  /** Tells `one`, now if it is known already. */
  wait(one: Told): void {
    if (this.#found !== undefined) one.told(this.#found, this);
    else if (this.#waiting === undefined) this.#waiting = one;
    else (this.#others ??= []).push(one);
  }
  /** Tells all who wait; only the first thing that it is told counts. */
  resolve(found: Resolution | Moved): void {
    if (this.#found !== undefined) return;
    this.#found = found;
    const waiting = this.#waiting;
    const others = this.#others;
    this.#waiting = this.#others = undefined;
    waiting?.told(found, this);
    if (others !== undefined) for (const one of others) one.told(found, this);
  }

  /** What its steps come to; told once. */
  landed(outcome: Outcome): void {
    this.owner.landed(this, outcome);
  }
  crashed(error: unknown): void {
    this.owner.crashed(this, error);
  }

  /** Whether this one is `other` or waits for it: then `other` must not wait for this one. */
  dependsOn(other: UnderWay): boolean {
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    for (let one: UnderWay | undefined = this; one !== undefined; one = one.waitsFor) if (one === other) return true;
    return false;
  }
}

/** What a question has come to, or the flight that it waits for. */
export type Found = Resolution | Moved | Flight | OfFlight<Resolution | Moved>;

export function awaited(found: Found): Promise<Resolution | Moved> {
  return found instanceof Flight ? found.promise : Promise.resolve(found);
}

export interface FlightLimits {
  most: number;
  /** What those can have under way together whose questions are asked at once: of more, some wait for their turn. */
  room: number;
  /** What one client may begin in any case. */
  share: number;
}

export class Flights {
  readonly #table = new ChainedTable<Flight>();
  readonly #shares = new ClientShares(0);
  readonly #hash: KeyedHash;
  /** Odd, and secret as the hash's key is: types and classes are for clients to choose too. */
  readonly #mix: number;
  /** Those that others join no more count too. */
  #underWay = 0;

  constructor(random: Random = systemRandom) {
    this.#hash = keyedHash(random);
    this.#mix = random.uint32() | 1;
  }

  get size(): number {
    return this.#underWay;
  }

  /** The hash of a flight's question. */
  hashOf(query: Query, tenant: number): number {
    const rest = Math.imul(query.type ^ (query.dnsClass << 16) ^ Math.imul(tenant, 0x9e37_79b1), this.#mix);
    return (this.#hash(query.name) ^ rest ^ (rest >>> 15)) >>> 0;
  }
  find(hash: number, query: Query, tenant: number, forwardClientSubnet: boolean): Flight | undefined {
    for (let one = this.#table.first(hash); one !== undefined; one = one.next) {
      if (one.hash !== hash || one.tenant !== tenant || one.forwardClientSubnet !== forwardClientSubnet) continue;
      if (isSameQuestion(one.query, query, forwardClientSubnet)) return one;
    }
    return undefined;
  }

  hasHash(hash: number): boolean {
    for (let one = this.#table.first(hash); one !== undefined; one = one.next) if (one.hash === hash) return true;
    return false;
  }

  /** Takes room for one; `release` gives it back. @returns what is used up, if anything is */
  take(client: string | undefined, { most, room, share }: FlightLimits): 'all' | 'share' | undefined {
    if (this.#underWay >= most) return 'all';
    this.#shares.share = share;
    if (client !== undefined && !this.#shares.take(client, room - this.#underWay)) return 'share';
    this.#underWay++;
    return undefined;
  }
  release(client: string | undefined): void {
    this.#underWay--;
    if (client !== undefined) this.#shares.release(client);
  }

  /** Who asks the same from now on waits for this one, for which room has been taken. */
  begin(flight: Flight): void {
    this.#table.add(flight);
  }
  end(flight: Flight): void {
    this.#table.delete(flight);
    this.release(flight.sharer);
  }

  /** What these find is not kept, and nobody else waits for them. */
  outdate(concerned: (flight: Flight) => boolean): void {
    for (const flight of this.#table.all()) {
      if (!concerned(flight)) continue;
      flight.outdated = true;
      this.#table.delete(flight);
    }
  }
}
