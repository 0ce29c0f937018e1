// The query log's file: its size, those before it, and disks that are full.
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../lib/base/log.js';
import { LogFile, type LogFileStats } from '../../../../lib/server/tap/log-file.js';
import { FakeClock } from '../../../support/fake-clock.js';

let folder: string;
let stats: LogFileStats;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-log-'));
  stats = { lines: 0, dropped: 0, failures: 0, rotations: 0 };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const clock = new FakeClock();
const open = (path: string, maxFileBytes = 2 ** 20, keepBytes = 2 ** 23, log = silentLogger): LogFile =>
  new LogFile({ path, maxFileBytes, keepBytes }, clock, log, stats);
const turn = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 5));
/** Until what was written so far is in the file, or was dropped. */
async function settled(lines: number): Promise<void> {
  while (stats.lines + stats.dropped < lines) await turn();
}

describe('the file of the query log', () => {
  test('is appended to, and readable by its owner and group alone', async () => {
    const path = join(folder, 'queries');
    writeFileSync(path, 'before\n');
    rmSync(path);
    const file = open(path);
    file.write('{"a":1}');
    file.write('{"a":2}');
    await file.close();
    const again = open(path);
    again.write('{"a":3}');
    await again.close();
    expect(readFileSync(path, 'latin1')).toBe('{"a":1}\n{"a":2}\n{"a":3}\n');
    expect(statSync(path).mode & 0o007).toBe(0);
    expect(stats).toEqual({ lines: 3, dropped: 0, failures: 0, rotations: 0 });
  });
  test('is renamed before it would be too great, and all together keep to their bound', async () => {
    const path = join(folder, 'queries');
    const file = open(path, 100, 350);
    for (let i = 0; i < 30; i++) {
      file.write(`${i}`.padStart(39, '.'));
      await settled(i + 1);
    }
    await file.close();
    expect(readdirSync(folder).sort()).toEqual(['queries', 'queries.1', 'queries.2']);
    const all = ['queries.2', 'queries.1', 'queries'].map(name => readFileSync(join(folder, name), 'latin1'));
    for (const one of all) expect(one.length).toBeLessThanOrEqual(100);
    expect(
      all
        .join('')
        .trim()
        .split('\n')
        .map(line => Number(line.replaceAll('.', ''))),
    ).toEqual([24, 25, 26, 27, 28, 29]);
    expect(stats).toMatchObject({ lines: 30, dropped: 0, rotations: 14 });
  });
  test('with room for one there is one', async () => {
    const path = join(folder, 'queries');
    const file = open(path, 100, 100);
    for (let i = 0; i < 5; i++) {
      file.write('x'.repeat(60));
      await settled(i + 1);
    }
    await file.close();
    expect(readdirSync(folder)).toEqual(['queries']);
    expect(statSync(path).size).toBe(61);
  });
  test('what others have renamed is left to them when it is opened anew', async () => {
    const path = join(folder, 'queries');
    const file = open(path);
    file.write('one');
    await settled(1);
    renameSync(path, join(folder, 'theirs'));
    const next = open(path);
    await file.close();
    next.write('two');
    await next.close();
    expect(readFileSync(join(folder, 'theirs'), 'latin1')).toBe('one\n');
    expect(readFileSync(path, 'latin1')).toBe('two\n');
  });
  test('one that cannot be opened is refused, naming it', () => {
    const path = join(folder, 'nowhere', 'queries');
    expect(() => open(path)).toThrow(`${path}: cannot be written: ENOENT`);
  });
  test.runIf(existsSync('/dev/full'))('a disk that is full drops and counts, and is told once a minute', async () => {
    const told: object[] = [];
    const log = { ...silentLogger, warn: (fields: object) => void told.push(fields) };
    const file = open('/dev/full', 100, 1000, log);
    for (let i = 0; i < 5; i++) {
      file.write('x'.repeat(60));
      await settled(i + 1);
    }
    expect(stats).toEqual({ lines: 0, dropped: 5, failures: 5, rotations: 0 });
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ file: '/dev/full', reason: expect.stringContaining('ENOSPC') as string });
    await clock.advance(61_000);
    file.write('x');
    await settled(6);
    expect(told).toHaveLength(2);
    await file.close();
  });
  test('what waits to be written is bounded', async () => {
    const file = open(join(folder, 'queries'), 2 ** 30, 2 ** 30);
    const line = 'x'.repeat(2 ** 20);
    for (let i = 0; i < 8; i++) file.write(line);
    expect(stats.dropped).toBeGreaterThanOrEqual(4);
    await file.close();
    expect(stats.lines + stats.dropped).toBe(8);
    file.write('late');
    expect(stats.lines + stats.dropped).toBe(9);
  });
});
