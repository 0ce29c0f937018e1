// What is handed to createServer() beside options: wrong things are refused before anything listens.
import { expect, test } from 'vitest';
import { createServer } from '../../../lib/admin/create-server.js';

test.each([
  [[null], 'options: expected an object, got null'],
  [['127.0.0.1:53'], 'options: expected an object, got "127.0.0.1:53"'],
  [[{ onQuery: 'x' }], 'onQuery: expected a function, got "x"'],
  [[{ onResponse: {} }], 'onResponse: expected a function, got {}'],
  [[{}, { cache: {} }], 'cache: expected a DnsCache, got {}'],
])('createServer(...%j) says what is wrong', async (args, message) => {
  const make = createServer as (...args: unknown[]) => Promise<unknown>;
  await expect(make(...args)).rejects.toMatchObject({ code: 'ERR_SHARDNS_OPTION', message });
});
