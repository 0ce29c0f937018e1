// The policies by their names.
import type { Random } from '../../base/random.js';
import { FirstPicker } from './first.js';
import { HashPicker } from './hash.js';
import type { Candidates, Picker } from './picker.js';
import { RoundRobinPicker } from './round-robin.js';
import { TwoChoicesPicker, WeightedPicker } from './weighted.js';

/**
 * - `weighted`: at random, by weight (RFC 2782)
 * - `p2c`: of two drawn by weight the one with fewer requests in flight for its weight
 * - `roundRobin`: in turn, by weight, each turn spread evenly
 * - `hash`: by a key: the same endpoint as long as it is there and not overloaded
 * - `first`: one endpoint for everything, another only when it cannot be used
 */
export type Policy = 'weighted' | 'p2c' | 'roundRobin' | 'hash' | 'first';
export const POLICIES: readonly Policy[] = ['weighted', 'p2c', 'roundRobin', 'hash', 'first'];

/** RFC 2782: one with weight 0 is used when no other is left; among themselves they are alike. */
export const usableWeights = (weights: readonly number[]): number[] =>
  weights.some(weight => weight > 0) ? [...weights] : weights.map(() => 1);

/** @param before the one in whose place it is: what is sticky, or in the middle of a turn, goes on from there */
export function makePicker(policy: Policy, candidates: Candidates, random: Random, before: Picker | undefined): Picker {
  switch (policy) {
    case 'weighted':
      return new WeightedPicker(candidates, random);
    case 'p2c':
      return new TwoChoicesPicker(candidates, random);
    case 'roundRobin':
      return new RoundRobinPicker(candidates, random, before instanceof RoundRobinPicker ? before : undefined);
    case 'hash':
      return new HashPicker(candidates, random);
    case 'first':
      return new FirstPicker(candidates, random, before instanceof FirstPicker ? before : undefined);
  }
}
