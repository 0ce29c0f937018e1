// Top lists: what counts where, for how long, and for how many.
import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../../../lib/base/random.js';
import { TopLists, type TopBy, type TopWhat } from '../../../../lib/server/tap/top-lists.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { recordOf, type Shape } from './records.js';

function made(clients: 'off' | 'full' = 'full') {
  const clock = new FakeClock();
  const lists = new TopLists(systemRandom, clock);
  lists.use({ clients, slowMs: 500 });
  const take = (...shapes: Shape[]): void => shapes.forEach(one => lists.take(recordOf(one)));
  const now = (by: TopBy, what: TopWhat): [string, number][] =>
    lists.list(by, what, { most: 10, current: true }).entries.map(({ key, count }) => [key.replace(/\.$/, ''), count]);
  return { clock, lists, take, now };
}

describe('top lists', () => {
  test('count misses, hits, denials and what was slow by name, client, type and upstream', () => {
    const { take, now } = made();
    take(
      { name: 'a.example', by: 'upstream', upstream: 'u1', latencyUs: 600_000 },
      { name: 'a.example', by: 'recursion', type: 'AAAA' },
      { name: 'B.example', by: 'hit', rcode: 3 },
      { name: 'c.example', by: 'blocked' },
    );
    expect(now('name', 'miss')).toEqual([['a.example', 2]]);
    expect(now('upstream', 'miss')).toEqual([['u1', 1]]);
    expect(now('type', 'miss').sort()).toEqual([
      ['A', 1],
      ['AAAA', 1],
    ]);
    expect(now('client', 'miss')).toEqual([['192.0.2.77', 2]]);
    expect(now('name', 'hit')).toEqual([['b.example', 1]]);
    expect(now('name', 'nxdomain')).toEqual([['b.example', 1]]);
    expect(now('name', 'slow')).toEqual([['a.example', 1]]);
  });
  test('a hit that stands for a hundred counts a hundred times', () => {
    const { take, now } = made();
    take({ by: 'hit', oneIn: 100 }, { by: 'hit', oneIn: 100 });
    expect(now('name', 'hit')).toEqual([['www.example', 200]]);
  });
  test('clients are not counted where they are not told', () => {
    const { take, now } = made('off');
    take({});
    expect(now('client', 'miss')).toEqual([]);
  });
  test('show the last whole minute, and an empty one where nothing came in it', async () => {
    const { take, lists, clock } = made();
    const last = () => lists.list('name', 'miss', { most: 10, current: false });
    expect(last()).toMatchObject({ total: 0, entries: [] });
    take({});
    await clock.advance(7_000);
    // No minute is whole yet: what there is.
    expect(last()).toMatchObject({ seconds: 7, total: 1, entries: [{ key: 'www.example.', count: 1 }] });
    await clock.advance(53_000);
    expect(last()).toEqual({
      by: 'name',
      what: 'miss',
      seconds: 60,
      total: 1,
      entries: [{ key: 'www.example.', count: 1, error: 0 }],
    });
    await clock.advance(20_000);
    expect(lists.list('name', 'miss', { most: 10, current: true })).toMatchObject({ seconds: 20, total: 0 });
    await clock.advance(100_000);
    expect(last()).toMatchObject({ total: 0, entries: [] });
  });
  test('what was counted otherwise is not added to', () => {
    const { take, lists, now } = made();
    take({});
    lists.use({ clients: 'full', slowMs: 500 });
    expect(now('name', 'miss')).toHaveLength(1);
    lists.use({ clients: 'off', slowMs: 500 });
    expect(now('name', 'miss')).toHaveLength(0);
  });
});
