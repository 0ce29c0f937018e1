// Arguments, right and wrong, given to Node's own functions and to ours: the same errors, thrown or rejected alike.
import dns from 'node:dns';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CachedLookup } from '../../../lib/node/cached-lookup.js';
import { Resolver } from '../../../lib/node/resolver.js';
import { DnsServer } from '../../support/dns-server.js';

const NAME = 'a.example';
let server: DnsServer;
let cached: CachedLookup;
beforeAll(async () => {
  server = await DnsServer.start({
    [NAME]: { A: [{ type: 'A', name: NAME, ttl: 60, data: '192.0.2.1' }] },
    'xn--bcher-kva.example': { A: [{ type: 'A', name: 'xn--bcher-kva.example', ttl: 60, data: '192.0.2.2' }] },
  });
  for (const [i, rcode] of [1, 2, 4, 5].entries()) server.failing.set(`rcode${i}.example`, rcode);
  cached = new CachedLookup({ servers: [server.address], memory: '1MiB', resolvConf: false, hostsFile: false });
});
afterAll(() => {
  cached.close();
  server.close();
});

const errorShape = (error: unknown) => {
  const { name, message, code, errno, syscall, hostname } = error as NodeJS.ErrnoException & { hostname?: string };
  return { name, message, code, errno, syscall, hostname };
};
async function outcomeOf(call: () => unknown): Promise<unknown> {
  let returned: unknown;
  try {
    returned = call();
  } catch (error) {
    return { thrown: errorShape(error) };
  }
  if (!(returned instanceof Promise)) return { returned };
  return returned.then(
    value => ({ resolved: value as unknown }),
    (error: unknown) => ({ rejected: errorShape(error) }),
  );
}

describe('lookup', () => {
  type Lookup = (...given: unknown[]) => unknown;
  const HOST = '127.0.0.1';
  const done = (): void => {};
  const hosts = [7, true, {}, [], done, Symbol('a'), 7n, NaN, 0, null, undefined, '', false, 'x'.repeat(3)];
  const options = [
    ...['x', "it's", 'y'.repeat(40), true, 7n, Symbol('o'), null, undefined, [], {}],
    ...[0, 4, 6, 5, NaN, -0, Infinity],
    ...[0, 4, 6, 5, '4', 'IPv4', 'IPv6', 'ipv4', null, NaN, {}, true].map(family => ({ family })),
    ...['x', 100, 1.5, -1, NaN, 32.9, null, 0, 56, 2 ** 32, true].map(hints => ({ hints })),
    ...[1, 'x', null, true, {}].map(all => ({ all })),
    ...[1, 'x', null, true, false].map(verbatim => ({ verbatim })),
    ...['x', 1, null, 'ipv4first', 'verbatim', true].map(order => ({ order })),
    { family: 5, hints: 100 },
    { hints: 'x', all: 1 },
    { all: 1, verbatim: 1, order: 1 },
  ];
  const calls: [string, unknown[]][] = [
    ...hosts.map((host): [string, unknown[]] => [`host ${inspect(host)}`, [host, done]]),
    ...options.map((one): [string, unknown[]] => [`options ${inspect(one)}`, [HOST, one, done]]),
    ['no callback', [HOST]],
    ['no callback, a family', [HOST, 4]],
    ['no callback, options', [HOST, {}]],
    ['options that are no callback', [HOST, 'x']],
    ['callback null', [HOST, {}, null]],
    ['callback wrong and host wrong', [7, {}, null]],
    ['family and callback wrong', [HOST, 5, null]],
    ['nothing', []],
  ];
  test.each(calls)('%s', async (_, given) => {
    const lookup = cached.lookup as unknown as Lookup;
    const [mine, theirs] = await Promise.all(
      [lookup, dns.lookup as unknown as Lookup].map(one => outcomeOf(() => one(...given))),
    );
    // What dns.lookup returns is documented nowhere.
    const settled = (outcome: unknown): unknown => ('returned' in (outcome as object) ? 'taken' : outcome);
    expect(settled(mine)).toEqual(settled(theirs));
  });
  test.each([null, 7, 'x', {}])(
    'the signal %s, which dns.lookup knows nothing of, is refused as elsewhere in Node',
    signal => {
      expect(() => cached.lookup(HOST, { signal: signal as never }, done)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
      );
    },
  );
});

