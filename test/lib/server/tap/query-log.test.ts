// The query log in memory: what it keeps, how it is searched, and what it says of clients.
import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../../../lib/base/random.js';
import { QueryLog, type QueryLogFilter } from '../../../../lib/server/tap/query-log.js';
import { encodeName } from '../../../../lib/wire/name.js';
import { recordOf, type Shape } from './records.js';

const DAY = 86_400_000;
const bare = (entries: readonly { name: string }[]): string[] => entries.map(one => one.name.replace(/\.$/, ''));

function logOf(shapes: readonly Shape[], settings: Parameters<QueryLog['use']>[0] = { entries: 100, clients: 'full' }) {
  let now = Date.UTC(2026, 0, 1);
  const log = new QueryLog(systemRandom, () => now);
  log.use(settings);
  for (const one of shapes) log.take(recordOf(one));
  const names = (filter: QueryLogFilter = {}): string[] => bare(log.find(filter, { limit: 100 }).entries);
  return { log, names, later: (ms: number) => (now += ms) };
}

describe('the query log', () => {
  test('tells all of a query, names escaped, and nothing that there is not', () => {
    const { log } = logOf([
      { name: '<b>x y"</b>.example', type: 'AAAA', rcode: 3, upstream: 'udp://192.0.2.53:53', oneIn: 5 },
      { by: 'hit', latencyUs: 12 },
    ]);
    expect(log.find({}, { limit: 10 }).entries).toEqual([
      {
        seq: 2,
        at: '2026-01-01T00:00:00.000Z',
        client: '192.0.2.77',
        protocol: 'udp',
        name: 'www.example.',
        type: 'A',
        rcode: 'NOERROR',
        by: 'hit',
        ms: 0.012,
      },
      {
        seq: 1,
        at: '2026-01-01T00:00:00.000Z',
        client: '192.0.2.77',
        protocol: 'udp',
        name: expect.not.stringMatching(/ /) as string,
        type: 'AAAA',
        rcode: 'NXDOMAIN',
        by: 'upstream',
        ms: 1.5,
        upstream: 'udp://192.0.2.53:53',
        oneIn: 5,
      },
    ]);
  });
  test('keeps the last so many, and tells how to go on with those before', () => {
    const { log } = logOf(
      Array.from({ length: 25 }, (_, i) => ({ name: `n${i}.example` })),
      { entries: 10, clients: 'off' },
    );
    expect([log.size, log.logged]).toEqual([10, 25]);
    const first = log.find({}, { limit: 4 });
    expect(bare(first.entries)).toEqual(['n24.example', 'n23.example', 'n22.example', 'n21.example']);
    const second = log.find({}, { limit: 100, before: first.before });
    expect(bare(second.entries)).toEqual([20, 19, 18, 17, 16, 15].map(i => `n${i}.example`));
    expect(second.before).toBeUndefined();
  });
  test('with another number of entries the newest of those that there are stay', () => {
    const { log, names } = logOf(
      Array.from({ length: 10 }, (_, i) => ({ name: `n${i}.example` })),
      { entries: 8, clients: 'off' },
    );
    log.use({ entries: 3, clients: 'off' });
    expect(names()).toEqual(['n9.example', 'n8.example', 'n7.example']);
    log.use({ entries: 20, clients: 'off' });
    log.take(recordOf({ name: 'new.example' }));
    expect(names()).toEqual(['new.example', 'n9.example', 'n8.example', 'n7.example']);
  });
  test('finds what is asked for', () => {
    const { names } = logOf([
      { name: 'a.example', by: 'hit' },
      { name: 'b.example', by: 'stale', rcode: 3 },
      { name: 'www.b.example', by: 'recursion', latencyUs: 700_000 },
      { name: 'c.example', by: 'blocked', type: 'MX' },
      { name: 'd.example', by: 'failed', rcode: 2, client: Uint8Array.of(198, 51, 100, 1) },
    ]);
    expect(names({ uncached: true })).toEqual(['d.example', 'www.b.example']);
    expect(names({ slowerMs: 500 })).toEqual(['www.b.example']);
    expect(names({ rcode: 3 })).toEqual(['b.example']);
    expect(names({ type: 15 })).toEqual(['c.example']);
    expect(names({ by: 'blocked' })).toEqual(['c.example']);
    expect(names({ name: encodeName('b.example') })).toEqual(['www.b.example', 'b.example']);
    expect(names({ client: Uint8Array.of(198, 51, 100, 1) })).toEqual(['d.example']);
    expect(names({ client: Uint8Array.of(198, 51, 100, 1), uncached: true, slowerMs: 5 })).toEqual([]);
  });
});

describe('clients in it', () => {
  const v6 = Uint8Array.from([0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  const told = (clients: 'off' | 'truncated' | 'hashed' | 'full', client: Uint8Array): string | undefined =>
    logOf([{ client }], { entries: 5, clients }).log.find({}, { limit: 5 }).entries[0].client;

  test('are told by as much of their address as is wanted', () => {
    expect(told('off', v6)).toBeUndefined();
    expect(told('truncated', v6)).toBe('2001:db8:102:300::/56');
    expect(told('truncated', Uint8Array.of(192, 0, 2, 77))).toBe('192.0.2.0/24');
    expect(told('full', Uint8Array.of(192, 0, 2, 77))).toBe('192.0.2.77');
    expect(told('full', new Uint8Array(0))).toBeUndefined();
  });
  test('are found by what is kept of them', () => {
    const { names } = logOf([{ client: Uint8Array.of(192, 0, 2, 1) }, { client: Uint8Array.of(192, 0, 3, 1) }], {
      entries: 5,
      clients: 'truncated',
    });
    expect(names({ client: Uint8Array.of(192, 0, 2, 200) })).toHaveLength(1);
  });
  test('hashed, are the same for a day, and others the day after', () => {
    const { log, later } = logOf([{}, {}, { client: v6 }], { entries: 10, clients: 'hashed' });
    log.take(recordOf({ atMs: Date.UTC(2026, 0, 2) }));
    later(DAY);
    const hashes = log.find({}, { limit: 10 }).entries.map(one => one.client);
    expect(hashes).toEqual(hashes.map(() => expect.stringMatching(/^[0-9a-f]{16}$/) as string));
    const [next, six, second, first] = hashes;
    expect(first).toBe(second);
    expect(new Set([first, six, next]).size).toBe(3);
    expect(log.find({ client: Uint8Array.of(192, 0, 2, 77) }, { limit: 10 }).entries).toHaveLength(1);
  });
  test('told in another way from now on, those of before are forgotten', () => {
    const { log } = logOf([{}]);
    log.use({ entries: 100, clients: 'truncated' });
    expect(log.size).toBe(0);
  });
});
