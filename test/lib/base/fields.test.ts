// Flat lists of options: what is taken, and how each wrong one is told.
import { expect, test } from 'vitest';
import { flag, list, memory, milliseconds, oneOf, path, readFields, whole } from '../../../lib/base/fields.js';

const FIELDS = {
  size: whole(1, 10).default(5),
  even: whole(0, 10)
    .where(n => n % 2 === 0, 'expected an even number')
    .optional(),
  on: flag.default(true),
  kind: oneOf('a', 'b').default('a'),
  ttlMs: milliseconds(1, true).default(Infinity),
  names: list<string>(1, 2, one => (typeof one === 'string' ? undefined : 'expected a string')).optional(),
  memory: memory.default('8MiB'),
  path,
};
const read = (input: object) => readFields(FIELDS, { path: '/x', ...input });

test('what is not given is what it is by default', () => {
  expect(read({ size: undefined })).toEqual({
    ...{ size: 5, even: undefined, on: true, kind: 'a', ttlMs: Infinity, names: undefined, memory: '8MiB', path: '/x' },
  });
  expect(read({ size: 7, on: false, names: ['n'] })).toMatchObject({ size: 7, on: false, names: ['n'] });
});
test.each([
  [{ size: 0 }, 'size: expected a whole number from 1 to 10, got 0'],
  [{ size: null }, 'size: expected a whole number from 1 to 10, got null'],
  [{ size: 1.5 }, 'size: expected a whole number from 1 to 10, got 1.5'],
  [{ even: 3 }, 'even: expected an even number, got 3'],
  [{ on: 'yes' }, 'on: expected a boolean, got "yes"'],
  [{ kind: 'c' }, 'kind: expected one of "a", "b", got "c"'],
  [{ ttlMs: NaN }, 'ttlMs: expected 1 or more milliseconds, got NaN'],
  [{ ttlMs: -Infinity }, 'ttlMs: expected 1 or more milliseconds, got -Infinity'],
  [{ kind: new ArrayBuffer(3) }, 'kind: expected one of "a", "b", got [object ArrayBuffer]'],
  [{ kind: /c/ }, 'kind: expected one of "a", "b", got /c/'],
  [{ kind: new Map() }, 'kind: expected one of "a", "b", got [object Map]'],
  [{ kind: {} }, 'kind: expected one of "a", "b", got {}'],
  [{ names: [] }, 'names: expected a list of 1 to 2, got []'],
  [{ names: ['a', 7] }, 'names.1: expected a string, got 7'],
  [{ memory: 'much' }, 'memory: expected octets from 1 MiB to 1 TiB, such as 64MiB or 1GiB, got "much"'],
  [{ path: '' }, 'path: expected the path of a file, got ""'],
  [{ colour: 'red' }, 'colour: is not an option'],
  [{ toString: 1 }, 'toString: is not an option'],
])('%j', (input, message) => {
  expect(() => read(input)).toThrow(expect.objectContaining({ code: 'ERR_SHARDNS_OPTION', message }));
});
test('every wrong option is told at once, and one that is missing', () => {
  expect(() => readFields(FIELDS, { size: 0, kind: 1 })).toThrow(/size: .*; kind: .*; path: expected the path/);
});
test('what is no object is none', () => {
  expect(() => readFields(FIELDS, 7)).toThrow('options: expected an object, got 7');
});
