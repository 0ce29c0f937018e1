// Profiles: of some seconds on a fake clock and a fake inspector; and real ones, by a server's control socket.
import { execFile } from 'node:child_process';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createServer } from '../../../lib/admin/create-server.js';
import { Profiler, type ProfilerSession } from '../../../lib/admin/profiler.js';
import { FakeClock, settle } from '../../support/fake-clock.js';

class FakeResponse extends EventEmitter {
  destroyed = false;
  head: unknown[] = [];
  text = '';
  ended = false;
  writeHead(...head: unknown[]): this {
    this.head = head;
    return this;
  }
  write(chunk: string): boolean {
    this.text += chunk;
    return true;
  }
  end(text = ''): void {
    this.text += text;
    this.ended = true;
  }
  goAway(): void {
    this.destroyed = true;
    this.emit('close');
  }
  get asResponse(): ServerResponse {
    return this as unknown as ServerResponse;
  }
}

function fakes({ failing, heapOctets = 2 ** 20 }: { failing?: string; heapOctets?: number } = {}) {
  const said: string[] = [];
  const events = new EventEmitter();
  const session: ProfilerSession = {
    connect: () => void said.push('connect'),
    disconnect: () => void said.push('disconnect'),
    on: (event, listener) => void events.on(event, listener),
    post(method, done) {
      said.push(method);
      if (method === failing) return done(new Error('no'));
      if (method === 'HeapProfiler.takeHeapSnapshot') {
        for (const chunk of ['{"snap', 'shot":1}']) {
          events.emit('HeapProfiler.addHeapSnapshotChunk', { params: { chunk } });
        }
      }
      done(null, { profile: { nodes: [method] } });
    },
  };
  const clock = new FakeClock();
  const profiler = new Profiler({ clock, open: () => Promise.resolve(session), heapOctets: () => heapOctets });
  return { said, clock, profiler, response: new FakeResponse() };
}

test.each([
  ['cpu', 'Profiler.enable Profiler.start', 'Profiler.stop', 'cpuprofile'],
  ['allocations', 'HeapProfiler.enable HeapProfiler.startSampling', 'HeapProfiler.stopSampling', 'heapprofile'],
] as const)('a profile of %s takes its seconds, and is a file', async (kind, begin, end, suffix) => {
  const { said, clock, profiler, response } = fakes();
  const taken = profiler.take({ kind, seconds: 5 }, response.asResponse);
  await clock.advance(4999);
  expect(said.join(' ')).toBe(`connect ${begin}`);
  await clock.advance(1);
  await taken;
  expect(said.slice(-2)).toEqual([end, 'disconnect']);
  expect(response.text).toBe(`{"nodes":["${end}"]}`);
  expect(response.head[1]).toMatchObject({ 'content-disposition': expect.stringContaining(`.${suffix}"`) as string });
  expect(response.listenerCount('close')).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

test('a snapshot of the heap is passed on as it comes', async () => {
  const { said, profiler, response } = fakes();
  await profiler.take({ kind: 'heap', seconds: 5 }, response.asResponse);
  expect([response.text, response.ended]).toEqual(['{"snapshot":1}', true]);
  expect(said).toEqual(['connect', 'HeapProfiler.takeHeapSnapshot', 'disconnect']);
});

test('one is under way at a time, and ends when nobody waits for it', async () => {
  const { said, profiler, response, clock } = fakes();
  const taken = profiler.take({ kind: 'cpu', seconds: 60 }, response.asResponse);
  await settle();
  const other = fakes();
  const refused = other.profiler.take({ kind: 'heap', seconds: 1 }, other.response.asResponse);
  await expect(refused).rejects.toMatchObject({ status: 503, message: 'a profile is under way' });
  response.goAway();
  await taken;
  expect(response.ended).toBe(false);
  expect(said.slice(-2)).toEqual(['Profiler.stop', 'disconnect']);
  expect(clock.pendingTimers).toBe(0);
  await other.profiler.take({ kind: 'heap', seconds: 1 }, other.response.asResponse);
  expect(other.response.ended).toBe(true);
});

test('one that fails leaves room for the next', async () => {
  const { said, profiler, response } = fakes({ failing: 'Profiler.start' });
  await expect(profiler.take({ kind: 'cpu', seconds: 1 }, response.asResponse)).rejects.toThrow('no');
  expect(said.at(-1)).toBe('disconnect');
  await profiler.take({ kind: 'heap', seconds: 1 }, response.asResponse);
});

test('a heap that is too large for a snapshot is refused before anything is done', async () => {
  const { said, profiler, response } = fakes({ heapOctets: 300 * 2 ** 20 });
  const refused = profiler.take({ kind: 'heap', seconds: 1 }, response.asResponse);
  await expect(refused).rejects.toMatchObject({
    status: 409,
    message: expect.stringContaining('the heap has 300 MiB') as string,
  });
  expect(said).toEqual([]);
});

test('ctl profile gives files that V8 has made, and says what it does not take', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shardns-profile-'));
  const control = join(folder, 'control.sock');
  const server = await createServer({
    ...{ listen: ['127.0.0.1:0'], threads: 1, cache: { memory: '1MiB' }, upstreams: ['192.0.2.1'], control },
  });
  const profile = (...args: string[]): Promise<{ stdout: string }> =>
    promisify(execFile)(process.execPath, ['dist/cli/main.js', 'ctl', 'profile', ...args, '--socket', control], {
      maxBuffer: 2 ** 30,
    });
  try {
    const cpu = JSON.parse((await profile('cpu', '--seconds', '0.2')).stdout) as Record<string, unknown[]>;
    expect(cpu.nodes.length).toBeGreaterThan(0);
    expect(cpu).toHaveProperty('samples');
    const allocations = JSON.parse((await profile('allocations', '--seconds', '0.2')).stdout) as object;
    expect(allocations).toHaveProperty('head.children');
    for (const [args, said] of [
      [['disk'], 'kind: expected cpu, allocations, heap, got "disk"'],
      [['cpu', '--seconds', '61'], 'seconds: expected at most 60 seconds, got 61'],
      [['cpu', '--seconds', 'x'], '--seconds: expected a number of seconds, got "x"'],
    ] as const) {
      await expect(profile(...args)).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringContaining(said) as string,
      });
    }
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
});
