// What lists have decided, by their names: natively it is counted by their places, which change their lists.

export class ListHits {
  /** Of the places' lists of before. */
  readonly #totals = new Map<string, number>();
  #names: readonly string[] = [];
  /** What had been counted at each place when its list came there. */
  #from: readonly number[] = [];

  /** @param counts by the places of the lists, since ever */
  of(names: readonly string[], counts: ArrayLike<number>): Record<string, number> {
    if (names.length !== this.#names.length || names.some((name, i) => name !== this.#names[i])) {
      for (const [i, name] of this.#names.entries()) this.#totals.set(name, this.#total(name, i, counts));
      this.#names = [...names];
      this.#from = names.map((_, i) => counts[i]);
    }
    return Object.fromEntries(names.map((name, i) => [name, this.#total(name, i, counts)]));
  }

  #total(name: string, place: number, counts: ArrayLike<number>): number {
    return (this.#totals.get(name) ?? 0) + counts[place] - this.#from[place];
  }
}
