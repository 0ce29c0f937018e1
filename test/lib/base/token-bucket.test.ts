import { expect, test } from 'vitest';
import { TokenBucket } from '../../../lib/base/token-bucket.js';
import { FakeClock } from '../../support/fake-clock.js';

const takeAll = (bucket: TokenBucket): number => {
  let taken = 0;
  while (bucket.take()) taken++;
  return taken;
};

test('a burst at first, then so many a second, and never more than the burst', async () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket(clock, { perSecond: 10, burst: 5 });
  expect(takeAll(bucket)).toBe(5);
  await clock.advance(250);
  expect(takeAll(bucket)).toBe(2);
  await clock.advance(60_000);
  expect(takeAll(bucket)).toBe(5);
});
