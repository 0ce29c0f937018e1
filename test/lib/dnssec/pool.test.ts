// Signatures checked in libuv's pool: the same verdicts, a bounded number at a time.
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Validation } from '../../../lib/dnssec/validator.js';
import { makeKey, type SigningAlgorithm } from '../../support/signed-zone.js';
import { SignedTree } from '../../support/signed-tree.js';

const pool = vi.hoisted(() => ({ begun: 0, now: 0, most: 0, fails: false }));
vi.mock(import('node:crypto'), async importOriginal => {
  const crypto = await importOriginal();
  type Callback = (error: Error | null, good: boolean) => void;
  const verify = (...args: unknown[]): unknown => {
    const real = crypto.verify as unknown as (...all: unknown[]) => unknown;
    const last = args[4] as Callback | undefined;
    if (last === undefined) return real(...args);
    pool.begun++;
    pool.now++;
    pool.most = Math.max(pool.most, pool.now);
    const done: Callback = (error, good) => {
      pool.now--;
      last(pool.fails ? new Error('no memory') : error, good);
    };
    return real(...args.slice(0, 4), done);
  };
  return { ...crypto, verify: verify as unknown as typeof crypto.verify };
});
beforeEach(() => {
  Object.assign(pool, { begun: 0, now: 0, most: 0, fails: false });
});

const tree = (algorithm: SigningAlgorithm): SignedTree => {
  const zones = new SignedTree({
    'test.': { lines: ['www.test. 300 A 192.0.2.1'], key: makeKey(algorithm) },
    'plain.test.': { unsigned: true, lines: ['www.plain.test. 300 A 192.0.2.2'] },
  });
  zones.policy = { verify: 'pool' };
  return zones;
};

describe.each(['P-384', 'Ed448'] as const)('signatures of %s', algorithm => {
  test('are checked there', async () => {
    const zones = tree(algorithm);
    const good = zones.find('www.test.', 'A');
    const bad = { ...good, data: [Uint8Array.of(203, 0, 113, 1)] };
    const short = { ...good, signatures: good.signatures.map(one => one.subarray(0, one.length - 1)) };
    const status = async (answer: typeof good, name = 'www.test.'): Promise<string> =>
      ((await zones.judge(name, 'A', { answer: [answer] })) as Validation).status;
    expect(await status(good)).toBe('secure');
    expect(await status(bad)).toBe('bogus');
    expect(await status(short)).toBe('bogus');
    expect(await status(zones.find('www.plain.test.', 'A'), 'www.plain.test.')).toBe('insecure');
    expect(pool.begun).toBeGreaterThanOrEqual(5);
  });
});

test.each(['RSASHA256', 'P-256', 'Ed25519'] as const)(
  'those of %s are not: the way there costs too much',
  algorithm => {
    const zones = tree(algorithm);
    expect(zones.status('www.test.', 'A', { answer: [zones.find('www.test.', 'A')] }).status).toBe('secure');
    expect(pool.begun).toBe(0);
  },
);
test('four at a time, however many questions there are', async () => {
  const zones = tree('P-384');
  const answer = [zones.find('www.test.', 'A')];
  const verdicts = await Promise.all(Array.from({ length: 100 }, () => zones.judge('www.test.', 'A', { answer })));
  expect(verdicts.every(one => one.status === 'secure')).toBe(true);
  expect(pool).toMatchObject({ most: 4, now: 0 });
});
test('a check that the library cannot make is one that fails', async () => {
  const zones = tree('P-384');
  pool.fails = true;
  const verdict = await zones.judge('www.test.', 'A', { answer: [zones.find('www.test.', 'A')] });
  expect(verdict.status).toBe('bogus');
});
