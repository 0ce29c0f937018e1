// How long a denial is kept is what its SOA says to clients (RFC 2308 section 5): the lesser of the SOA's TTL and its
// MINIMUM, inside what the operator allows; from an upstream and from recursion alike.
import { describe, expect, test } from 'vitest';
import { Resolver } from '../../../lib/resolve/resolver.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { resolverOptionsOf, tunablesOf } from '../../../lib/server/settings/compile.js';
import { silentLogger } from '../../../lib/base/log.js';
import { Rcode } from '../../../lib/wire/iana.js';
import { Query } from '../../../lib/wire/query.js';
import { response, smallInternet } from '../../support/fake-internet.js';
import { decode, makeQuery, makeResponse, soa } from '../../support/messages.js';
import { setUpRecursor } from '../../support/recursor.js';
import { slowPath } from '../../support/slow-path.js';

interface Denier {
  /** Asks for a name or an alias (`alias.example.com`) of one that is denied. @returns the TTLs of answer and authority */
  ttls(name: string, shape?: object): Promise<{ answer: number[]; authority: number[] }>;
  advance(ms: number): Promise<void>;
  asked(): number;
}

const ttlsOf = (reply: Uint8Array): { answer: number[]; authority: number[] } => {
  const { answers, authorities } = decode(reply);
  const of = (list: typeof answers): number[] => list!.map(one => (one as { ttl: number }).ttl);
  return { answer: of(answers), authority: of(authorities) };
};

/** The native clock is moved, and runs on by itself. */
function expectNearly(ttls: number[], wanted: number[]): void {
  expect(ttls).toHaveLength(wanted.length);
  for (const [i, ttl] of ttls.entries()) {
    expect(ttl).toBeLessThanOrEqual(wanted[i]);
    expect(ttl).toBeGreaterThan(wanted[i] - 5);
  }
}

function forwarder(ttl: number, minimum: number, options: ServerOptions, nodata: boolean): Denier {
  const t = slowPath(
    query =>
      makeResponse(query, {
        rcode: nodata ? Rcode.NOERROR : Rcode.NXDOMAIN,
        answers: new Query(query).nameText.startsWith('alias.')
          ? [{ type: 'CNAME', name: 'alias.example.com', ttl: 900, data: 'none.example.com' }]
          : [],
        authorities: [soa('example.com', ttl, minimum)],
      }),
    options,
  );
  return {
    ttls: async (name, shape) => ttlsOf((await t.told(name, shape)).reply),
    advance: t.advance,
    asked: () => t.udp.asked.length,
  };
}

function recursor(ttl: number, minimum: number, options: ServerOptions, nodata: boolean): Denier {
  const { cache } = readOptions(options);
  const internet = smallInternet();
  const parts = setUpRecursor(
    {
      negativeMinTtl: cache.negativeMinTtlSeconds,
      negativeMaxTtl: cache.negativeMaxTtlSeconds,
      minTtl: cache.minTtlSeconds,
      maxTtl: cache.maxTtlSeconds,
      qnameMinimisation: 'off',
    },
    internet,
  );
  internet.override = (server, name, type) =>
    server === '192.0.2.10'
      ? response(name, type, {
          rcode: nodata ? Rcode.NOERROR : Rcode.NXDOMAIN,
          answer: name.startsWith('alias.') ? 'alias.example.com. 900 CNAME none.example.com.' : undefined,
          authority: `example.com. ${ttl} SOA ns.example. h.example. 1 2 3 4 ${minimum}`,
        })
      : undefined;
  const t = slowPath(() => undefined, options);
  const settings = readOptions(options);
  t.engine.configure(tunablesOf(settings));
  const resolver = new Resolver({
    engine: t.engine,
    exchanger: t.exchanger,
    clock: parts.clock,
    log: silentLogger,
    hooks: {},
    groups: new Map(),
    options: resolverOptionsOf(settings),
  });
  resolver.recursor = parts.recursor;
  let shifted = 0;
  return {
    ttls: async (name, shape) => {
      const message = makeQuery(name, shape);
      const resolution = await resolver.resolve(new Query(message), { protocol: 'udp' });
      const length = resolver.finish(new Query(message), resolution, true);
      return ttlsOf(t.engine.reply.slice(0, length));
    },
    advance: async ms => {
      t.engine.native.shiftClock((shifted += ms));
      await parts.pass(ms);
    },
    asked: () => parts.internet.asked.length,
  };
}

