// Who is picked: exactly by weight, by load, in turn, by key, or always the same; and what one draw costs nobody.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Random } from '../../../lib/base/random.js';
import { Endpoint } from '../../../lib/discovery/endpoint.js';
import { AliasTable } from '../../../lib/discovery/policies/alias-table.js';
import { makePicker, type Policy, usableWeights } from '../../../lib/discovery/policies/policy.js';
import { repetitions } from '../../../lib/discovery/adapters/grpc.js';
import { NO_METADATA } from '../../../lib/discovery/records/metadata.js';

/** xorshift32: the same numbers in every run. */
function seeded(seed = 0x9e3779b9): Random {
  let x = seed;
  return {
    uint32: () => {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      return x >>> 0;
    },
  };
}
const endpoints = (weights: readonly number[]): Endpoint[] =>
  weights.map(
    (weight, i) =>
      new Endpoint(
        {
          id: `p${i}.example:80`,
          host: `p${i}.example`,
          port: 80,
          priority: 0,
          weight,
          addresses: [`10.0.0.${i & 255}`],
          metadata: NO_METADATA,
          alpn: [],
          instance: undefined,
          secure: false,
        },
        0,
        { ended: () => {} },
      ),
  );
function picker(policy: Policy, weights: readonly number[]) {
  const list = endpoints(weights);
  return {
    list,
    picker: makePicker(policy, { endpoints: list, weights: usableWeights(weights) }, seeded(), undefined),
  };
}
/** How often each is picked of so many, nothing in flight. */
function counts(policy: Policy, weights: readonly number[], picks: number, key?: (i: number) => string): number[] {
  const { list, picker: made } = picker(policy, weights);
  const at = new Map(list.map((one, i) => [one, i]));
  const found = weights.map(() => 0);
  for (let i = 0; i < picks; i++) found[at.get(made.pick(key?.(i)))!]++;
  return found;
}
/** Of k - 1 degrees of freedom, 5 standard deviations above its mean: once in millions by chance. */
function isByWeight(found: readonly number[], weights: readonly number[]): boolean {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const picks = found.reduce((total, count) => total + count, 0);
  const chiSquare = found.reduce((total, count, i) => {
    const expected = (picks * weights[i]) / sum;
    return expected === 0 ? total + (count === 0 ? 0 : Infinity) : total + (count - expected) ** 2 / expected;
  }, 0);
  const freedom = weights.filter(weight => weight > 0).length - 1;
  return chiSquare <= freedom + 5 * Math.sqrt(2 * freedom) + 5;
}

const PICKS = 1_000_000;
const WEIGHTS = [
  [1, 1],
  [10, 90],
  [0, 10],
  [65535, 1, 65535],
  [1, 2, 3, 4, 5, 6, 7],
  Array.from({ length: 100 }, (_, i) => i + 1),
];

describe('weighted', () => {
  test.each(WEIGHTS.map(weights => [weights]))('a million picks are by weight: %j', weights => {
    const found = counts('weighted', weights, PICKS);
    expect(isByWeight(found, weights)).toBe(true);
    const sum = weights.reduce((total, weight) => total + weight, 0);
    for (const [i, weight] of weights.entries()) {
      if (weight / sum > 0.2) expect(Math.abs(found[i] / PICKS / (weight / sum) - 1)).toBeLessThan(0.01);
    }
  });
  test('weights that are all 0 are alike', () => {
    expect(isByWeight(counts('weighted', [0, 0, 0], PICKS), [1, 1, 1])).toBe(true);
  });
  test('whatever the weights are, one of weight 0 is never drawn beside others', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(65535), { minLength: 1, maxLength: 200 }), fc.integer(), (weights, seed) => {
        if (weights.every(weight => weight === 0)) return;
        const table = new AliasTable(weights, seeded(seed | 1));
        for (let i = 0; i < 200; i++) expect(weights[table.draw()]).toBeGreaterThan(0);
      }),
    );
  });
});