describe('Resolver', () => {
  type AnyResolver = Record<string, (...given: unknown[]) => unknown>;
  const CLASSES = [Resolver, dns.promises.Resolver] as unknown as (new (options?: unknown) => AnyResolver)[];
  const both = async (call: (one: AnyResolver) => unknown, options: unknown = { timeout: 20_000, tries: 1 }) => {
    const outcomes = await Promise.all(
      CLASSES.map(async Class => {
        const one = new Class(options);
        one.setServers([server.address]);
        const outcome = await outcomeOf(() => call(one));
        one.close?.();
        return outcome;
      }),
    );
    expect(outcomes[0]).toEqual(outcomes[1]);
    return outcomes[0];
  };

  test.each([
    ...[undefined, null, {}, 7, 'x'],
    ...[null, -2, 1.5, '1', NaN, 2 ** 31, 0, -1, true].map(timeout => ({ timeout })),
    ...[0, -1, null, 1.5, '2', 2 ** 31, 3].map(tries => ({ tries })),
    { timeout: 'x', tries: 0 },
    { timeout: undefined, tries: undefined },
  ])('new Resolver(%o)', async options => {
    const [mine, theirs] = await Promise.all(
      CLASSES.map(Class =>
        outcomeOf(() => {
          new Class(options).close?.();
        }),
      ),
    );
    expect(mine).toEqual(theirs);
  });

  const METHODS = ['resolve', 'resolve4', 'resolve6', 'resolveAny', 'resolveMx', 'resolveSoa', 'resolveTxt', 'reverse'];
  test.each(METHODS)('%s of what is no string throws', async method => {
    for (const name of [7, undefined, null, {}, [], 7n, true]) {
      expect(await both(one => one[method](name))).toHaveProperty('thrown');
    }
  });
  test.each([
    ...['a..b', '.a', 'x'.repeat(64), `${'x'.repeat(60)}.`.repeat(5), 'bücher..example', 'ü b.example', 'ü'.repeat(70)],
    ...['bücher.example', 'BÜCHER.Example', 'xn--bcher-kva.example', 'straße.nowhere.example', '☃.example', ''],
    ...[
      'a.example',
      'a.example.',
      'A.EXAMPLE',
      'nowhere.example',
      'a b',
      '::1',
      'http://x',
      'a/b',
      '*.x.example',
      '_a._b.example',
      '%41.example',
      'a@b',
    ],
    ...[0, 1, 2, 3].map(i => `rcode${i}.example`),
  ])('resolve4(%j)', async name => {
    await both(one => one.resolve4(name));
  });
  test.each(['HI', 'a', '', 7, null, undefined, {}, 'A', 'toString', '__proto__', 'MX', 'SOA', 'ANY'])(
    'resolve(name, %o)',
    async type => {
      await both(one => one.resolve('nowhere.example', type));
    },
  );
  test.each([null, 7, 'x', { ttl: 1 }, { ttl: true }, { ttl: 0 }, undefined])('resolve4(name, %o)', async options => {
    await both(one => one.resolve4(NAME, options));
  });
  test.each(['x', '', '127.1', '1.2.3', ' 192.0.2.1', '0177.0.0.1', '2001:DB8::A', 'fe80::1%lo', '192.0.2.99'])(
    'reverse(%j)',
    async address => {
      await both(one => one.reverse(address));
    },
  );

  const holes = ['127.0.0.1'];
  holes[3] = '127.0.0.2';
  test.each([
    ...[undefined, null, '127.0.0.1', {}, new Set(['127.0.0.1'])],
    ...[[], holes, new Array(3), [7], [null], ['127.0.0.1', 7]],
    ...[['x'], ['127.0.0.1:'], ['localhost'], [''], [' 127.0.0.1'], ['127.1'], ['127.0.0.1:53:53'], ['[::1']],
    ...[['127.0.0.1:5353'], ['[::1]'], ['[::1]:53'], ['[::1]:5353'], ['::1'], ['[127.0.0.1]:53'], ['[::1]x']],
    ...[['2001:DB8::A'], Array.from({ length: 20 }, (_, i) => `127.0.0.${i + 1}`)],
  ])('setServers(%o)', async servers => {
    await both(one => {
      one.setServers(servers);
      return one.getServers();
    });
  });
  test('a port that is none', () => {
    // Node 20 ends the process for it.
    for (const servers of [['127.0.0.1:65536'], ['[::1]:99999']]) {
      using one = new Resolver();
      expect(() => one.setServers(servers)).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_BAD_PORT' }));
    }
  });
  test('without servers nothing is found', async () => {
    using one = new Resolver();
    one.setServers([]);
    expect(await outcomeOf(() => one.resolve4(NAME))).toMatchObject({ rejected: { code: 'ECONNREFUSED' } });
  });
  test('servers cannot be set while queries are under way, addresses to ask from can', async () => {
    server.failing.set('silent.example', 'silence');
    const outcomes = await Promise.all(
      CLASSES.map(async Class => {
        const one = new Class({ timeout: 5000, tries: 1 });
        one.setServers([server.address]);
        const pending = outcomeOf(() => one.resolve4('silent.example'));
        const set = await outcomeOf(() => one.setServers(['127.0.0.2']));
        const before = (one.getServers() as string[]).length;
        one.setLocalAddress('127.0.0.1');
        one.cancel();
        const seen = [(set as { thrown: { code: string } }).thrown.code, before, await pending];
        one.setServers(['127.0.0.2']);
        seen.push(one.getServers());
        one.close?.();
        return seen;
      }),
    );
    expect(outcomes[0]).toEqual(outcomes[1]);
    expect(outcomes[0]).toContain('ERR_DNS_SET_SERVERS_FAILED');
  });

  test.each([
    ...[[], [undefined], [7], [null], ['127.0.0.1', null], ['127.0.0.1', 7], ['127.0.0.1', undefined]],
    ...[['x'], ['127.0.0.1', 'x'], [''], ['127.1']],
    ...[['127.0.0.1'], ['::1'], ['127.0.0.1', '::1'], ['::1', '127.0.0.1'], ['0.0.0.0'], ['::', '0.0.0.0']],
    ...[
      ['127.0.0.1', '127.0.0.1'],
      ['::1', '::1'],
    ],
  ])('setLocalAddress(%o)', async (...given) => {
    await both(one => one.setLocalAddress(...given));
  });
});
