// By a key: rendezvous hashing with weights (Thaler and Ravishankar 1998), so that of n endpoints one that comes or goes moves
// a share of 1/n of the keys; with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2018), so that one popular key is not
// one endpoint's end. Every client that knows the same endpoints chooses the same one: nothing in it is random.
import type { Random } from '../../base/random.js';
import { below } from '../../base/random.js';
import type { Endpoint } from '../endpoint.js';
import type { Candidates, Picker } from './picker.js';
import { mix, score, textHash } from './rendezvous.js';

/** No endpoint has more than this many times its share of the requests in flight. */
const LOAD_BOUND = 1.25;

export class HashPicker implements Picker {
  readonly #endpoints: readonly Endpoint[];
  readonly #weights: Float64Array;
  readonly #seeds: Uint32Array;
  readonly #sum: number;
  /** Then the highest hash has the highest score: no logarithm for each. */
  readonly #isEven: boolean;

  constructor(
    { endpoints, weights }: Candidates,
    private readonly random: Random,
  ) {
    this.#endpoints = endpoints;
    this.#weights = Float64Array.from(weights);
    this.#seeds = Uint32Array.from(endpoints, one => one.seed);
    this.#sum = weights.reduce((total, weight) => total + weight, 0);
    this.#isEven = weights.every(weight => weight === weights[0]);
  }

  /** Without a key: any of them. */
  pick(key: string | undefined): Endpoint {
    const endpoints = this.#endpoints;
    const weights = this.#weights;
    const hash = key === undefined ? this.random.uint32() : textHash(key);
    let inFlight = 1;
    for (let i = 0; i < endpoints.length; i++) inFlight += endpoints[i].inFlight;
    const bound = (LOAD_BOUND * inFlight) / this.#sum;
    let best = -1;
    let highest = -1;
    for (let i = 0; i < endpoints.length; i++) {
      // One request in flight is always allowed: of few requests everybody's share is less than one.
      if (endpoints[i].inFlight > 0 && endpoints[i].inFlight + 1 > bound * weights[i]) continue;
      const mixed = mix(hash, this.#seeds[i]);
      const value = this.#isEven ? mixed : score(mixed, weights[i]);
      if (value > highest) {
        highest = value;
        best = i;
      }
    }
    return endpoints[best < 0 ? below(this.random, endpoints.length) : best];
  }
}
