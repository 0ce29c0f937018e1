// At random by weight, and the better of two such draws (Mitzenmacher, "The power of two choices in randomized load
// balancing", 2001).
import type { Random } from '../../base/random.js';
import type { Endpoint } from '../endpoint.js';
import { AliasTable } from './alias-table.js';
import type { Candidates, Picker } from './picker.js';

export class WeightedPicker implements Picker {
  readonly #table: AliasTable;
  readonly #endpoints: readonly Endpoint[];

  constructor({ endpoints, weights }: Candidates, random: Random) {
    this.#endpoints = endpoints;
    this.#table = new AliasTable(weights, random);
  }
  pick(): Endpoint {
    return this.#endpoints[this.#table.draw()];
  }
}

export class TwoChoicesPicker implements Picker {
  readonly #table: AliasTable;
  readonly #endpoints: readonly Endpoint[];
  readonly #weights: Float64Array;

  constructor({ endpoints, weights }: Candidates, random: Random) {
    this.#endpoints = endpoints;
    this.#weights = Float64Array.from(weights);
    this.#table = new AliasTable(weights, random);
  }
  pick(): Endpoint {
    const one = this.#table.draw();
    const other = this.#table.draw();
    const a = this.#endpoints[one];
    if (one === other) return a;
    const b = this.#endpoints[other];
    // (a + 1) / weight of a <= (b + 1) / weight of b
    return (a.inFlight + 1) * this.#weights[other] <= (b.inFlight + 1) * this.#weights[one] ? a : b;
  }
}
