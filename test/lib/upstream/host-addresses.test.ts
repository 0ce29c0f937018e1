// An upstream's name over time, on a fake clock: what is looked up when, and what stays where nobody answers.
import { expect, test } from 'vitest';
import type { Logger } from '../../../lib/base/log.js';
import { HostAddresses } from '../../../lib/upstream/host-addresses.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { decode, makeResponse, type Records, soa } from '../../support/messages.js';

interface Said {
  A: Records | number | Error;
  AAAA: Records | number | Error;
}

const a = (data: string, ttl = 300, name = 'dns.example') => ({ type: 'A', name, ttl, data }) as const;
const aaaa = (data: string, ttl = 300, name = 'dns.example') => ({ type: 'AAAA', name, ttl, data }) as const;
const down = new Error('no upstream answered in 5000 ms');

function setUp(first: Said) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const note = (_fields: object, message: string): void => void lines.push(message);
  const log: Logger = { debug() {}, info: note, warn: note, error: note };
  const state = { said: first, asked: [] as string[], changes: 0, useless: false };
  const host = new HostAddresses('dns.example', {
    clock,
    log,
    ask: query => {
      const { name, type } = decode(Buffer.from(query)).questions![0];
      state.asked.push(`${name} ${type}`);
      const said = state.said[type as keyof Said];
      if (said instanceof Error) return Promise.reject(said);
      const shape = typeof said === 'number' ? { rcode: said } : { answers: said };
      return Promise.resolve(
        makeResponse(query, { ...shape, authorities: said === undefined ? [soa('example')] : [] }),
      );
    },
    areUseless: () => state.useless,
    changed: () => state.changes++,
  });
  return { clock, host, state, lines };
}

test('both families are asked for, with recursion, and asked for again before the shorter lifetime ends', async () => {
  const { clock, host, state } = setUp({ A: [a('192.0.2.1', 100)], AAAA: [aaaa('2001:db8::1', 600)] });
  await host.begin();
  expect(state.asked).toEqual(['dns.example A', 'dns.example AAAA']);
  expect(host.addresses).toEqual(['192.0.2.1', '2001:db8::1']);
  await clock.advance(89_000);
  expect(state.asked).toHaveLength(2);
  await clock.advance(2000);
  expect(state.asked).toHaveLength(4);
  expect(state.changes).toBe(1);
});

test.each([
  [0, 27_000],
  [2 ** 31, 27_000],
  [7 * 86_400, 0.9 * 86_400_000],
])('a lifetime of %i s is taken as one inside its bounds: asked again after %i ms', async (ttl, ms) => {
  const { clock, host, state } = setUp({ A: [a('192.0.2.1', ttl)], AAAA: [] });
  await host.begin();
  await clock.advance(ms - 10);
  expect(state.asked).toHaveLength(2);
  await clock.advance(20);
  expect(state.asked).toHaveLength(4);
});

test('aliases are followed in the response, in whatever letters, and the shortest lifetime counts', async () => {
  const alias = { type: 'CNAME', name: 'DNS.example', ttl: 40, data: 'anycast.example' } as const;
  const { clock, host, state } = setUp({
    A: [alias, a('192.0.2.7', 300, 'AnyCast.example'), a('203.0.113.66', 300, 'beside.example')],
    AAAA: [alias],
  });
  await host.begin();
  expect(host.addresses).toEqual(['192.0.2.7']);
  await clock.advance(36_100);
  expect(state.asked).toHaveLength(4);
});

test('aliases in a circle, and addresses that no server has, lead nowhere', async () => {
  const circle = { type: 'CNAME', name: 'dns.example', ttl: 40, data: 'dns.example' } as const;
  const { host } = setUp({ A: [circle], AAAA: [aaaa('::'), aaaa('ff02::1')] });
  await host.begin();
  expect(host.addresses).toEqual([]);
  expect(host.failing).toBe(true);
});

test('old addresses stay while nobody answers, the failure is told once, and so is its end', async () => {
  const { clock, host, state, lines } = setUp({ A: [a('192.0.2.1', 60)], AAAA: [] });
  await host.begin();
  state.said = { A: down, AAAA: 2 };
  await clock.advance(600_000);
  expect(host.addresses).toEqual(['192.0.2.1']);
  expect(host.failing).toBe(true);
  expect(lines).toEqual(['the addresses of an upstream cannot be found: the old ones are asked on']);
  state.said = { A: [a('192.0.2.2', 60)], AAAA: [] };
  await clock.advance(61_000);
  expect(host.addresses).toEqual(['192.0.2.2']);
  expect(lines).toHaveLength(2);
  expect(state.changes).toBe(2);
});

test('a name that is not found is asked for again in 1, 2, 4, ... seconds, at most each minute', async () => {
  const { clock, host, state } = setUp({ A: down, AAAA: down });
  await host.begin();
  const rounds = () => state.asked.length / 2;
  expect(rounds()).toBe(1);
  await clock.advance(1000);
  expect(rounds()).toBe(2);
  await clock.advance(2000);
  expect(rounds()).toBe(3);
  await clock.advance(3_600_000);
  expect(rounds()).toBeGreaterThan(60);
  expect(rounds()).toBeLessThan(70);
  expect(host.failures).toBe(rounds());
});

test.each([
  ['NXDOMAIN', 3],
  ['no address at all', []],
])('%s takes no address away', async (_, said) => {
  const { clock, host, state } = setUp({ A: [a('192.0.2.1', 60)], AAAA: [] });
  await host.begin();
  state.said = { A: said as Records, AAAA: said as Records };
  await clock.advance(55_000);
  expect(host.addresses).toEqual(['192.0.2.1']);
  expect(host.failing).toBe(true);
});

test('a family that is denied goes where the other is there; one of which nothing was heard stays', async () => {
  const { clock, host, state } = setUp({ A: [a('192.0.2.1', 60)], AAAA: [aaaa('2001:db8::1', 60)] });
  await host.begin();
  state.said = { A: [a('192.0.2.1', 60)], AAAA: down };
  await clock.advance(55_000);
  expect(host.addresses).toEqual(['192.0.2.1', '2001:db8::1']);
  state.said = { A: [a('192.0.2.1', 60)], AAAA: [] };
  await clock.advance(61_000);
  expect(host.addresses).toEqual(['192.0.2.1']);
  expect(host.failing).toBe(false);
});

test('the same addresses in another order are no change, and of very many eight of a family are taken', async () => {
  const many = Array.from({ length: 30 }, (_, i) => a(`192.0.2.${i + 1}`, 60));
  const { clock, host, state } = setUp({ A: many.slice(0, 3), AAAA: [] });
  await host.begin();
  state.said = { A: many.slice(0, 3).reverse(), AAAA: [] };
  await clock.advance(55_000);
  expect(state.changes).toBe(1);
  state.said = { A: many, AAAA: [] };
  await clock.advance(55_000);
  expect(host.addresses).toHaveLength(8);
});

test('what is told that it ends leaves no timer, also while it asks', async () => {
  const { clock, host } = setUp({ A: [a('192.0.2.1', 60)], AAAA: [] });
  const first = host.begin();
  host.close();
  await first;
  await settle();
  expect(clock.pendingTimers).toBe(0);
  expect(host.addresses).toEqual([]);
});
