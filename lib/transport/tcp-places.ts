// How many connections there may be to all servers together: as many servers are asked over TCP as zones name, and each
// connection is kept for a while, or waits for one that never answers.
//
// Bound: `most` connections; who opens one more takes the place of the one that has been silent longest.

export interface PlaceHolder {
  /** Its place is another's now. */
  displaced(): void;
}

export class TcpPlaces {
  /** Silent longest first. */
  readonly #held = new Set<PlaceHolder>();

  constructor(private readonly most: number) {}

  get size(): number {
    return this.#held.size;
  }

  take(holder: PlaceHolder): void {
    if (this.#held.size >= this.most) {
      const [silent] = this.#held;
      this.#held.delete(silent);
      silent.displaced();
    }
    this.#held.add(holder);
  }

  /** Something has come over it. */
  heard(holder: PlaceHolder): void {
    if (this.#held.delete(holder)) this.#held.add(holder);
  }

  leave(holder: PlaceHolder): void {
    this.#held.delete(holder);
  }
}
