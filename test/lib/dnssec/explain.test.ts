// What a chain of trust is explained by, also where its records are broken in any way.
import { expect, test } from 'vitest';
import { Budget } from '../../../lib/dnssec/budget.js';
import { explain, type ExplainedChain } from '../../../lib/dnssec/explain.js';
import type { Fetched, FetchRecords } from '../../../lib/dnssec/steps.js';
import { validate } from '../../../lib/dnssec/validator.js';
import { ZoneKeys } from '../../../lib/dnssec/zone-keys.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName, foldName, nameToText } from '../../../lib/wire/name.js';
import type { Rrset } from '../../../lib/wire/rrset.js';
import { NOW, SignedTree } from '../../support/signed-tree.js';

const tree = new SignedTree({
  'test.': {},
  'www.test.': { lines: ['www.test. 300 A 192.0.2.1'], denial: 'nsec3' },
  'plain.test.': { unsigned: true, lines: ['plain.test. 300 A 192.0.2.2'] },
});

const contextOf = (fetchRecords: FetchRecords) => ({
  now: NOW,
  budget: new Budget(),
  policy: {},
  anchors: tree.anchors,
  zones: new ZoneKeys(),
  fetchRecords,
});
const ask = (name: string, type: number) => ({ name: foldName(encodeName(name)), type });
const explained = (name: string, response: Fetched, fetch: FetchRecords = (a, b) => tree.fetch(a, b)) =>
  explain(ask(name, Type.A), response, contextOf(fetch));
const zonesOf = ({ zones }: ExplainedChain): string[] =>
  zones.map(({ zone, state }) => `${nameToText(zone)} ${state.status}`);

test('zones come from the anchor down, with what names their keys', async () => {
  const chain = await explained('www.test.', tree.answer(encodeName('www.test.'), Type.A));
  expect(zonesOf(chain)).toEqual(['test. secure', 'www.test. secure']);
  expect(chain.zones.map(one => one.isAnchor)).toEqual([true, false]);
  for (const { ds, keys, keySignatures } of chain.zones) {
    expect(ds).toHaveLength(1);
    expect(keys).toEqual([expect.objectContaining({ tag: ds[0].tag, isNamed: true, signsZone: true, isEntry: true })]);
    expect(keySignatures).toEqual([expect.objectContaining({ keyTag: ds[0].tag, fault: undefined })]);
  }
  expect(chain.validation.status).toBe('secure');
});

test('what was remembered of zones has no say', async () => {
  const context = contextOf((a, b) => tree.fetch(a, b));
  context.zones.set(ask('www.test.', 1).name, { status: 'bogus', reason: 'remembered' }, NOW, 60);
  const chain = await explain(ask('www.test.', Type.A), tree.answer(encodeName('www.test.'), Type.A), context);
  expect(chain.validation.status).toBe('secure');
});

test('more work than a question may cost is told from a zone that is broken', async () => {
  const context = { ...contextOf((a, b) => tree.fetch(a, b)), budget: new Budget({ units: 3 }) };
  const chain = await explain(ask('www.test.', Type.A), tree.answer(encodeName('www.test.'), Type.A), context);
  expect(chain).toMatchObject({ isSpent: true, validation: { status: 'bogus' } });
});

test('signatures of zones without keys at hand are told to be unchecked', async () => {
  const chain = await explained('www.test.', tree.answer(encodeName('www.test.'), Type.A), () => undefined);
  expect(chain.validation).toMatchObject({ status: 'indeterminate', unfetched: true });
  expect(chain.answer[0].signatures[0].fault).toBe('not checked, for want of its keys');
});

/** Deterministic: a broken zone is broken the same way each time. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return below => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}
function broken(rrset: Rrset, random: (below: number) => number): Rrset {
  const mutate = (data: Uint8Array): Uint8Array => {
    const copy = Uint8Array.from(data.subarray(0, random(4) === 0 ? random(data.length + 1) : data.length));
    if (copy.length > 0 && random(2) === 0) copy[random(copy.length)] = random(256);
    return copy;
  };
  const some = (list: readonly Uint8Array[]): Uint8Array[] => list.filter(() => random(8) > 0).map(mutate);
  return random(3) === 0 ? { ...rrset, data: some(rrset.data), signatures: some(rrset.signatures) } : rrset;
}

test('whatever is in the records, it ends with the verdict of a validation, and throws nothing', async () => {
  const verdicts = new Set<string>();
  for (let seed = 1; seed <= 400; seed++) {
    const name = ['www.test.', 'plain.test.', 'none.test.', 'none.www.test.'][seed % 4];
    const responseWith = (random: (below: number) => number, said: Fetched): Fetched => ({
      rcode: said.rcode,
      answer: said.answer.map(one => broken(one, random)),
      authority: said.authority.map(one => broken(one, random)),
    });
    const world = () => {
      const random = randomOf(seed);
      const response = responseWith(random, tree.answer(encodeName(name), Type.A));
      const known = new Map<string, Fetched>();
      const fetch: FetchRecords = (zone, type) => {
        const key = `${nameToText(zone)} ${type}`;
        if (!known.has(key)) known.set(key, responseWith(random, tree.fetch(zone, type)));
        return known.get(key)!;
      };
      return { response, fetch };
    };
    const [one, other] = [world(), world()];
    const chain = await explained(name, one.response, one.fetch);
    const { status } = await validate(ask(name, Type.A), other.response, contextOf(other.fetch));
    expect(chain.validation.status).toBe(status);
    verdicts.add(status);
  }
  expect([...verdicts].sort()).toEqual(['bogus', 'insecure', 'secure']);
});
