// A map that never holds more than `limit` entries: the one set longest ago goes first.

export class BoundedMap<K, V> {
  readonly #map = new Map<K, V>();
  constructor(readonly limit: number) {}
  get size(): number {
    return this.#map.size;
  }
  get(key: K): V | undefined {
    return this.#map.get(key);
  }
  set(key: K, value: V): void {
    this.#map.delete(key);
    if (this.#map.size >= this.limit) this.#map.delete(this.#map.keys().next().value as K);
    this.#map.set(key, value);
  }
  /** The key that goes next. */
  oldest(): K | undefined {
    return this.#map.keys().next().value;
  }
  values(): IterableIterator<V> {
    return this.#map.values();
  }
  delete(key: K): boolean {
    return this.#map.delete(key);
  }
  clear(): void {
    this.#map.clear();
  }
}
