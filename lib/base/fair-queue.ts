// Things that wait for their turn, each of a client: clients take turns, and the things of one go in the order in which they
// came (fair queueing, RFC 970). So a client waits for as many others as there are, however much each of them has.
//
// Bounds: `most` things; of one client as many as ClientShares leaves it. What is nobody's counts as one client's in turns
// and has no share of its own: whoever puts it here bounds it.
import { clientOf, ClientShares, DEFAULT_CLIENT_SHARE, shareOf } from './client-shares.js';

export class FairQueue<T> {
  /** By client, in the order of their turns; none is empty. */
  readonly #lines = new Map<string, Set<T>>();
  readonly #clients = new Map<T, string>();
  readonly #shares: ClientShares;

  constructor(private readonly most: number) {
    this.#shares = new ClientShares(shareOf(most, DEFAULT_CLIENT_SHARE));
  }

  get size(): number {
    return this.#clients.size;
  }
  has(one: T): boolean {
    return this.#clients.has(one);
  }

  /**
   * @param address of its client; undefined: it is nobody's
   * @returns false where there is no room for it
   */
  add(one: T, address: string | undefined): boolean {
    const free = this.most - this.size;
    if (free <= 0 || (address !== undefined && !this.#shares.take(address, free))) return false;
    const client = address === undefined ? '' : clientOf(address);
    const line = this.#lines.get(client);
    if (line === undefined) this.#lines.set(client, new Set([one]));
    else line.add(one);
    this.#clients.set(one, client);
    return true;
  }

  delete(one: T): boolean {
    const client = this.#clients.get(one);
    if (client === undefined) return false;
    this.#clients.delete(one);
    if (client !== '') this.#shares.release(client);
    const line = this.#lines.get(client)!;
    line.delete(one);
    if (line.size === 0) this.#lines.delete(client);
    return true;
  }

  /**
   * Offers the first of each client, in their turns, again and again until nobody takes any more.
   * @param take `taken`: it has left; `not it`: its client has to wait, and others may not have to; `none`: nobody has a turn
   */
  serve(take: (one: T) => 'taken' | 'not it' | 'none'): void {
    for (let turns = this.#lines.size; turns > 0; turns--) {
      const [client, line] = this.#lines.entries().next().value!;
      const [one] = line;
      const taken = take(one);
      if (taken === 'none') return;
      if (taken === 'taken') this.delete(one);
      // To the end, unless it has nothing more.
      if (this.#lines.delete(client)) this.#lines.set(client, line);
      if (taken === 'taken') turns = this.#lines.size + 1;
    }
  }
}
