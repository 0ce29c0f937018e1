// Draws one of n things by their weights in constant time: the alias method (Walker 1977, built as in Vose 1991). Each slot
// has one thing of its own and at most one other; one random number chooses the slot and, by what is left of it, which.
import type { Random } from '../../base/random.js';

const TWO_32 = 0x1_0000_0000;

export class AliasTable {
  readonly #size: number;
  /** Below it the slot's own thing is drawn; of 1. */
  readonly #share: Float64Array;
  readonly #other: Uint32Array;

  /**
   * @param weights not negative, their sum not 0: all 32 bits of a sum of 16-bit weights count
   * @param random 32 bits a draw, of which 10 choose among 1,024 things and 22 by their weights
   */
  constructor(
    weights: readonly number[],
    private readonly random: Random,
  ) {
    const size = weights.length;
    const sum = weights.reduce((total, weight) => total + weight, 0);
    this.#size = size;
    this.#share = new Float64Array(size).fill(1);
    this.#other = Uint32Array.from({ length: size }, (_, i) => i);
    const left = Float64Array.from(weights, weight => (weight * size) / sum);
    const small: number[] = [];
    const large: number[] = [];
    for (let i = 0; i < size; i++) (left[i] < 1 ? small : large).push(i);
    while (small.length > 0 && large.length > 0) {
      const low = small.pop()!;
      const high = large[large.length - 1];
      this.#share[low] = left[low];
      this.#other[low] = high;
      left[high] -= 1 - left[low];
      if (left[high] < 1) small.push(large.pop()!);
    }
    // Rounding may leave a slot that has no other; one of weight 0 must never be drawn all the same.
    const greatest = weights.indexOf(Math.max(...weights));
    for (const i of small) {
      if (weights[i] !== 0) continue;
      this.#share[i] = 0;
      this.#other[i] = greatest;
    }
  }

  /** @returns an index, each by its weight */
  draw(): number {
    const at = (this.random.uint32() * this.#size) / TWO_32;
    const slot = at >>> 0;
    return at - slot < this.#share[slot] ? slot : this.#other[slot];
  }
}
