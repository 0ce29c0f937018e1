// A file that is followed: when it is read, and what holds when it cannot be.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { WatchedFile } from '../../../lib/base/watched-file.js';
import { FakeClock } from '../../support/fake-clock.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-watched-'));
afterAll(() => rmSync(folder, { recursive: true }));
let made = 0;
function watch(maxBytes?: number) {
  const path = join(folder, `file-${made++}`);
  const clock = new FakeClock();
  const told: string[] = [];
  let parsed = 0;
  const parse = (text: string): string => {
    parsed++;
    return text;
  };
  const file = new WatchedFile(path, parse, clock, problem => told.push(problem), maxBytes);
  const look = async (): Promise<string> => {
    await clock.advance(1001);
    return file.value;
  };
  return { path, file, look, told, parsed: () => parsed };
}

test('a missing file is an empty one, a new one is read, a changed one again, an unchanged one not', async () => {
  const { path, look, told, parsed } = watch();
  expect(await look()).toBe('');
  writeFileSync(path, 'one');
  utimesSync(path, 1000, 1000);
  expect(await look()).toBe('one');
  const before = parsed();
  expect(await look()).toBe('one');
  expect(parsed()).toBe(before);
  writeFileSync(path, 'two');
  expect(await look()).toBe('two');
  rmSync(path);
  expect(await look()).toBe('');
  expect(told).toEqual([]);
});

test('a file that was just written is read again: its times may not tell the next change', async () => {
  const { path, look } = watch();
  writeFileSync(path, 'aaa');
  expect(await look()).toBe('aaa');
  const now = new Date();
  utimesSync(path, now, now);
  writeFileSync(path, 'bbb');
  utimesSync(path, now, now);
  expect(await look()).toBe('bbb');
});

test('a file over the bound is told once, and what it said before stays', async () => {
  const { path, look, told } = watch(100);
  writeFileSync(path, 'good');
  expect(await look()).toBe('good');
  truncateSync(path, 101);
  expect(await look()).toBe('good');
  expect(await look()).toBe('good');
  expect(told).toEqual([`${path}: 101 octets, expected at most 100; what it said before stays`]);
  writeFileSync(path, 'good again');
  expect(await look()).toBe('good again');
});

test('a list of 60 MB is read', async () => {
  const { path, look, told } = watch();
  writeFileSync(path, '0.0.0.0 ads.example\n'.repeat(3_000_000));
  expect((await look()).length).toBe(60_000_000);
  expect(told).toEqual([]);
});

test('a FIFO or a folder holds nobody up, and is told', async () => {
  const { path, look, told } = watch();
  execFileSync('mkfifo', [path]);
  expect(await look()).toBe('');
  expect(told[0]).toContain('not a regular file');
  rmSync(path);
  mkdirSync(path);
  expect(await look()).toBe('');
});

test('a symbolic link is followed to where it leads now', async () => {
  const { path, look } = watch();
  writeFileSync(`${path}.a`, 'a');
  writeFileSync(`${path}.b`, 'b');
  symlinkSync(`${path}.a`, path);
  expect(await look()).toBe('a');
  rmSync(path);
  symlinkSync(`${path}.b`, path);
  expect(await look()).toBe('b');
});
