// Options as rows: what a change of one asks of a server that runs.
import { expect, test } from 'vitest';
import { rowsIn } from '../../../lib/server/settings/row.js';
import { changedSettings, readOptions, SECTIONS, type ServerOptions } from '../../../lib/server/settings/settings.js';

const changes = (before: ServerOptions, after: ServerOptions): string[] =>
  changedSettings(readOptions(before), readOptions(after)).map(({ path, change }) => `${path} ${change}`);

test('a change is told of the innermost option', () => {
  expect(changes({}, { cache: { memory: '1MiB', maxTtlSeconds: 5 }, tcp: { enabled: false } })).toEqual([
    'tcp.enabled relisten',
    'cache.memory restart',
    'cache.maxTtlSeconds live',
  ]);
});

test('lists and sections that come or go are told whole', () => {
  const file = '/tmp/answers';
  expect(changes({}, { snapshot: { file }, views: [{ name: 'a', clients: ['10.0.0.0/8'] }] })).toEqual([
    'snapshot live',
    'views live',
  ]);
  expect(changes({ snapshot: { file } }, { snapshot: { file, intervalSeconds: 1 } })).toEqual([
    'snapshot.intervalSeconds live',
  ]);
});

test('a default that is written out is no change', () => {
  expect(changes({}, { stale: { windowSeconds: 86_400 }, cache: {}, listen: undefined })).toEqual([]);
});

test('every option says what it is for, in a sentence', () => {
  const told: string[] = [];
  const walk = (rows: object, at: string): void => {
    for (const [key, row] of Object.entries(rows) as [string, { schema: never; why: string }][]) {
      told.push(at + key);
      expect(row.why, at + key).toMatch(/^[A-Z`'"Aa-z].{3,}\.$/s);
      walk(rowsIn(row.schema)?.rows ?? {}, `${at}${key}.`);
    }
  };
  for (const rows of Object.values(SECTIONS)) walk(rows, '');
  expect(told.length).toBeGreaterThan(100);
  expect(new Set(told).size).toBe(told.length);
});
