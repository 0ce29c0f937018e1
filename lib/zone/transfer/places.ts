// How many transfers are under way at a time: of all, and of one peer. Who finds no place waits for one, in order; a peer
// that has its places full does not keep others waiting.
//
// Bounds: `most` and `ofPeer`; those that wait are as many as there are zones, each once.

interface Waiting {
  readonly peer: string;
  readonly begin: () => void;
}

export class TransferPlaces {
  #underWay = 0;
  readonly #ofPeers = new Map<string, number>();
  #waiting: Waiting[] = [];

  constructor(
    private readonly most: number,
    private readonly ofPeer: number,
  ) {}

  get underWay(): number {
    return this.#underWay;
  }
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether there is a place at once; it is taken then. */
  take(peer: string): boolean {
    if (this.#underWay >= this.most || (this.#ofPeers.get(peer) ?? 0) >= this.ofPeer) return false;
    this.#underWay++;
    this.#ofPeers.set(peer, (this.#ofPeers.get(peer) ?? 0) + 1);
    return true;
  }

  release(peer: string): void {
    this.#underWay--;
    const left = this.#ofPeers.get(peer)! - 1;
    if (left > 0) this.#ofPeers.set(peer, left);
    else this.#ofPeers.delete(peer);
    // Whoever waits longest of those that may begin.
    const next = this.#waiting.findIndex(one => this.take(one.peer));
    if (next >= 0) this.#waiting.splice(next, 1)[0].begin();
  }

  /** Runs it when there is a place, which it has until it is settled. */
  async run<T>(peer: string, work: () => Promise<T>): Promise<T> {
    if (!this.take(peer)) await new Promise<void>(begin => this.#waiting.push({ peer, begin }));
    try {
      return await work();
    } finally {
      this.release(peer);
    }
  }
}
