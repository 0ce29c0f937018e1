// How often a client may shake hands: so many a second, five seconds of them at once, and memory that many clients do not grow.
import { expect, test } from 'vitest';
import { HandshakeRate } from '../../../../lib/server/listeners/handshake-rate.js';
import { FakeClock } from '../../../support/fake-clock.js';

const setUp = (perSecond: number) => {
  const clock = new FakeClock();
  const rate = new HandshakeRate(clock, () => perSecond);
  const times = (address: string, most = 1000): number => {
    let taken = 0;
    while (taken < most && rate.take(address)) taken++;
    return taken;
  };
  return { clock, rate, times };
};

test('a client has a burst, then its rate, and others have theirs', async () => {
  const { clock, times } = setUp(10);
  expect(times('192.0.2.1')).toBe(50);
  expect(times('192.0.2.1')).toBe(0);
  await clock.advance(1000);
  expect(times('192.0.2.1')).toBe(10);
  expect(times('192.0.2.2')).toBe(50);
  await clock.advance(3_600_000);
  expect(times('192.0.2.1')).toBe(50);
});

test('addresses of one household are one client', () => {
  const { times } = setUp(1);
  expect(times('2001:db8::1')).toBe(5);
  expect(times('2001:db8::ffff')).toBe(0);
  expect(times('2001:db8:1::1')).toBe(5);
  expect(times('::ffff:192.0.2.1')).toBe(5);
  expect(times('192.0.2.1')).toBe(0);
});

test('a session that is resumed costs half', () => {
  const { rate } = setUp(1);
  let taken = 0;
  for (; rate.take('192.0.2.1'); taken++) rate.resumed('192.0.2.1');
  expect(taken).toBe(9);
});

test('without a limit nobody is counted', () => {
  expect(setUp(0).times('192.0.2.1')).toBe(1000);
});

test('of more clients than are remembered the oldest are forgotten', () => {
  const { times } = setUp(1);
  times('192.0.2.1');
  for (let i = 0; i < 20_000; i++) times(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 1);
  expect(times('192.0.2.1')).toBe(5);
});
