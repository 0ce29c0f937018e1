// A checkout is set up by whoever first runs it, and costs little when it is.
import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
// @ts-expect-error: a script, without types
import { whenChanged } from '../../scripts/when-changed.mjs';

type Change = (what: { root: string; inputs: string[]; output: string; stamp: string }, build: () => void) => void;

describe('what is made of files', () => {
  let root: string;
  let built: number;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'shardns-set-up-'));
    built = 0;
    writeFileSync(join(root, 'input'), 'one');
  });
  afterEach(() => rmSync(root, { recursive: true }));
  const make = (inputs = ['input']): number => {
    const output = join(root, 'output');
    (whenChanged as Change)(
      { root, inputs: inputs.map(name => join(root, name)), output, stamp: join(root, 'build/.stamp') },
      () => {
        built++;
        writeFileSync(output, '');
      },
    );
    return built;
  };

  test('is made once', () => {
    expect(make()).toBe(1);
    expect(make()).toBe(1);
  });
  test('is made anew when a file says something else, though its size and time are the same', () => {
    make();
    const { atime, mtime } = statSync(join(root, 'input'));
    writeFileSync(join(root, 'input'), 'two');
    utimesSync(join(root, 'input'), atime, mtime);
    expect(make()).toBe(2);
  });
  test('stays when a file was only touched, and its new time is remembered', () => {
    make();
    const stamp = readFileSync(join(root, 'build/.stamp'), 'utf8');
    utimesSync(join(root, 'input'), 1, 1);
    expect(make()).toBe(1);
    expect(readFileSync(join(root, 'build/.stamp'), 'utf8')).not.toBe(stamp);
  });
  test('is made anew when there is one file more, or it was deleted', () => {
    make();
    writeFileSync(join(root, 'more'), '');
    expect(make(['input', 'more'])).toBe(2);
    rmSync(join(root, 'output'));
    expect(make(['input', 'more'])).toBe(3);
  });
  test('is made anew where the last time was broken off', () => {
    make();
    writeFileSync(join(root, 'build/.stamp'), '');
    expect(make()).toBe(2);
  });
});
