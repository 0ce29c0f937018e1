// `shardns top`: what it shows, for terminals of any size, and how it begins and ends. On a fake server, terminal and clock; once
// over a real one through a pipe.
/* eslint-disable no-control-regex */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createServer } from '../../../lib/admin/create-server.js';
import { type Terminal, Top } from '../../../lib/cli/top.js';
import { type TopData, topFrame, type TopSize } from '../../../lib/cli/top-frame.js';
import { FakeClock, settle } from '../../support/fake-clock.js';

const sample = (queries: number): TopData['samples'][number] => ({
  atMs: 1,
  ...{ queries, hits: queries - 10, stale: 1, misses: 9, refused: 2, dropped: 0, upstream: 8, upstreamFailures: 0 },
  ...{ servfail: 1, nxdomain: 3, noerror: queries - 4, evictions: 0, entries: 12_345, liveBytes: 3 << 20 },
  ...{ residentBytes: 90 << 20, inFlight: 4, p50Us: 128, p99Us: 16_384 },
});
const DATA: TopData = {
  info: {
    state: 'listening',
    listening: { udp: ['127.0.0.1:53'], tcp: ['127.0.0.1:53'], tls: [], https: [] },
    process: { pid: 7, uptimeSeconds: 90 },
  },
  samples: [sample(100), sample(1000), sample(500)],
  upstreams: [
    { server: '9.9.9.9:53', srttMs: 12.34, queries: 200, timeouts: 2, failures: 1, inFlight: 3, resting: false },
    { server: 'tls://[2001:db8::1]:853', srttMs: 0, queries: 0, timeouts: 0, failures: 0, inFlight: 0, resting: true },
  ],
};
const frame = (data: Partial<TopData> = {}, size: TopSize = { columns: 120, rows: 50 }, problem?: string): string =>
  topFrame({ ...DATA, ...data }, size, problem).join('\n');

describe('the picture', () => {
  test('says what came in the last second and minute, and of each upstream how it is', () => {
    const text = frame();
    expect(text).toContain('shardns, pid 7, listening for 90 s  127.0.0.1:53');
    expect(text).toMatch(/^questions a second +500 {2}▂█▅$/m);
    expect(text).toMatch(/^from the cache +98\.2 % /m);
    expect(text).toMatch(/^slowest 1 % of the misses +16\.4 ms {2}███$/m);
    expect(text).toContain('last minute: 98.3 % from the cache, 0.2 % SERVFAIL, 0.6 % NXDOMAIN, 6 refused, 0 dropped');
    expect(text).toContain('12,345 entries in 3.0 MiB, resident 90.0 MiB, 4 under way');
    expect(text).toMatch(/^9\.9\.9\.9:53 +12\.3 ms +200 +1\.0 % +0\.5 % +3 +asked$/m);
    expect(text).toMatch(/^tls:\/\/\[2001:db8::1\]:853 +0\.0 ms +0 +- +- +0 +rests$/m);
  });
  test('fits any terminal', () => {
    for (const columns of [1, 20, 40, 80, 300]) {
      for (const rows of [1, 2, 10, 100]) {
        const lines = topFrame(DATA, { columns, rows });
        expect(lines.length).toBeLessThanOrEqual(rows);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
      }
    }
  });
  test('of a server of this very moment, without upstreams, and of one that is gone, says so', () => {
    expect(frame({ samples: [], upstreams: [] })).toContain('the first second has not passed yet');
    expect(frame({ samples: [], upstreams: [] })).toContain('no upstreams');
    expect(frame({}, undefined, 'connect ENOENT')).toContain('cannot be reached: connect ENOENT');
  });
  test('moves no cursor, whatever a server is called', () => {
    const named = { ...DATA.upstreams[0], server: 'a\x1b[2J\r\n\x9bB' };
    const text = frame({ upstreams: [named] });
    expect(text).toContain('a?[2J???B');
    expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  });
});

class FakeTerminal implements Terminal {
  written: string[] = [];
  ended = 0;
  reads = true;
  key: (key: string) => void = () => {};
  resized: () => void = () => {};
  constructor(public size: TopSize | undefined) {}
  async write(text: string): Promise<boolean> {
    this.written.push(text);
    return this.reads;
  }
  onKey(listener: (key: string) => void): void {
    this.key = listener;
  }
  onResize(listener: () => void): void {
    this.resized = listener;
  }
  end(): void {
    this.ended++;
  }
}
async function begun(size: TopSize | undefined, read: () => Promise<TopData> = () => Promise.resolve(DATA)) {
  const clock = new FakeClock();
  const terminal = new FakeTerminal(size);
  const status = new Top(read, terminal, clock).run();
  await settle();
  return { clock, terminal, status };
}

