// A hash table of entries that come and go with every query. Each carries its hash and its link, so that keeping it makes
// no garbage, and nothing that has left is reachable from the table. Of a Map both are false: its table is copied each
// time that as many have come as it has room for, and an outgrown one that V8 has moved to its old generation keeps what
// was in it, and all that leads to, until the next full collection (1 KB a miss, which is copied twice until then).
//
// Bound: none of its own; twice the places of the most entries that it ever had at once. Hashes are for those who put
// entries here to make unpredictable, where others choose the keys.

export interface Chained<T> {
  readonly hash: number;
  /** The table's. */
  next: T | undefined;
}

const FIRST_PLACES = 64;

export class ChainedTable<T extends Chained<T>> {
  /** Its length is a power of two. */
  #places = new Array<T | undefined>(FIRST_PLACES).fill(undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The first of those in the place of this hash; the others follow as `next`. Some have other hashes. */
  first(hash: number): T | undefined {
    return this.#places[hash & (this.#places.length - 1)];
  }

  /** @param entry one that is in no table */
  add(entry: T): void {
    if (this.#size >= this.#places.length) this.#grow();
    this.#size++;
    const place = entry.hash & (this.#places.length - 1);
    entry.next = this.#places[place];
    this.#places[place] = entry;
  }

  /** @returns whether it was here */
  delete(entry: T): boolean {
    const place = entry.hash & (this.#places.length - 1);
    let before: T | undefined;
    for (let one = this.#places[place]; one !== undefined; one = one.next) {
      if (one === entry) {
        if (before === undefined) this.#places[place] = entry.next;
        else before.next = entry.next;
        entry.next = undefined;
        this.#size--;
        return true;
      }
      before = one;
    }
    return false;
  }

  /** A copy, in no order. */
  all(): T[] {
    const entries: T[] = [];
    for (let one of this.#places) for (; one !== undefined; one = one.next) entries.push(one);
    return entries;
  }

  #grow(): void {
    const entries = this.all();
    const places = 2 * this.#places.length;
    this.#places.fill(undefined);
    this.#places = new Array<T | undefined>(places).fill(undefined);
    this.#size = 0;
    for (const entry of entries) this.add(entry);
  }
}
