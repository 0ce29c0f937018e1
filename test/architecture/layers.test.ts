// The layer rule of both languages: a file uses only layers to its left; braced peers never use each other.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

type Rank = string[][];
const NATIVE: Rank = [
  ['base'],
  ['wire', 'store'],
  ['zones'],
  ['answers', 'bytes', 'gate'],
  ['respond', 'snapshot', 'http2'],
  ['udp'],
  ['addon'],
];
const LIB: Rank = [
  ['base'],
  ['wire', 'native'],
  ['cache', 'transport', 'dnssec'],
  ['upstream', 'clients', 'zone'],
  ['resolve'],
  ['server', 'node'],
  ['discovery', 'admin'],
  ['cli'],
];

const rankOf = (ranks: Rank, layer: string): number => ranks.findIndex(rank => rank.includes(layer));

function files(root: string, pattern: RegExp): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && pattern.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name));
}

/** What a file imports, as paths from the project's root. */
function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  if (file.startsWith('native')) {
    return [...text.matchAll(/^#include "([^"]+)"/gm)].map(([, path]) => join('native', path));
  }
  return [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, path]) => normalize(join(dirname(file), path)));
}

function violations(root: 'native' | 'lib', ranks: Rank, pattern: RegExp): string[] {
  const found: string[] = [];
  for (const file of files(root, pattern)) {
    const [layer] = relative(root, file).split('/');
    if (layer === 'index.ts') continue;
    if (rankOf(ranks, layer) < 0) found.push(`${file}: no such layer`);
    for (const imported of imports(file)) {
      const [other] = relative(root, imported).split('/');
      if (imported.startsWith('..') || other === layer || rankOf(ranks, other) < 0) continue;
      if (rankOf(ranks, other) >= rankOf(ranks, layer)) found.push(`${file} uses ${imported}`);
    }
  }
  return found;
}

function circles(root: string, pattern: RegExp): string[] {
  const graph = new Map(
    files(root, pattern).map(file => [file, imports(file).map(path => path.replace(/\.js$/, '.ts'))]),
  );
  const state = new Map<string, 'open' | 'done'>();
  const found: string[] = [];
  const visit = (file: string, path: string[]): void => {
    if (state.get(file) === 'done' || !graph.has(file)) return;
    if (state.get(file) === 'open') {
      found.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      return;
    }
    state.set(file, 'open');
    for (const next of graph.get(file)!) visit(next, [...path, file]);
    state.set(file, 'done');
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

describe('layers', () => {
  test('C++ uses only layers to its left', () => {
    expect(files('native', /\.(cc|h)$/).length).toBeGreaterThan(20);
    expect(violations('native', NATIVE, /\.(cc|h)$/)).toEqual([]);
  });
  test('TypeScript uses only layers to its left', () => {
    expect(files('lib', /\.ts$/).length).toBeGreaterThan(20);
    expect(violations('lib', LIB, /\.ts$/)).toEqual([]);
  });
  test('there is no circle of files', () => {
    expect(circles('native', /\.(cc|h)$/)).toEqual([]);
    expect(circles('lib', /\.ts$/)).toEqual([]);
  });
  test('Node-API is known in native/addon only', () => {
    const users = files('native', /\.(cc|h)$/).filter(file => /node_api\.h|napi\.h/.test(readFileSync(file, 'utf8')));
    expect(users.length).toBeGreaterThan(0);
    expect(users.filter(file => !file.startsWith('native/addon/'))).toEqual([]);
  });
  test('no exceptions below the addon', () => {
    const users = files('native', /\.(cc|h)$/).filter(file =>
      /\b(try|catch|throw)\b\s*[({]/.test(readFileSync(file, 'utf8')),
    );
    expect(users.filter(file => !file.startsWith('native/addon/'))).toEqual([]);
  });
  test('header bits are read and written in wire/flags.ts only, fields of an OPT by their places in wire/opt.ts only', () => {
    const users = (pattern: RegExp): string[] =>
      files('lib', /\.ts$/).filter(file => pattern.test(readFileSync(file, 'utf8').replace(/\/\/.*$/gm, '')));
    const messages = 'message|query|reply|response|packet|kept|one|other|asked';
    expect(users(new RegExp(`\\b(${messages})\\[[23]\\]|word\\(\\w+, 2\\)|[gs]etUint16\\(2\\b`))).toEqual([
      'lib/wire/flags.ts',
    ]);
    expect(users(/\bopt(\.fixed|\.at)? \+ \d|\bopt\[\d/)).toEqual(['lib/wire/opt.ts']);
  });
  test('the entry file exports and does nothing else', () => {
    const code = readFileSync('lib/index.ts', 'utf8').replace(/\/\/.*$/gm, '');
    expect(code.replace(/export (type )?\{[^}]*\} from '[^']+';/g, '').trim()).toBe('');
  });
  test('every source file opens with its job', () => {
    const bare = [...files('native', /\.(cc|h)$/), ...files('lib', /\.ts$/)].filter(
      file => !readFileSync(file, 'utf8').startsWith('// '),
    );
    expect(bare).toEqual([]);
  });
});