describe('in a terminal', () => {
  test.each(['q', 'Q', '\x03', '\x1b'])('a picture each second, until %j', async key => {
    let reads = 0;
    const { clock, terminal, status } = await begun({ columns: 100, rows: 30 }, () => {
      reads++;
      return Promise.resolve(DATA);
    });
    expect(terminal.written).toHaveLength(1);
    expect(terminal.written[0]).toMatch(/^\x1b\[\?1049h\x1b\[\?25l\x1b\[H.*\x1b\[J$/s);
    await clock.advance(3000);
    expect(terminal.written).toHaveLength(4);
    expect(reads).toBe(4);
    terminal.key('x');
    terminal.key('\x1b[A');
    terminal.key(key);
    expect(await status).toBe(0);
    expect(terminal.written.at(-1)).toBe('\x1b[?25h\x1b[?1049l');
    expect(terminal.ended).toBe(1);
    const { length } = terminal.written;
    await clock.advance(5000);
    expect(terminal.written).toHaveLength(length);
  });
  test('another size is drawn at once', async () => {
    const { terminal, status } = await begun({ columns: 100, rows: 30 });
    terminal.size = { columns: 30, rows: 5 };
    terminal.resized();
    const text = terminal.written.at(-1)!;
    expect(text.startsWith('\x1b[2J\x1b[H')).toBe(true);
    expect(text.split('\r\n')).toHaveLength(5);
    terminal.key('q');
    await status;
  });
  test('a server that goes is shown as it was, with why, until it is back', async () => {
    let problem: Error | undefined;
    const read = (): Promise<TopData> => (problem === undefined ? Promise.resolve(DATA) : Promise.reject(problem));
    const { clock, terminal, status } = await begun({ columns: 100, rows: 30 }, read);
    problem = new Error('connect ECONNREFUSED');
    await clock.advance(1000);
    expect(terminal.written.at(-1)).toContain('cannot be reached: connect ECONNREFUSED');
    expect(terminal.written.at(-1)).toContain('9.9.9.9:53');
    problem = undefined;
    await clock.advance(1000);
    expect(terminal.written.at(-1)).not.toContain('cannot be reached');
    terminal.key('q');
    await status;
  });
  test('it ends with the last who reads', async () => {
    const { clock, terminal, status } = await begun({ columns: 100, rows: 30 });
    terminal.reads = false;
    await clock.advance(1000);
    expect(await status).toBe(0);
  });
});

describe('behind a pipe', () => {
  test('one picture without a word to the terminal, when there is something to show', async () => {
    let reads = 0;
    const read = (): Promise<TopData> => Promise.resolve(++reads < 4 ? { ...DATA, samples: [] } : DATA);
    const { clock, terminal, status } = await begun(undefined, read);
    await clock.advance(1000);
    expect(await status).toBe(0);
    expect(terminal.written).toEqual([`${frame()}\n`]);
    expect(reads).toBe(4);
  });
  test('a server that nobody asked before is shown all the same', async () => {
    const { clock, terminal, status } = await begun(undefined, () => Promise.resolve({ ...DATA, samples: [] }));
    await clock.advance(5000);
    expect(await status).toBe(0);
    expect(terminal.written[0]).toContain('the first second has not passed yet');
  });
  test('a server that is not there is an error', async () => {
    const top = new Top(() => Promise.reject(new Error('nobody')), new FakeTerminal(undefined), new FakeClock());
    await expect(top.run()).rejects.toThrow('nobody');
  });
});

test('the command shows a server by its control socket', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shardns-top-'));
  const control = join(folder, 'control.sock');
  const server = await createServer({
    ...{ listen: ['127.0.0.1:0'], threads: 1, cache: { memory: '1MiB' }, upstreams: ['192.0.2.1'], control },
  });
  try {
    const run = promisify(execFile);
    const { stdout, stderr } = await run(process.execPath, ['dist/cli/main.js', 'top', '--socket', control]);
    expect(stderr).toBe('');
    expect(stdout).toContain(`shardns, pid ${process.pid}, listening for`);
    expect(stdout).toMatch(/^questions a second +0 /m);
    expect(stdout).toContain('192.0.2.1:53');
    const gone = run(process.execPath, ['dist/cli/main.js', 'top', '--socket', join(folder, 'none')]);
    await expect(gone).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('ENOENT') as string });
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
});
