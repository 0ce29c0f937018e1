// Unpredictable numbers from the system, drawn in blocks: one call to the kernel serves a thousand queries.

export interface Random {
  /** 32 uniform bits that nobody outside can predict. */
  uint32(): number;
}

/** Loaded when it is first needed: Node takes as long for it as for a third of this library. */
const crypto = (): typeof import('node:crypto') => process.getBuiltinModule('node:crypto');

class SystemRandom implements Random {
  readonly #block = new Uint32Array(1024);
  #at = this.#block.length;
  uint32(): number {
    if (this.#at === this.#block.length) {
      crypto().randomFillSync(this.#block);
      this.#at = 0;
    }
    return this.#block[this.#at++];
  }
}

export const systemRandom: Random = new SystemRandom();

/** A uniform integer in [0, n), n at most 2^21 (bias under 2^-11). */
export function below(random: Random, n: number): number {
  return Math.floor((random.uint32() / 0x1_0000_0000) * n);
}
