// What may be forgotten, by caches and by servers alike.
import { expect, test } from 'vitest';
import { readForgotten } from '../../../lib/cache/forgotten.js';
import { createServer } from '../../../lib/index.js';
import { encodeName } from '../../../lib/wire/name.js';

test('names are folded, and everything has two spellings', () => {
  expect(readForgotten({ name: 'WWW.example.' })).toEqual({ name: encodeName('www.example') });
  expect(readForgotten({ suffix: 'Example' })).toEqual({ suffix: encodeName('example') });
  expect(readForgotten({ tenant: 7, name: undefined })).toEqual({ tenant: 7 });
  expect([readForgotten('all'), readForgotten({ all: true })]).toEqual(['all', 'all']);
});

test.each<[unknown, string]>([
  [{ name: '' }, 'name: expected a domain name ("." is the root), got ""'],
  [{ suffix: '' }, 'suffix: expected a domain name ("." is the root), got ""'],
  [undefined, 'invalidate: expected { name }, { suffix }, { tenant } or { all: true }, got undefined'],
  [{}, 'invalidate: expected { name }'],
  [{ all: false }, 'invalidate: expected { name }'],
  ['everything', 'invalidate: expected { name }'],
  [{ name: 5 }, 'name: expected a domain name ("." is the root), got 5'],
  [{ suffix: null }, 'suffix: expected a domain name ("." is the root), got null'],
  [{ suffix: '*.corp.example' }, 'suffix: expected a name without "*."'],
  [{ name: 'a..b' }, 'not a domain name: "a..b"'],
  [{ name: 'x', suffix: 'y' }, 'invalidate: expected one of { name }, { suffix }, { tenant }, { all: true }, got {'],
  [{ all: true, x: 1 }, 'invalidate: expected one of'],
  [{ tenant: 'x' }, 'tenant: expected a whole number'],
  [{ tenant: 0 }, 'tenant: expected a tenant'],
])('%j is refused', (what, message) => {
  expect(() => readForgotten(what)).toThrow(message);
});

test('a server says what it cannot forget, and warms nothing once it is closed', async () => {
  const server = await createServer({ listen: ['127.0.0.1:0'], upstreams: ['192.0.2.53'], cache: { memory: '1MiB' } });
  const invalidate = server.invalidate.bind(server) as (what: unknown) => void;
  expect(() => invalidate({ name: 5 })).toThrow('name: expected a domain name');
  expect(() => invalidate({ all: true })).not.toThrow();
  await server.close();
  await expect(server.warm(['a.example'])).rejects.toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
});
