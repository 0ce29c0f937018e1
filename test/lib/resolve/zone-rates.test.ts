// How many names of a zone may come to nothing: who is held back, who is not, and that memory stays what it is.
import { expect, test } from 'vitest';
import { systemRandom } from '../../../lib/base/random.js';
import { OVER_RATE, type ZoneRate, ZoneRates } from '../../../lib/resolve/zone-rates.js';
import { encodeName, nameKey } from '../../../lib/wire/name.js';
import { FakeClock } from '../../support/fake-clock.js';

function setUp(more: Partial<ZoneRate> = {}) {
  const clock = new FakeClock();
  const rates = new ZoneRates(clock, systemRandom);
  const rate: ZoneRate = { perSecond: 50, exempt: new Map(), dryRun: false, ...more };
  const enter = (text: string, free = 10_000): number => rates.enter(encodeName(text), rate, free);
  const leave = (ticket: number, text: string, isGood?: boolean): void => rates.leave(ticket, encodeName(text), isGood);
  /** Asks, where it may. @returns whether it did */
  const ask = (text: string, isGood?: boolean): boolean => {
    const ticket = enter(text);
    if (ticket === OVER_RATE) return false;
    leave(ticket, text, isGood);
    return true;
  };
  const flood = (count: number, name: (i: number) => string): number =>
    Array.from({ length: count }, (_, i) => ask(name(i), false)).filter(Boolean).length;
  return { clock, rates, enter, leave, ask, flood };
}

test('names that come to nothing are asked for at the rate, with two seconds of it at once', async () => {
  const { clock, flood, rates } = setUp();
  expect(flood(1000, i => `r${i}.victim.example`)).toBe(100);
  await clock.advance(1000);
  expect(flood(1000, i => `s${i}.victim.example`)).toBe(50);
  expect(rates.toTell()).toBe('victim.example.');
  expect(rates.toTell()).toBeUndefined();
  await clock.advance(60_000);
  expect(flood(1000, i => `t${i}.victim.example`)).toBe(100);
});

test('so are those with two random labels, and other zones are none of it', () => {
  const { flood, ask } = setUp();
  expect(flood(1000, i => `a${i}.b${i * 7}.victim.example`)).toBe(100);
  expect(ask('new.other.example', true)).toBe(true);
  // One label below another name of the zone is another name above.
  expect(ask('victim.example', true)).toBe(true);
});

test('names that were answered before are asked for in the middle of a flood', () => {
  const { ask, flood } = setUp();
  for (const name of ['www', 'mail', 'api']) expect(ask(`${name}.victim.example`, true)).toBe(true);
  flood(1000, i => `r${i}.victim.example`);
  for (const name of ['www', 'mail', 'api']) expect(ask(`${name}.victim.example`, true)).toBe(true);
  expect(ask('r0.victim.example', false)).toBe(false);
});

test('a zone of which as many names exist as do not is never held back', () => {
  const { ask } = setUp();
  for (let i = 0; i < 10_000; i++) expect(ask(`n${i}.large.example`, i % 2 === 0)).toBe(true);
});

test('a failure of ours counts for nothing', () => {
  const { ask } = setUp();
  for (let i = 0; i < 1000; i++) expect(ask(`n${i}.some.example`, undefined)).toBe(true);
});

test('questions under way for one zone are bounded, and leave room', () => {
  const { enter, leave } = setUp();
  const tickets: number[] = [];
  const begin = (free: number): boolean => {
    const ticket = enter(`n${tickets.length}.slow.example`, free);
    if (ticket === OVER_RATE) return false;
    tickets.push(ticket);
    return true;
  };
  const all = 400;
  while (begin(all - tickets.length));
  expect(tickets).toHaveLength(200);
  expect(enter('n.other.example', 200)).not.toBe(OVER_RATE);
  tickets.forEach((ticket, i) => leave(ticket, `n${i}.slow.example`));
  expect(begin(0)).toBe(true);
});

test('exempt names are not counted, and in a dry run all are asked for', () => {
  const exempt = setUp({ exempt: new Map([[nameKey(encodeName('dnsbl.example')), true as const]]) });
  expect(exempt.flood(1000, i => `${i % 256}.${i >> 8}.0.127.zen.dnsbl.example`)).toBe(1000);
  const dry = setUp({ dryRun: true });
  expect(dry.flood(1000, i => `r${i}.victim.example`)).toBe(1000);
  expect(dry.rates.toTell()).toBe('victim.example.');
});

test('many zones make room for each other, and those that are full stay', () => {
  const { flood, ask } = setUp();
  flood(1000, i => `r${i}.victim.example`);
  for (let i = 0; i < 100_000; i++) ask(`www.zone${i}.example`, false);
  expect(ask('other.victim.example', false)).toBe(false);
});

test('names at the top have none above that counts', () => {
  const { enter } = setUp();
  for (const name of ['.', 'example', 'site.example']) expect(enter(name)).toBe(0);
});
