// The keys that come most often, of any number of keys, in fixed room: Space-Saving (Metwally, Agrawal, El Abbadi:
// "Efficient computation of frequent and top-k elements in data streams", ICDT 2005). A key that has no slot takes the one
// with the least count, and that count with it, as its error.
//
// What holds of N occurrences in k slots: no count is too small, and none is too great by more than its error, which is at
// most N / k; so every key with more than N / k occurrences has a slot.
//
// Bound: `slots` keys; O(log slots) an occurrence, by a heap whose root has the least count.

export interface Counted<Key> {
  readonly key: Key;
  readonly count: number;
  /** By how much it may be too great. */
  readonly error: number;
}

interface Slot<Key> {
  key: Key;
  count: number;
  error: number;
  /** Its place in the heap. */
  at: number;
}

export class SpaceSaving<Key> {
  readonly #heap: Slot<Key>[] = [];
  readonly #byKey = new Map<Key, Slot<Key>>();
  #total = 0;

  constructor(private readonly slots: number) {}

  /** Of all keys. */
  get total(): number {
    return this.#total;
  }
  get size(): number {
    return this.#heap.length;
  }

  /** @param times a whole number from 1 on */
  add(key: Key, times = 1): void {
    this.#total += times;
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      known.count += times;
      this.#sink(known);
      return;
    }
    if (this.#heap.length < this.slots) {
      const slot = { key, count: times, error: 0, at: this.#heap.length };
      this.#heap.push(slot);
      this.#byKey.set(key, slot);
      this.#rise(slot);
      return;
    }
    const [least] = this.#heap;
    this.#byKey.delete(least.key);
    least.key = key;
    least.error = least.count;
    least.count += times;
    this.#byKey.set(key, least);
    this.#sink(least);
  }

  /** The greatest first; of equals those that are surer. */
  top(most: number): Counted<Key>[] {
    return [...this.#heap]
      .sort((a, b) => b.count - a.count || a.error - b.error)
      .slice(0, most)
      .map(({ key, count, error }) => ({ key, count, error }));
  }

  #sink(slot: Slot<Key>): void {
    const heap = this.#heap;
    for (;;) {
      const left = 2 * slot.at + 1;
      if (left >= heap.length) return;
      const right = left + 1;
      const child = heap[right < heap.length && heap[right].count < heap[left].count ? right : left];
      if (child.count >= slot.count) return;
      this.#swap(slot, child);
    }
  }
  #rise(slot: Slot<Key>): void {
    while (slot.at > 0) {
      const parent = this.#heap[(slot.at - 1) >> 1];
      if (parent.count <= slot.count) return;
      this.#swap(slot, parent);
    }
  }
  #swap(a: Slot<Key>, b: Slot<Key>): void {
    [a.at, b.at] = [b.at, a.at];
    this.#heap[a.at] = a;
    this.#heap[b.at] = b;
  }
}
