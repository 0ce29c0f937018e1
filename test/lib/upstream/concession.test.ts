// What is given up for a server, on a fake clock.
import { expect, test } from 'vitest';
import { Concession } from '../../../lib/upstream/concession.js';
import { FakeClock } from '../../support/fake-clock.js';

const MINUTE = 60_000;

test('three different names, and not one name three times, take something from all others; for 15 minutes', async () => {
  const clock = new FakeClock();
  const concession = new Concession(clock);
  for (let i = 0; i < 3; i++) concession.needed('a');
  expect(concession.granted).toBe(false);
  concession.needed('b');
  concession.needed('c');
  expect(concession.granted).toBe(true);
  await clock.advance(15 * MINUTE);
  expect(concession.granted).toBe(false);
  concession.needed('d');
  expect(concession.granted).toBe(false);
});

test('names that lie more than 15 minutes apart do not add up', async () => {
  const clock = new FakeClock();
  const concession = new Concession(clock);
  concession.needed('a');
  concession.needed('b');
  await clock.advance(16 * MINUTE);
  concession.needed('c');
  expect(concession.granted).toBe(false);
});

test('a server that has shown that it can is believed for a day', async () => {
  const clock = new FakeClock();
  const concession = new Concession(clock);
  concession.needed('a');
  concession.needed('b');
  concession.shown();
  for (const name of ['c', 'd', 'e', 'f']) concession.needed(name);
  expect(concession.granted).toBe(false);
  await clock.advance(24 * 60 * MINUTE + 1);
  for (const name of ['c', 'd', 'e']) concession.needed(name);
  expect(concession.granted).toBe(true);
});
