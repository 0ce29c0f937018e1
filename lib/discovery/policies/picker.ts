// What a policy is: given the endpoints that may be used, and nothing else, it says which is next. Made anew at each change.
import type { Endpoint } from '../endpoint.js';

export interface Picker {
  /** @param key whose requests are to stay with one endpoint, for the policies that look at it */
  pick(key: string | undefined): Endpoint;
}

export interface Candidates {
  /** At least one; of one priority. */
  readonly endpoints: readonly Endpoint[];
  /** What DNS says of them, or less while they are new; at least one of them not 0. */
  readonly weights: readonly number[];
}
