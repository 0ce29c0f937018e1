// Whatever is given in place of options and parts: one clear error that names it, and nothing of it taken for nothing.
import { afterEach, describe, expect, test } from 'vitest';
import { createServer } from '../../../lib/admin/create-server.js';
import { ShardnsError } from '../../../lib/base/errors.js';
import { silentLogger } from '../../../lib/base/log.js';
import { ByteCache } from '../../../lib/cache/bytes/byte-cache.js';
import { DnsCache } from '../../../lib/cache/dns-cache.js';
import { CachedLookup } from '../../../lib/node/cached-lookup.js';
import { readLookupOptions } from '../../../lib/node/options.js';
import { serverSchema } from '../../../lib/server/settings/settings.js';

const fails = (text: string) => (): never => {
  throw new Error(text);
};
const circular: Record<string, unknown> = {};
circular.self = circular;
/** What no option is, and no object of options. */
const ODD: [string, unknown][] = [
  ['null', null],
  ['NaN', Number.NaN],
  ['Infinity with a sign', -Infinity],
  ['a function', () => {}],
  ['a symbol', Symbol('x')],
  ['a bigint', 1n],
  ['a date', new Date(0)],
  ['a map', new Map()],
  ['a promise', Promise.resolve({})],
  ['a list of a hole', [undefined]],
  ['an object of its own circle', circular],
  ['an object that cannot be shown', { toString: fails('no text'), toJSON: fails('no JSON') }],
  ['a proxy that throws', new Proxy({}, { get: fails('trap'), ownKeys: fails('trap'), getPrototypeOf: fails('trap') })],
];
const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});
/** What becomes of a call: what it opened is closed. */
async function outcome(call: () => unknown): Promise<unknown> {
  try {
    const made = await call();
    if (typeof (made as { close?: unknown } | undefined)?.close === 'function')
      opened.push(made as { close(): unknown });
    return 'taken';
  } catch (error) {
    return error;
  }
}
const isClear = (error: unknown, name: RegExp): void => {
  expect(error).toBeInstanceOf(ShardnsError);
  expect((error as ShardnsError).code).toBe('ERR_SHARDNS_OPTION');
  expect((error as ShardnsError).message).toMatch(name);
};
const SMALL = { listen: ['127.0.0.1:0'], threads: 1, cache: { memory: '4MiB' } };

describe.each(ODD)('%s', (_, odd) => {
  test.each<[string, RegExp, (value: never) => unknown]>([
    ['createServer', /^options|^self|^toString/, value => createServer(value)],
    ['the parts of createServer', /^dependencies|: is not an option/, value => createServer(SMALL, value)],
    ['DnsCache.create', /^options|: is not an option/, value => DnsCache.create(value)],
    ['ByteCache.create', /^options|: is not an option/, value => ByteCache.create(value)],
    ['lookups', /^options|: is not an option/, value => readLookupOptions(value)],
    ['the parts of lookups', /^dependencies|: is not an option/, value => new CachedLookup({}, value)],
    ['DnsCache.attach', /^handle/, value => DnsCache.attach(value)],
    ['ByteCache.attach', /^handle/, value => ByteCache.attach(value)],
  ])('as the options of %s', async (__, name, call) => {
    isClear(await outcome(() => call(odd as never)), name);
  });

  test('as each option of a server', async () => {
    for (const name of Object.keys(serverSchema.shape)) {
      isClear(await outcome(() => createServer({ ...SMALL, [name]: odd })), new RegExp(`^${name}`));
    }
  });

  test.each(['clock', 'random', 'log', 'cache', 'udpTransport', 'tcpTransport', 'logger'])(
    'as the part %s of a server',
    async part => isClear(await outcome(() => createServer(SMALL, { [part]: odd })), new RegExp(`^${part}: `)),
  );
  test.each(['clock', 'random', 'cache', 'udpTransport', 'tcpTransport', 'interfaces', 'localAddress', 'servers'])(
    'as the part %s of lookups',
    async part => {
      const error = await outcome(() => new CachedLookup({}, { [part]: odd }));
      if (part === 'interfaces' && typeof odd === 'function') expect(error).toBe('taken');
      else if (part !== 'localAddress' || error !== 'taken') isClear(error, new RegExp(`^${part}`));
    },
  );
  test.each(['onQuery', 'onResponse'])('as the hook %s', async hook => {
    const error = await outcome(() => createServer({ ...SMALL, [hook]: odd }));
    if (typeof odd === 'function') expect(error).toBe('taken');
    else isClear(error, new RegExp(`^${hook}`));
  });
});

test('a getter that throws is named, and each is read once', async () => {
  const fields = {
    get threads(): never {
      throw new Error('its own');
    },
  };
  isClear(await outcome(() => createServer(fields)), /^threads: cannot be read: its own$/);
  isClear(await outcome(() => createServer({ cache: { ...SMALL.cache, get policy() { return fails('its own')(); } } })), /cache\.policy|policy: /); // prettier-ignore
  isClear(await outcome(() => DnsCache.create({ get memory() { return fails('its own')(); } })), /^memory: cannot be read: its own$/); // prettier-ignore
  let reads = 0;
  const cache = DnsCache.create({
    get memory() {
      return ++reads === 1 ? '1MiB' : 'nonsense';
    },
  });
  opened.push(cache);
  expect(reads).toBe(1);
});

test('options of a class of one’s own, without a prototype, frozen or inherited are options', async () => {
  class Settings {
    memory = '1MiB';
  }
  const bare = Object.assign(Object.create(null) as object, { memory: '1MiB' });
  for (const options of [new Settings(), bare, Object.freeze({ memory: '1MiB' }), Object.create({ memory: '1MiB' })]) {
    const cache = DnsCache.create(options as object);
    opened.push(cache);
    expect(cache).toBeInstanceOf(DnsCache);
  }
});

test('changes of a server are judged as its options are, and no key changes what objects inherit', async () => {
  const server = await createServer(SMALL, { log: silentLogger });
  opened.push(server);
  for (const [, odd] of ODD) {
    await expect(server.update(odd as never)).rejects.toMatchObject({ code: 'ERR_SHARDNS_OPTION' });
    await expect(server.replace(odd as never)).rejects.toMatchObject({ code: 'ERR_SHARDNS_OPTION' });
  }
  const named = JSON.parse('{"__proto__": {"threads": 3}}') as object;
  await expect(server.update(named)).rejects.toThrow(/__proto__: is not an option/);
  await expect(server.update({ cache: JSON.parse('{"__proto__": {"rotate": true}}') as object })).rejects.toThrow(
    /__proto__: is not an option/,
  );
  expect(server.settings.threads).toBe(1);
});