describe('p2c', () => {
  test('a million picks with nothing in flight are by weight where these are alike', () => {
    expect(isByWeight(counts('p2c', [1, 1, 1, 1], PICKS), [1, 1, 1, 1])).toBe(true);
  });
  test('one with more in flight for its weight is picked less', () => {
    const { list, picker: made } = picker('p2c', [1, 1, 1]);
    list[0].inFlight = 50;
    let busy = 0;
    for (let i = 0; i < 10_000; i++) if (made.pick(undefined) === list[0]) busy++;
    expect(busy).toBeLessThan(1300); // both draws have to be it: 1 in 9
  });
});

describe('roundRobin', () => {
  test('in a turn each is picked by its weight exactly, and spread', () => {
    const found = counts('roundRobin', [5, 1, 1], 7);
    expect(found).toEqual([5, 1, 1]);
    const { list, picker: made } = picker('roundRobin', [5, 1, 1]);
    const turn = Array.from({ length: 7 }, () => list.indexOf(made.pick(undefined)));
    expect(turn.join('')).not.toMatch(/0000/);
  });
  test('a million picks are by weight', () => {
    const weights = [3, 2, 1, 7];
    const found = counts('roundRobin', weights, 1_000_000);
    for (const [i, weight] of weights.entries()) expect(Math.abs(found[i] - (PICKS * weight) / 13)).toBeLessThan(14);
  });
});

describe('hash', () => {
  const key = (i: number): string => `user:${i}`;
  test('keys are spread by weight', () => {
    expect(isByWeight(counts('hash', [1, 2, 3], 200_000, key), [1, 2, 3])).toBe(true);
  });
  test('a key stays with its endpoint, and one that leaves moves its own keys only', () => {
    const all = picker('hash', [1, 1, 1, 1, 1]);
    const less = endpoints([1, 1, 1, 1]);
    const after = makePicker('hash', { endpoints: less, weights: [1, 1, 1, 1] }, seeded(), undefined);
    for (let i = 0; i < 2000; i++) {
      const before = all.picker.pick(key(i));
      expect(all.picker.pick(key(i))).toBe(before);
      if (before.id !== 'p4.example:80') expect(after.pick(key(i)).id).toBe(before.id);
    }
  });
  test('one popular key is not one endpoint’s end: none has more than 1.25 times its share', () => {
    const { list, picker: made } = picker('hash', [1, 1, 1, 1]);
    for (let i = 0; i < 400; i++) made.pick('the same').inFlight++;
    for (const one of list) expect(one.inFlight).toBeLessThanOrEqual(Math.ceil(1.25 * 100));
  });
});

describe('first', () => {
  test('stays with one for as long as it is there', () => {
    const { list, picker: made } = picker('first', [1, 5, 3]);
    const [one] = new Set(Array.from({ length: 100 }, () => made.pick(undefined)));
    const others = { endpoints: [...list, ...endpoints([100])], weights: [1, 5, 3, 100] };
    expect(makePicker('first', others, seeded(7), made).pick(undefined)).toBe(one);
  });
  test('which one that is, is by weight', () => {
    const random = seeded(3);
    const list = endpoints([1, 3]);
    const found = [0, 0];
    for (let i = 0; i < 20_000; i++) {
      found[
        list.indexOf(makePicker('first', { endpoints: list, weights: [1, 3] }, random, undefined).pick(undefined))
      ]++;
    }
    expect(isByWeight(found, [1, 3])).toBe(true);
  });
});

test('for gRPC endpoints are repeated by weight, exactly where 32 are enough', () => {
  expect(repetitions([10, 20, 30])).toEqual([1, 2, 3]);
  expect(repetitions([0, 0])).toEqual([1, 1]);
  expect(repetitions([0, 5])).toEqual([0, 1]);
  expect(repetitions([1, 1000])).toEqual([1, 31]);
  expect(repetitions(Array.from({ length: 100 }, () => 7))).toEqual(Array.from({ length: 100 }, () => 1));
  for (const weights of [
    [65535, 1, 7],
    [33, 34, 35, 36],
  ]) {
    expect(repetitions(weights).reduce((a, b) => a + b)).toBeLessThanOrEqual(34);
  }
});