/** The most of any answer is less than the least of a denial. */
const LESS_THAN_LEAST = { maxTtlSeconds: 60, negativeMinTtlSeconds: 120 };

describe.each([
  ['an upstream', forwarder],
  ['recursion', recursor],
] as const)('from %s', (_, make) => {
  describe.each([
    ['NXDOMAIN', false],
    ['NODATA', true],
  ] as const)('%s', (__, nodata) => {
    test.each([
      ['the SOA’s TTL, where that is less', 20, 600, {}, 20],
      ['MINIMUM, where that is less', 600, 30, {}, 30],
      ['what the operator allows at most', 600, 900, { negativeMaxTtlSeconds: 60 }, 60],
      ['what the operator allows any answer at most', 600, 900, { maxTtlSeconds: 60 }, 60],
      ['what the operator allows any answer at most, under a minimum that is more', 600, 30, LESS_THAN_LEAST, 60],
      ['what the operator wants at least, beyond MINIMUM', 600, 30, { negativeMinTtlSeconds: 120 }, 120],
      ['what the operator wants at least, beyond the SOA’s TTL', 20, 600, { negativeMinTtlSeconds: 120 }, 120],
      ['the SOA’s TTL under a minimum that is less', 300, 300, { negativeMinTtlSeconds: 120 }, 300],
    ])('is kept and shown for %s', async (___, ttl, minimum, cache, seconds) => {
      const t = make(ttl, minimum, { cache }, nodata);
      expect((await t.ttls('none.example.com')).authority).toEqual([seconds]);
      const asked = t.asked();
      await t.advance((seconds - 5) * 1000);
      expectNearly((await t.ttls('none.example.com')).authority, [5]);
      expect(t.asked()).toBe(asked);
      await t.advance(6000);
      expect((await t.ttls('none.example.com')).authority).toEqual([seconds]);
      expect(t.asked()).toBeGreaterThan(asked);
    });

    test.each([
      ['TTL', 0, 600],
      ['MINIMUM', 600, 0],
    ])('of %s zero is told and not kept, under any minimum', async (___, ttl, minimum) => {
      const t = make(ttl, minimum, { cache: { negativeMinTtlSeconds: 120 } }, nodata);
      expect((await t.ttls('none.example.com')).authority).toEqual([0]);
      const asked = t.asked();
      await t.ttls('none.example.com');
      expect(t.asked()).toBeGreaterThan(asked);
    });

    test('at the end of an alias ends the whole, and the alias keeps its own TTL', async () => {
      const t = make(600, 30, { cache: { negativeMinTtlSeconds: 120 } }, nodata);
      expect(await t.ttls('alias.example.com')).toEqual({ answer: [900], authority: [120] });
      await t.advance(20_000);
      const { answer, authority } = await t.ttls('alias.example.com');
      expectNearly([...answer, ...authority], [880, 100]);
    });
  });

  test('what is derived from a denial for another type shows what is left of it', async () => {
    const t = make(600, 30, { cache: { negativeMinTtlSeconds: 120 } }, false);
    await t.ttls('none.example.com');
    const asked = t.asked();
    await t.advance(20_000);
    expectNearly((await t.ttls('none.example.com', { type: 'AAAA' })).authority, [100]);
    expectNearly((await t.ttls('x.none.example.com')).authority, [100]);
    expect(t.asked()).toBe(asked);
  });
});
