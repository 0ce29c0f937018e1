// Writes that wait in Redis: with a store that fails one call in ten, and processes that are killed in the middle, none is
// lost and no key goes back in time. SHARDNS_DURABLE_WRITES says how many; the more, the longer it takes.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { hasRedis, RedisServer } from '../support/redis-server.js';

const WRITES = Number(process.env.SHARDNS_DURABLE_WRITES ?? 6000);
const KEYS = 1000;

class Run {
  /** Up to which numbers all are in Redis. */
  upTo = 0;
  line = '';
  readonly process: ChildProcess;
  readonly ended: Promise<unknown>;
  constructor(port: number, file: string, from: number, count: number) {
    const script = new URL('../support/durable-process.mjs', import.meta.url).pathname;
    const lib = new URL('../../dist/index.js', import.meta.url).pathname;
    const args = [script, lib, String(port), file, String(from), String(count), String(KEYS)];
    this.process = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.ended = new Promise(resolve => this.process.once('exit', resolve));
    createInterface(this.process.stdout!).on('line', line => {
      this.line = line;
      if (/^\d+$/.test(line)) this.upTo = Number(line);
    });
  }
  async until(holds: (run: Run) => boolean): Promise<void> {
    for (let i = 0; i < 60_000 && !holds(this); i++) {
      if (this.process.exitCode !== null) throw new Error(`it has ended: ${this.line}`);
      await new Promise(resolve => setTimeout(resolve, 10));
    }
    expect(holds(this)).toBe(true);
  }
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }
}

test.skipIf(!hasRedis)(
  'none is lost and none goes back, whoever is killed',
  async () => {
    const redis = await RedisServer.start();
    const folder = mkdtempSync(join(tmpdir(), 'shardns-durable-'));
    onTestFinished(async () => {
      await redis.kill();
      rmSync(folder, { recursive: true });
    });
    const file = join(folder, 'store');
    const half = WRITES / 2;
    const first = new Run(redis.port, file, 0, half);
    await first.until(({ upTo }) => upTo >= half / 2);
    await first.kill();
    // What may be in Redis of the first one, and what certainly is.
    const known = first.upTo;
    const second = new Run(redis.port, file, half, half);
    await second.until(({ line }) => line === 'written' || line.startsWith('left'));
    await second.kill();
    const third = new Run(redis.port, file, WRITES, 0);
    await third.until(({ line }) => line === 'left 0 dead 0');
    await third.kill();

    const last = new Map<string, number>();
    for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
      const [key, value] = line.split(' ');
      expect(Number(value), `${key} after ${last.get(key)}`).toBeGreaterThanOrEqual(last.get(key) ?? -1);
      last.set(key, Number(value));
    }
    // Each key has what was written to it last: by the second process, or by the first where that has written it alone.
    for (let number = Math.max(0, WRITES - KEYS); number < WRITES; number++) {
      const least = number >= half ? number : number < known ? number : -1;
      expect(last.get(`key${number % KEYS}`) ?? -1).toBeGreaterThanOrEqual(least);
    }
  },
  1_800_000,
);
