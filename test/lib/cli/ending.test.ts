// What signals to end mean, by when they come.
import { expect, test } from 'vitest';
import { Ending } from '../../../lib/cli/ending.js';
import { FakeClock } from '../../support/fake-clock.js';

test('a signal that is sent to the process and to its group ends it in order; one that comes later ends it at once', async () => {
  const clock = new FakeClock();
  const ending = new Ending(clock);
  expect(ending.begun).toBe(false);
  expect(ending.came()).toBe('begin');
  expect(ending.begun).toBe(true);
  expect(ending.came()).toBe('go on');
  await clock.advance(999);
  expect(ending.came()).toBe('go on');
  await clock.advance(1);
  expect(ending.came()).toBe('now');
});
