// Keys of session tickets: another one each day, the same on all servers that have the same secret in a file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readTicketSecret, TicketKeys } from '../../../lib/server/ticket-keys.js';
import { FakeClock } from '../../support/fake-clock.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-tickets-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'secret');
const store = (text: string): void => writeFileSync(path, text);
const DAY_MS = 86_400_000;
const ONE = 'ab'.repeat(48);

function setUp(secret = true) {
  const clock = new FakeClock();
  clock.wall = 1_700_000_000;
  const told: string[] = [];
  const keys = new TicketKeys(clock, problem => told.push(problem));
  if (secret) keys.use(readTicketSecret(path));
  return { clock, keys, told };
}

test('a key that is drawn lives a day, and is nobody else’s', async () => {
  const [one, other] = [setUp(false), setUp(false)];
  const { current } = one.keys;
  expect(current).toHaveLength(48);
  expect(other.keys.current.equals(current)).toBe(false);
  await one.clock.advance(DAY_MS - 1000);
  expect(one.keys.changed()).toBe(false);
  await one.clock.advance(1000);
  expect(one.keys.changed()).toBe(true);
  expect(one.keys.current.equals(current)).toBe(false);
});

test('servers with one secret have one key, and change it together at midnight (UTC)', () => {
  store(`# shared\n\n${ONE}\n`);
  const [one, other] = [setUp(), setUp()];
  const first = one.keys.current;
  expect(other.keys.current.equals(first)).toBe(true);
  for (const { clock } of [one, other]) clock.wall = Math.ceil(clock.wall / 86_400) * 86_400 - 1;
  expect([one.keys.changed(), other.keys.changed()]).toEqual([false, false]);
  for (const { clock } of [one, other]) clock.wall += 1;
  expect([one.keys.changed(), other.keys.changed()]).toEqual([true, true]);
  expect(one.keys.current.equals(other.keys.current)).toBe(true);
  expect(one.keys.current.equals(first)).toBe(false);
});

test('another secret in the file is in force soon; one that is of no use is told once, and that of before stays', async () => {
  store(ONE);
  const { clock, keys, told } = setUp();
  const first = keys.current;
  store(Buffer.alloc(48, 7).toString('base64'));
  await clock.advance(5000);
  expect(keys.changed()).toBe(true);
  const second = keys.current;
  expect(second.equals(first)).toBe(false);
  for (const text of ['short', 'ab'.repeat(31), 'ab'.repeat(257), 'no secret, but a line of text'.repeat(3)]) {
    store(text);
    for (let i = 0; i < 2; i++) {
      await clock.advance(5000);
      expect(keys.changed()).toBe(false);
    }
    expect(keys.current.equals(second)).toBe(true);
  }
  expect(told.every(one => one.startsWith(`${path}: expected a secret of 32 to 256 octets`))).toBe(true);
  rmSync(path);
  await clock.advance(5000);
  expect(keys.changed()).toBe(false);
});

test('a file without a secret is refused by its name', () => {
  for (const text of ['', '# nothing\n', 'zz']) {
    store(text);
    expect(() => readTicketSecret(path)).toThrow(`${path}: expected a secret`);
  }
  expect(() => readTicketSecret(join(folder, 'nowhere'))).toThrow('nowhere: cannot be read');
});
