// Lists that hold at some hours only: a tablet, three sites, nine o'clock.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { systemRandom } from '../../../lib/base/random.js';
import { BlockLists } from '../../../lib/server/block-lists.js';
import { checkOptions, readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { encodeName } from '../../../lib/wire/name.js';
import { FakeClock } from '../../support/fake-clock.js';

let folder: string;
let lists: BlockLists | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-times-'));
});
afterEach(() => {
  lists?.close();
  lists = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const at = (time: string): number => Date.parse(time) / 1000;
const listed = (times: object[], more: object = {}): ServerOptions => {
  const source = join(folder, 'bedtime.txt');
  writeFileSync(source, 'video.example\ngames.example\nchat.example\n');
  return {
    upstreams: ['192.0.2.53'],
    views: [{ name: 'tablet', clients: ['192.0.2.70'] }],
    lists: [
      { name: 'bedtime', source, format: 'domains', times, views: ['tablet'] },
      { name: 'always', source, format: 'domains', clients: ['192.0.2.71'] },
    ],
    ...more,
  } as ServerOptions;
};

async function open(
  options: ServerOptions,
  clock: FakeClock,
): Promise<{ changes: () => number; bits: () => bigint[] }> {
  let changes = 0;
  lists = new BlockLists(systemRandom, clock, silentLogger, () => changes++);
  (await lists.prepare(readOptions(options))).commit();
  return { changes: () => changes, bits: () => [...lists!.rules!.sets] };
}

test('a list holds from nine in the evening, by the clocks of its time zone, for whom it is', async () => {
  const clock = new FakeClock();
  clock.wall = at('2026-12-01T19:58:30Z');
  const blocking = { timeZone: 'Europe/Berlin' };
  const { changes, bits } = await open(listed([{ from: '21:00', to: '07:00' }], { blocking }), clock);
  // Sets: everybody's, the tablet's, that of the other.
  expect(bits()).toEqual([0n, 0n, 2n]);
  clock.wall += 30;
  await clock.advance(30_000);
  expect(changes()).toBe(0);
  clock.wall += 60;
  await clock.advance(60_000);
  expect(changes()).toBe(1);
  expect(bits()).toEqual([0n, 1n, 2n]);
  clock.wall = at('2026-12-02T06:00:10Z');
  await clock.advance(60_000);
  expect(changes()).toBe(2);
  expect(bits()).toEqual([0n, 0n, 2n]);
});

test('why says when a list would decide', async () => {
  const clock = new FakeClock();
  clock.wall = at('2026-12-01T12:00:00Z');
  await open(listed([{ days: ['mon', 'tue'], from: '21:00', to: '07:00' }], { blocking: { timeZone: 'UTC' } }), clock);
  const name = encodeName('games.example');
  expect(lists!.why(name, '192.0.2.70', 1n)).toBeUndefined();
  expect(lists!.whyAtTimes(name, '192.0.2.70', 1n)).toMatchObject({
    list: 'bedtime',
    line: 2,
    times: 'mon, tue 21:00 to 07:00 (UTC)',
  });
  clock.wall = at('2026-12-01T22:00:00Z');
  await clock.advance(60_000);
  expect(lists!.why(name, '192.0.2.70', 1n)).toMatchObject({ list: 'bedtime', line: 2 });
  expect(lists!.whyAtTimes(name, '192.0.2.70', 1n)).toBeUndefined();
});

test('hours that are other ones hold at once, and lists without any need no clock', async () => {
  const clock = new FakeClock();
  clock.wall = at('2026-12-01T12:00:00Z');
  const blocking = { timeZone: 'UTC' };
  const { bits } = await open(listed([{ from: '21:00', to: '07:00' }], { blocking }), clock);
  expect(bits()[1]).toBe(0n);
  (await lists!.prepare(readOptions(listed([{ from: '11:00', to: '12:01' }], { blocking })))).commit();
  expect(bits()[1]).toBe(1n);
  const timers = clock.pendingTimers;
  (await lists!.prepare(readOptions(listed([], { blocking })))).commit();
  expect(bits()[1]).toBe(1n);
  expect(clock.pendingTimers).toBe(timers - 1);
});

test('what is no time, no day and no time zone is told', () => {
  const wrong = (options: ServerOptions): string[] => {
    const checked = checkOptions(options);
    return 'issues' in checked ? checked.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) : [];
  };
  expect(wrong(listed([{ from: '9:00', to: '24:30' }]))).toEqual([
    expect.stringMatching(/^lists\.0\.times\.0\.from: expected a time such as 21:00/),
    expect.stringMatching(/^lists\.0\.times\.0\.to: expected a time such as 21:00/),
  ]);
  expect(wrong(listed([{ days: ['Monday'], from: '09:00', to: '10:00' }]))).toHaveLength(1);
  expect(wrong(listed([], { blocking: { timeZone: 'Mars/Olympus' } }))).toEqual([
    expect.stringMatching(/^blocking\.timeZone: expected the name of a time zone/),
  ]);
});
