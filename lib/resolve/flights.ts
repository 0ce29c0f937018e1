// Questions under way: one for each key, which all who ask the same wait for (RFC 5452 section 5).
//
// Bounds: `most` flights; one client (address, or /56 of IPv6) begins `share` of them, and more only while as much of
// `room` is left as it has: clients that ask for what is never answered leave others room to be answered (ClientShares).
// A flight of an alias waits for its target's: they never wait for each other in a circle.
import { ClientShares } from '../base/client-shares.js';
import type { Moved, Resolution } from './outcome.js';

export class Flight {
  /** What all who wait get; may come before the flight ends, where a stale answer is given in the meantime. */
  readonly promise: Promise<Resolution | Moved>;
  resolve!: (value: Resolution | Moved) => void;
  /** The flight of the alias's target that this one waits for. */
  waitsFor: Flight | undefined;
  /** What it finds was asked of those who are believed no more: it is told to those who wait, and not kept. */
  outdated = false;
  /** Local data and the hook have let it go to the recursor: what that has may be shown. */
  recursive = false;

  constructor(
    readonly key: string,
    /** Folded. */
    readonly name: Uint8Array,
    readonly tenant: number,
    /** Whose share it counts to. */
    readonly client: string | undefined,
  ) {
    this.promise = new Promise(resolve => {
      this.resolve = resolve;
    });
  }

  /** Whether this one is `other` or waits for it: then `other` must not wait for this one. */
  dependsOn(other: Flight): boolean {
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    for (let one: Flight | undefined = this; one !== undefined; one = one.waitsFor) if (one === other) return true;
    return false;
  }
}

export interface FlightLimits {
  most: number;
  /** What those can have under way together whose questions are asked at once: of more, some wait for their turn. */
  room: number;
  /** What one client may begin in any case. */
  share: number;
}

export class Flights {
  readonly #byKey = new Map<string, Flight>();
  readonly #shares = new ClientShares(0);
  /** Those that others join no more count too. */
  #underWay = 0;

  get size(): number {
    return this.#underWay;
  }

  get(key: string): Flight | undefined {
    return this.#byKey.get(key);
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
    this.#byKey.set(flight.key, flight);
  }
  end(flight: Flight): void {
    if (this.#byKey.get(flight.key) === flight) this.#byKey.delete(flight.key);
    this.release(flight.client);
  }

  /** What these find is not kept, and nobody else waits for them. */
  outdate(concerned: (flight: Flight) => boolean): void {
    for (const [key, flight] of this.#byKey) {
      if (!concerned(flight)) continue;
      flight.outdated = true;
      this.#byKey.delete(key);
    }
  }
}
