// One endpoint for everything, as for a database's primary: the first in an order drawn once by weight. It stays the one for
// as long as it can be used, whoever comes.
import type { Random } from '../../base/random.js';
import type { Endpoint } from '../endpoint.js';
import type { Candidates, Picker } from './picker.js';
import { score } from './rendezvous.js';

export class FirstPicker implements Picker {
  readonly endpoint: Endpoint;

  constructor({ endpoints, weights }: Candidates, random: Random, before: FirstPicker | undefined) {
    const kept = before !== undefined && endpoints.includes(before.endpoint) ? before.endpoint : undefined;
    this.endpoint = kept ?? drawn(endpoints, weights, random);
  }
  pick(): Endpoint {
    return this.endpoint;
  }
}

function drawn(endpoints: readonly Endpoint[], weights: readonly number[], random: Random): Endpoint {
  let best = endpoints[0];
  let highest = -1;
  for (const [i, one] of endpoints.entries()) {
    const value = score(random.uint32(), weights[i]);
    if (value > highest) {
      highest = value;
      best = one;
    }
  }
  return best;
}
