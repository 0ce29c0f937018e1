// Things that wait for their turn, each in a line of a client: clients take turns, in each the lines do, and the things of
// one line go in the order in which they came (fair queueing, RFC 970). So a client waits for as many others as there are,
// however much each of them has; and what of a client cannot go now keeps its own line, and none of its others.
//
// Bounds: `most` things; of one client as many as ClientShares leaves it. What is nobody's counts as one client's in turns
// and has no share of its own: whoever puts it here bounds it.
import { clientOf, ClientShares, DEFAULT_CLIENT_SHARE, shareOf } from './client-shares.js';

interface Place {
  readonly client: string;
  readonly line: string;
}

/**
 * What comes of an offer. `taken`: it has left; `not it`: its line has to wait; `not its client`: all lines of its client
 * have to, and others may not; `none`: nobody has a turn.
 */
export type Offered = 'taken' | 'not it' | 'not its client' | 'none';

export class FairQueue<T> {
  /** By client, then by line, in the order of their turns; none is empty. */
  readonly #clients = new Map<string, Map<string, Set<T>>>();
  readonly #places = new Map<T, Place>();
  readonly #shares: ClientShares;

  constructor(private readonly most: number) {
    this.#shares = new ClientShares(shareOf(most, DEFAULT_CLIENT_SHARE));
  }

  get size(): number {
    return this.#places.size;
  }
  has(one: T): boolean {
    return this.#places.has(one);
  }

  /**
   * @param address of its client; undefined: it is nobody's
   * @param line in which it waits, of those of its client
   * @returns false where there is no room for it
   */
  add(one: T, address: string | undefined, line = ''): boolean {
    const free = this.most - this.size;
    if (free <= 0 || (address !== undefined && !this.#shares.take(address, free))) return false;
    const client = address === undefined ? '' : clientOf(address);
    let lines = this.#clients.get(client);
    if (lines === undefined) this.#clients.set(client, (lines = new Map<string, Set<T>>()));
    const its = lines.get(line);
    if (its === undefined) lines.set(line, new Set([one]));
    else its.add(one);
    this.#places.set(one, { client, line });
    return true;
  }

  delete(one: T): boolean {
    const place = this.#places.get(one);
    if (place === undefined) return false;
    const { client, line } = place;
    this.#places.delete(one);
    if (client !== '') this.#shares.release(client);
    const lines = this.#clients.get(client)!;
    const its = lines.get(line)!;
    its.delete(one);
    if (its.size === 0) lines.delete(line);
    if (lines.size === 0) this.#clients.delete(client);
    return true;
  }

  /** Offers the first of a line of each client, in their turns, again and again until nobody takes any more. */
  serve(take: (one: T) => Offered): void {
    for (let turns = this.#clients.size; turns > 0; turns--) {
      const [client, lines] = this.#clients.entries().next().value!;
      const taken = this.#serveOne(lines, take);
      if (taken === 'none') return;
      // To the end, unless it has nothing more.
      if (this.#clients.delete(client)) this.#clients.set(client, lines);
      if (taken === 'taken') turns = this.#clients.size + 1;
    }
  }

  /** The first of the lines that one is taken of. */
  #serveOne(lines: Map<string, Set<T>>, take: (one: T) => Offered): Offered {
    for (let turns = lines.size; turns > 0; turns--) {
      const [line, its] = lines.entries().next().value!;
      const [one] = its;
      const taken = take(one);
      if (taken === 'none' || taken === 'not its client') return taken;
      if (taken === 'taken') this.delete(one);
      if (lines.delete(line)) lines.set(line, its);
      if (taken === 'taken') return taken;
    }
    return 'not it';
  }
}
