// Files of lists that are held open while what was read of them is in force.
import { mkdtempSync, readdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ListFiles } from '../../../lib/server/list-files.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-files-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const textOf = async (files: ListFiles, list: number): Promise<string> => {
  const pieces: Buffer[] = [];
  for await (const piece of files.text(list)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString();
};
const write = (name: string, text: string): string => {
  writeFileSync(join(folder, 'new'), text);
  renameSync(join(folder, 'new'), join(folder, name));
  return join(folder, name);
};
const openHere = (): number => readdirSync('/proc/self/fd', { withFileTypes: true }).length;

test('a file is read from its begin each time, in pieces; one that is none is told', async () => {
  const text = Array.from({ length: 50_000 }, (_, i) => `name${i}.example\r\n`).join('');
  const files = new ListFiles([{ path: write('a', text), mayLack: false }], undefined);
  expect(await textOf(files, 0)).toBe(text);
  expect(await textOf(files, 0)).toBe(text);
  files.close();
  const [dir, none] = [folder, join(folder, 'none')].map(path => ({ path, mayLack: false }));
  expect(() => new ListFiles([dir], undefined)).toThrow(/not a regular file/);
  expect(() => new ListFiles([none], undefined)).toThrow(/none: cannot be read/);
  const lacking = new ListFiles([{ ...none, mayLack: true }], undefined);
  expect(await textOf(lacking, 0)).toBe('');
});

test('what was removed, or is of no use, is what it was, for as long as it cannot be had again', async () => {
  const before = openHere();
  const [a, b] = [write('a', 'old a'), write('b', 'old b')].map(path => ({ path, mayLack: true }));
  const first = new ListFiles([a, b], undefined);
  unlinkSync(a.path);
  write('b', 'new b');
  const second = new ListFiles([b, a], first);
  first.close();
  expect([await textOf(second, 0), await textOf(second, 1)]).toEqual(['new b', 'old a']);
  expect([...second.stale.keys()]).toEqual([1]);
  const third = new ListFiles([b, a], second);
  second.close();
  expect(await textOf(third, 1)).toBe('old a');
  expect(third.fallBack(0, 'it has not changed')).toBe(false);
  write('b', 'newer b');
  const fourth = new ListFiles([b, a], third);
  expect(fourth.fallBackAll('too much')).toBe(true);
  expect(fourth.fallBackAll('too much')).toBe(false);
  third.close();
  expect(await textOf(fourth, 0)).toBe('new b');
  expect(fourth.staleAt(b.path)).toBe('too much');
  fourth.close();
  expect(openHere()).toBe(before);
});
