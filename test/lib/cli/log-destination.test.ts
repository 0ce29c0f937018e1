// The log's destination is full, slow or gone: nothing stops, nothing is thrown, and what was dropped is told.
import { expect, test } from 'vitest';
import { LogDestination } from '../../../lib/cli/log-destination.js';
import { FakeClock } from '../../support/fake-clock.js';

type Done = (error: NodeJS.ErrnoException | null, written: number) => void;
class Disk {
  readonly #pieces: Buffer[] = [];
  tries = 0;
  room = Infinity;
  error = 'ENOSPC';
  get text(): string {
    return Buffer.concat(this.#pieces).toString();
  }
  readonly put = (octets: Buffer, done: Done): void => {
    this.tries++;
    const taken = Math.min(this.room, octets.length);
    setImmediate(() => {
      if (taken === 0) done(Object.assign(new Error(this.error), { code: this.error }), 0);
      else {
        this.#pieces.push(octets.subarray(0, taken));
        this.room -= taken;
        done(null, taken);
      }
    });
  };
}

test('lines come out whole and in order, however many octets a write takes', async () => {
  const disk = new Disk();
  const clock = new FakeClock();
  const log = new LogDestination((octets, done) => disk.put(octets.subarray(0, 7), done), clock);
  for (let i = 0; i < 10; i++) log.write(`line ${i} é\n`);
  await clock.advance(1);
  await log.flush(1000);
  for (let i = 0; i < 10; i++) await clock.advance(1);
  expect(disk.text).toBe(Array.from({ length: 10 }, (_, i) => `line ${i} é\n`).join(''));
  expect(clock.pendingTimers).toBe(0);
});

test.each(['ENOSPC', 'EPIPE', 'EIO', 'EAGAIN'])(
  '%s: it is tried again at intervals, and goes on when there is room',
  async error => {
    const disk = Object.assign(new Disk(), { room: 4, error });
    const clock = new FakeClock();
    const log = new LogDestination(disk.put, clock);
    log.write('first\n');
    for (let i = 0; i < 100; i++) await clock.advance(10);
    expect(disk.tries).toBeLessThan(60);
    expect(disk.tries).toBeGreaterThan(2);
    log.write('second\n');
    disk.room = Infinity;
    await clock.advance(1000);
    expect(disk.text).toBe('first\nsecond\n');
  },
);

test('lines for which there is no room are dropped, counted and told', async () => {
  const disk = Object.assign(new Disk(), { room: 0 });
  const clock = new FakeClock();
  const log = new LogDestination(disk.put, clock);
  const line = `${'x'.repeat(99)}\n`;
  for (let i = 0; i < 20_000; i++) log.write(line);
  expect(log.dropped).toBe(20_000 - Math.floor(2 ** 20 / 100));
  disk.room = Infinity;
  for (let i = 0; i < 5; i++) await clock.advance(1000);
  const lines = disk.text.trimEnd().split('\n');
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ level: 40, lines: log.dropped });
  expect(lines).toHaveLength(Math.floor(2 ** 20 / 100) + 1);
});

test('flush waits no longer than it may, and a write that throws is no error', async () => {
  const clock = new FakeClock();
  const log = new LogDestination(() => {
    throw new Error('closed');
  }, clock);
  log.write('a\n');
  const flushed = log.flush(1000);
  await clock.advance(1001);
  await flushed;
});
