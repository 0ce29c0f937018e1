// How many names of a zone may come to nothing: who is held back, who is not, and that memory stays what it is.
import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../../lib/base/random.js';
import { OVER_RATE, type ZoneRate, ZoneRates } from '../../../lib/resolve/zone-rates.js';
import { encodeName, nameKey } from '../../../lib/wire/name.js';
import { FakeClock } from '../../support/fake-clock.js';

function setUp(more: Partial<ZoneRate> = {}) {
  const clock = new FakeClock();
  const rates = new ZoneRates(clock, systemRandom);
  const rate: ZoneRate = { perSecond: 50, exempt: new Map(), dryRun: false, ...more };
  const enter = (text: string, free = 10_000, client?: string): number =>
    rates.enter(encodeName(text), rate, free, client);
  const leave = (ticket: number, text: string, isGood?: boolean): void => rates.leave(ticket, encodeName(text), isGood);
  /** Asks, where it may. @returns whether it did */
  const ask = (text: string, isGood?: boolean, client?: string): boolean => {
    const ticket = enter(text, 10_000, client);
    if (ticket === OVER_RATE) return false;
    leave(ticket, text, isGood);
    return true;
  };
  const flood = (count: number, name: (i: number) => string, client?: (i: number) => string): number =>
    Array.from({ length: count }, (_, i) => ask(name(i), false, client?.(i))).filter(Boolean).length;
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

test('a zone that is attacked does not keep back others below the same suffix', () => {
  const { flood, ask } = setUp();
  expect(flood(10_000, i => `r${i}.victim.co.uk`)).toBe(100);
  expect(ask('s.victim.co.uk', false)).toBe(false);
  for (let i = 0; i < 500; i++) expect(ask(`new${i}.co.uk`, true)).toBe(true);
  for (let i = 0; i < 500; i++) expect(ask(`www.shop${i}.co.uk`, true)).toBe(true);
});

test('names that are spread over a few below a zone cost it eight times the rate and the reserve, no more', async () => {
  const { flood, clock } = setUp();
  let asked = 0;
  for (let second = 0; second < 60; second++) {
    asked += flood(5000, i => `r${i}s${second}.b${i % 100}.victim.example`);
    await clock.advance(1000);
  }
  expect(asked / 60).toBeLessThanOrEqual(9 * 50);
});

describe('in the middle of a flood right below a suffix', () => {
  const client = (i: number): string => `198.51.${(i >> 8) % 256}.${i % 256}`;

  test('clients whose names exist ask for names that nobody has asked for, and those who flood do not', async () => {
    const { flood, ask, clock } = setUp();
    let asked = 0;
    for (let second = 0; second < 60; second++) {
      for (let part = 0; part < 10; part++) {
        asked += flood(
          200,
          i => `x${second}p${part}i${i}.co.uk`,
          i => client(i % 100),
        );
        const one = ask(`new${second}p${part}.co.uk`, true, '203.0.113.7');
        const below = ask(`www.shop${second}p${part}.co.uk`, true, '2001:db8::7');
        // Those who flood are found out after their first few questions.
        if (second > 20) expect([one, below]).toEqual([true, true]);
        await clock.advance(100);
      }
    }
    expect(asked / 60).toBeLessThanOrEqual(2 * 50 + 4);
  });

  test('names below one that has had answers are asked for, whoever asks', () => {
    const { flood, ask } = setUp();
    expect(ask('www.shop.co.uk', true)).toBe(true);
    flood(1000, i => `x${i}.co.uk`);
    for (let i = 0; i < 100; i++) expect(ask(`n${i}.shop.co.uk`, true)).toBe(true);
    expect(ask('shop.co.uk', true)).toBe(true);
    expect(ask('www.other.co.uk', true)).toBe(false);
    // But for those that come to nothing: these may be what the flood is.
    expect(flood(100, i => `y${i}.shop.co.uk`)).toBe(8);
  });

  test('a client that asks for many names at once is not taken for one that floods once they exist', () => {
    const { flood, enter, leave } = setUp();
    flood(
      1000,
      i => `x${i}.co.uk`,
      () => '198.51.100.1',
    );
    for (let round = 0; round < 20; round++) {
      const names = Array.from({ length: 8 }, (_, i) => `n${round}-${i}.co.uk`);
      const tickets = names.map(name => enter(name, 10_000, '203.0.113.7'));
      expect(tickets).not.toContain(OVER_RATE);
      for (const [i, name] of names.entries()) leave(tickets[i], name, true);
    }
  });

  test('addresses of one /56 are one client', () => {
    const { flood } = setUp();
    flood(1000, i => `x${i}.co.uk`);
    expect(
      flood(
        1000,
        i => `y${i}.co.uk`,
        i => `2001:db8:0:${(i % 256).toString(16)}::${i.toString(16)}`,
      ),
    ).toBe(8);
  });

  test('questions that take long do not fill what is left for others', () => {
    const { enter } = setUp();
    const begin = (name: string, client: string): boolean => enter(name, 0, client) !== OVER_RATE;
    let under = 0;
    for (let i = 0; i < 1000; i++) if (begin(`x${i}.co.uk`, '198.51.100.1')) under++;
    expect(under).toBe(64 + 8);
    expect(begin('new.co.uk', '203.0.113.7')).toBe(true);
  });
});

test('names at the top have none above that counts', () => {
  const { enter } = setUp();
  for (const name of ['.', 'example', 'site.example']) expect(enter(name)).toBe(0);
});
