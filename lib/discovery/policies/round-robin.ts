// Smooth weighted round robin, as nginx has it: each turn everybody gains its weight, and whoever has most is next and loses
// the sum. In as many turns as the sum of weights each is next by its weight exactly, as far apart as can be.
import type { Random } from '../../base/random.js';
import type { Endpoint } from '../endpoint.js';
import type { Candidates, Picker } from './picker.js';

export class RoundRobinPicker implements Picker {
  readonly #endpoints: readonly Endpoint[];
  readonly #weights: Float64Array;
  readonly #current: Float64Array;
  readonly #sum: number;

  constructor({ endpoints, weights }: Candidates, random: Random, before: RoundRobinPicker | undefined) {
    // Clients that all begin with the same endpoint would flood it at each roll-out.
    const order = endpoints.map((_, i) => [random.uint32(), i]).sort(([a], [b]) => a - b);
    this.#endpoints = order.map(([, i]) => endpoints[i]);
    this.#weights = Float64Array.from(order, ([, i]) => weights[i]);
    this.#sum = weights.reduce((total, weight) => total + weight, 0);
    const turns = before?.turns();
    this.#current = Float64Array.from(this.#endpoints, one => turns?.get(one) ?? 0);
  }

  /** How far everybody is in its turn. */
  turns(): Map<Endpoint, number> {
    return new Map(this.#endpoints.map((one, i) => [one, this.#current[i]]));
  }

  pick(): Endpoint {
    const current = this.#current;
    const weights = this.#weights;
    let best = 0;
    let most = -Infinity;
    for (let i = 0; i < current.length; i++) {
      const value = (current[i] += weights[i]);
      if (value > most) {
        most = value;
        best = i;
      }
    }
    current[best] -= this.#sum;
    return this.#endpoints[best];
  }
}
