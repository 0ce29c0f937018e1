// `secure`: what programs are told of answers that have to be proven, by their own validation or by servers they trust.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { DnsCache } from '../../../lib/cache/dns-cache.js';
import { CachedLookup } from '../../../lib/node/cached-lookup.js';
import { DnsClient } from '../../../lib/node/client.js';
import type { InsecureError } from '../../../lib/node/errors.js';
import type { LookupAddress, LookupAllOptions } from '../../../lib/node/lookup-call.js';
import type { LookupOptions } from '../../../lib/node/options.js';
import { Resolver } from '../../../lib/node/resolver.js';
import { Query } from '../../../lib/wire/query.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { answerOf, type Said, tampered } from '../../support/signed-internet.js';
import { NOW, SignedTree } from '../../support/signed-tree.js';

const SHA256 = 'ab'.repeat(32);
const tree = new SignedTree({
  '.': {},
  'shop.': {
    lines: [
      'www.shop. 300 A 192.0.2.80',
      'alias.shop. 300 CNAME www.plain.',
      '80.shop. 300 PTR www.shop.',
      `_443._tcp.www.shop. 300 TLSA 3 1 1 ${SHA256}`,
    ],
  },
  'plain.': { unsigned: true, lines: ['www.plain. 300 A 192.0.2.81'] },
});
const ANCHOR = tree.signed('.').anchor;

const open: Disposable[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one[Symbol.dispose]();
});

interface World {
  lie?: (said: Said) => Said;
  ad?: (query: Query) => boolean;
}
/** A network whose only server answers from the signed zones, and what was asked of it. */
function network(world: World = {}) {
  const clock = new FakeClock();
  clock.wall = NOW;
  const asked: Query[] = [];
  const transport = new FakeTransport(clock, octets => {
    const query = new Query(octets);
    asked.push(query);
    return answerOf(tree, query, world);
  });
  return { clock, asked, dependencies: { clock, udpTransport: transport, tcpTransport: transport } };
}
const OFFLINE: LookupOptions = { servers: ['192.0.2.1'], resolvConf: false, hostsFile: false };

function start(options: LookupOptions, world: World = {}) {
  const net = network(world);
  const proof = options.trustAd === true ? {} : { trustAnchors: [ANCHOR] };
  const client = new DnsClient({ ...OFFLINE, ...proof, ...options }, net.dependencies);
  open.push(client);
  return { ...net, client, resolver: new Resolver({ client }) };
}
const reporting = (world?: World) => {
  const { client, ...rest } = start({ secure: 'report' }, world);
  return { ...rest, client, resolver: new Resolver({ client, secure: 'report' }) };
};
const failure = (promise: Promise<unknown>): Promise<InsecureError & { secure?: boolean }> =>
  promise.then(
    value => Promise.reject(new Error(`it was told ${JSON.stringify(value)}`)),
    (error: InsecureError) => error,
  );

describe('a Resolver that reports', () => {
  test('says of each result whether it is secure, from servers and from the cache, in what Node gives as ever', async () => {
    const { resolver } = reporting();
    for (let round = 0; round < 2; round++) {
      const secure = await resolver.resolve4('www.shop');
      expect(secure).toEqual(['192.0.2.80']);
      expect(Object.keys(secure)).toEqual(['0']);
      expect(secure.secure).toBe(true);
      const plain = await resolver.resolve4('www.plain', { ttl: true });
      expect(plain).toEqual([{ address: '192.0.2.81', ttl: 300 }]);
      expect(plain.secure).toBe(false);
    }
    expect((await resolver.resolveSoa('shop')).secure).toBe(true);
    expect((await resolver.resolveAny('www.shop')).secure).toBe(true);
    expect((await resolver.resolveAny('www.plain')).secure).toBe(false);
  });

  test('says of an alias that leads out of what is signed that it is not secure', async () => {
    const { resolver } = reporting();
    expect((await resolver.resolve4('alias.shop')).secure).toBe(false);
  });

  test('says of a denial whether it is proven', async () => {
    const { resolver } = reporting();
    expect(await failure(resolver.resolve4('none.shop'))).toMatchObject({ code: 'ENOTFOUND', secure: true });
    expect(await failure(resolver.resolveMx('www.shop'))).toMatchObject({ code: 'ENODATA', secure: true });
    expect(await failure(resolver.resolve4('none.plain'))).toMatchObject({ code: 'ENOTFOUND', secure: false });
  });

  test('tells nobody what does not prove itself, and why', async () => {
    const { resolver } = reporting({ lie: tampered });
    for (let round = 0; round < 2; round++) {
      const error = await failure(resolver.resolve4('www.shop'));
      expect(error).toMatchObject({ code: 'ESERVFAIL', message: 'queryA ESERVFAIL www.shop' });
      expect((error.cause as Error).message).toContain('a signature that does not verify');
    }
  });

  test('asks its servers with DO and CD, and believes nobody who only says AD', async () => {
    const { resolver, asked } = reporting({ ad: () => true });
    expect((await resolver.resolve4('www.plain')).secure).toBe(false);
    expect(asked.every(one => one.dnssecOk && one.checkingDisabled)).toBe(true);
  });

  test('counts what this machine says itself as secure', async () => {
    const { resolver, asked } = reporting();
    expect((await resolver.resolve4('localhost')).secure).toBe(true);
    expect((await resolver.resolveAny('localhost')).secure).toBe(true);
    expect(await failure(resolver.resolve4('shop.invalid'))).toMatchObject({ code: 'ENOTFOUND', secure: true });
    expect(asked).toEqual([]);
  });
});

describe('what is required to be secure', () => {
  test('is as ever where it is', async () => {
    const { resolver } = start({ secure: 'required' });
    const [record] = await resolver.resolveTlsa('_443._tcp.www.shop');
    expect({ ...record, data: Buffer.from(record.data).toString('hex') }).toEqual({
      certUsage: 3,
      selector: 1,
      match: 1,
      data: SHA256,
    });
  });

  test('is an error of its own where no zone has signed it, also of what is denied', async () => {
    const { resolver } = start({ secure: 'required' });
    const error = await failure(resolver.resolve4('www.plain'));
    expect(error).toMatchObject({ code: 'EINSECURE', syscall: 'queryA', hostname: 'www.plain', bogus: false });
    expect(error.message).toBe('queryA EINSECURE www.plain: a delegation without DS');
    expect(error.reason).toBe('a delegation without DS');
    expect(await failure(resolver.resolve4('none.plain'))).toMatchObject({ code: 'EINSECURE' });
    expect(await failure(resolver.resolve4('none.shop'))).toMatchObject({ code: 'ENOTFOUND', secure: true });
  });

  test('is that error, with the extended error, where it is forged', async () => {
    const { resolver } = start({ secure: 'required' }, { lie: tampered });
    for (let round = 0; round < 2; round++) {
      const error = await failure(resolver.resolve4('www.shop'));
      expect(error).toMatchObject({ code: 'EINSECURE', bogus: true, extendedError: 6 });
      expect(error.reason).toContain('a signature that does not verify');
    }
  });

  test('is that error below a negative trust anchor', async () => {
    const { resolver } = start({ secure: 'required', negativeTrustAnchors: ['shop'] });
    expect(await failure(resolver.resolve4('www.shop'))).toMatchObject({
      code: 'EINSECURE',
      reason: 'a negative trust anchor at shop.',
    });
  });

  test('is that error without DNSSEC of the server, which is no downgrade', async () => {
    const stripped = (said: Said): Said => ({
      ...said,
      answer: said.answer.map(one => ({ ...one, signatures: [] })),
      authority: [],
    });
    const { resolver } = start({ secure: 'required' }, { lie: stripped });
    const error = await failure(resolver.resolve4('www.shop'));
    expect(error.code).toBe('EINSECURE');
    expect(error.bogus).toBe(true);
  });
});

describe('trustAd', () => {
  test('believes the AD of servers that are named, asks for it, and validates nothing', async () => {
    const { resolver, asked } = start(
      { secure: 'required', trustAd: true },
      { ad: one => one.nameText === 'www.shop.' },
    );
    for (let round = 0; round < 2; round++) {
      expect(await resolver.resolve4('www.shop')).toEqual(['192.0.2.80']);
      expect(await failure(resolver.resolve4('www.plain'))).toMatchObject({
        code: 'EINSECURE',
        reason: 'its server does not say that it is (AD)',
      });
    }
    expect(asked.map(one => one.nameText)).toEqual(['www.shop.', 'www.plain.']);
    expect(asked.every(one => one.authenticData && !one.dnssecOk)).toBe(true);
  });

  test('believes those of resolv.conf while it says trust-ad', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shardns-secure-'));
    const file = join(folder, 'resolv.conf');
    const write = (options: string): void => writeFileSync(file, `nameserver 192.0.2.1\n${options}\n`);
    try {
      write('options trust-ad edns0');
      const options = { secure: 'report', trustAd: true, servers: undefined, resolvConf: file } as const;
      const { client, clock, asked } = start(options, { ad: () => true });
      const resolver = new Resolver({ client, secure: 'report' });
      expect((await resolver.resolve4('www.shop')).secure).toBe(true);
      write('');
      const isSecure = async (): Promise<boolean> => {
        clock.advance(2000); // the file is looked at once a second
        return (await resolver.resolve4('www.shop')).secure;
      };
      await expect.poll(isSecure).toBe(false);
      expect(asked.length).toBe(2);
      write('options trust-ad');
      await expect.poll(isSecure).toBe(true);
      // What was said while nobody called the server trusted was asked for again.
      expect(asked.length).toBe(3);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('is not answered by what has expired', async () => {
    let silent = false;
    const lie = (said: Said): Said => {
      if (silent) throw new Error('unreachable');
      return said;
    };
    const { client, resolver } = start({ secure: 'required', trustAd: true }, { lie, ad: () => true });
    expect(await resolver.resolve4('www.shop')).toEqual(['192.0.2.80']);
    silent = true;
    client.engine.native.shiftClock(301_000);
    expect(await failure(resolver.resolve4('www.shop'))).toMatchObject({ code: 'ECONNREFUSED' });
  });

  test("tells the server's own reason for refusing what is bogus", async () => {
    const { resolver } = start(
      { secure: 'required', trustAd: true },
      { lie: said => ({ ...said, rcode: 2, answer: [] }) },
    );
    expect(await failure(resolver.resolve4('www.shop'))).toMatchObject({ code: 'ESERVFAIL' });
  });
});

describe('lookup', () => {
  const lookupOf = (options: LookupOptions, world?: World) => {
    const net = network(world);
    const cached = new CachedLookup({ ...OFFLINE, trustAnchors: [ANCHOR], ...options }, net.dependencies);
    open.push(cached);
    return { ...net, cached, lookup: promisify(cached.lookup) };
  };

  test('reports beside each address, also of what was decoded a moment ago', async () => {
    const { cached, lookup } = lookupOf({ secure: 'report' });
    for (let round = 0; round < 3; round++) {
      expect(await lookup('www.shop', { all: true })).toEqual([{ address: '192.0.2.80', family: 4, secure: true }]);
      expect(await lookup('www.plain')).toEqual({ address: '192.0.2.81', family: 4, secure: false });
    }
    const told = await new Promise<unknown[]>(resolve =>
      cached.lookup('www.shop', { family: 4 }, (...all) => resolve(all)),
    );
    expect(told).toEqual([null, '192.0.2.80', 4, true]);
    expect(await failure(lookup('none.shop'))).toMatchObject({ code: 'ENOTFOUND', errno: -3008, secure: true });
    expect(await failure(lookup('none.plain'))).toMatchObject({ code: 'ENOTFOUND', secure: false });
  });

  test('fails where it has to be secure and is not', async () => {
    const { lookup } = lookupOf({ secure: 'required' });
    expect(await lookup('www.shop')).toEqual({ address: '192.0.2.80', family: 4, secure: true });
    for (let round = 0; round < 2; round++) {
      expect(await failure(lookup('www.plain'))).toMatchObject({
        code: 'EINSECURE',
        errno: -3004,
        syscall: 'getaddrinfo',
        message: 'getaddrinfo EINSECURE www.plain: a delegation without DS',
      });
    }
    expect(await failure(lookup('none.plain'))).toMatchObject({ code: 'EINSECURE' });
    expect(await failure(lookup('none.shop'))).toMatchObject({ code: 'ENOTFOUND' });
  });

  test('says of each call what that wants to hear, over one answer', async () => {
    const { lookup } = lookupOf({ secure: 'report' });
    expect(await lookup('www.plain')).toMatchObject({ secure: false });
    expect(await failure(lookup('www.plain', { secure: 'required' }))).toMatchObject({ code: 'EINSECURE' });
    const both = await Promise.allSettled([lookup('www.plain'), lookup('www.plain', { secure: 'required' })]);
    expect(both.map(one => one.status)).toEqual(['fulfilled', 'rejected']);
  });

  test('fails where it is forged', async () => {
    const { lookup } = lookupOf({ secure: 'required' }, { lie: tampered });
    expect(await failure(lookup('www.shop', { family: 4 }))).toMatchObject({ code: 'EINSECURE', bogus: true });
    const { lookup: reports } = lookupOf({ secure: 'report' }, { lie: tampered });
    expect(await failure(reports('www.shop', { family: 4 }))).toMatchObject({ code: 'EAI_AGAIN' });
  });

  test('counts addresses, the hosts file and localhost as secure', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shardns-secure-'));
    const hostsFile = join(folder, 'hosts');
    writeFileSync(hostsFile, '192.0.2.7 printer\n');
    try {
      const { lookup, asked } = lookupOf({ secure: 'required', hostsFile });
      const all: LookupAllOptions = { all: true, family: 4 };
      for (const name of ['192.0.2.9', 'printer', 'localhost']) {
        expect((await lookup(name, all)).map((one: LookupAddress) => one.secure)).toEqual([true]);
      }
      expect(asked).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('ends a connection before it begins where the name is not secure', async () => {
    const { cached } = lookupOf({ secure: 'required' });
    for (const autoSelectFamily of [false, true]) {
      const socket = net.connect({ host: 'www.plain', port: 1, lookup: cached.lookup, autoSelectFamily });
      const [error] = (await once(socket, 'error')) as [Error];
      expect(error).toMatchObject({ code: 'EINSECURE', hostname: 'www.plain' });
    }
  });

  test('asks ahead with the same proof', async () => {
    const { cached, lookup, asked } = lookupOf({ secure: 'required' });
    expect(await cached.warm(['www.shop A'])).toMatchObject({ done: 1, failed: 0 });
    const before = asked.length;
    expect(await lookup('www.shop', 4)).toMatchObject({ secure: true });
    expect(asked.length).toBe(before);
  });
});

describe('wrong options', () => {
  test.each([
    [{ secure: 'maybe' }, 'secure: expected one of "required", "report", got "maybe"'],
    [{ secure: 'report', trustAd: 1 }, 'trustAd: expected a boolean, got 1'],
    [{ trustAd: true }, 'trustAd: expected nothing where `secure` is not given, got true'],
    [{ trustAnchors: [ANCHOR] }, 'trustAnchors: expected nothing where `secure` is not given'],
    [
      { negativeTrustAnchors: ['corp'] },
      'negativeTrustAnchors: expected nothing where `secure` is not given, got "corp"',
    ],
    [{ secure: 'report', trustAnchors: ['. DS x'] }, 'trustAnchors.0: expected a DS or DNSKEY record'],
    [{ secure: 'report', trustAnchors: [] }, 'trustAnchors: expected a list of 1 to 256, got []'],
    [
      { secure: 'report', negativeTrustAnchors: ['a..b'] },
      'negativeTrustAnchors.0: expected a domain name, got "a..b"',
    ],
    [{ secure: 'report', trustAd: true, trustAnchors: [ANCHOR] }, 'trustAd: expected nothing beside trust anchors'],
  ])('%j are refused', (options, message) => {
    expect(() => new DnsClient({ ...OFFLINE, ...options } as LookupOptions)).toThrow(message);
  });

  test('an anchor that only the validator can tell is none is the error of what is asked', async () => {
    const { resolver } = start({ secure: 'report', trustAnchors: ['. DS 70000 8 2 ABCD'] });
    expect(await failure(resolver.resolve4('www.shop'))).toMatchObject({ code: 'ERR_SHARDNS_OPTION' });
  });

  test('a cache that others write to proves nothing', () => {
    using cache = DnsCache.create({ memory: '1MiB' });
    expect(() => new DnsClient({ ...OFFLINE, secure: 'report' }, { cache })).toThrow(
      'secure: expected nothing beside a cache that others have too (`cache`), got "report"',
    );
  });

  test('who validates nothing cannot be asked for it', () => {
    const { client } = start({ trustAnchors: undefined });
    expect(() => new Resolver({ client, secure: 'report' })).toThrow('needs a client that was made with `secure`');
    expect(() => new Resolver({ client, trustAd: true })).toThrow('options.client');
    expect(() => new Resolver({ secure: 'maybe' as never })).toThrow("'options.secure' must be one of");
    const cached = new CachedLookup(OFFLINE);
    open.push(cached);
    expect(() => cached.lookup('x', { secure: 'report' }, () => {})).toThrow('needs a CachedLookup');
  });
});

test('a Resolver with anchors of its own has a client of its own, which keeps them when its servers change', async () => {
  const { dependencies } = network();
  const resolver = new Resolver({ secure: 'required', trustAnchors: [ANCHOR] }, dependencies);
  open.push(resolver);
  resolver.setServers(['192.0.2.1']);
  expect((await resolver.resolve4('www.shop')).secure).toBe(true);
  resolver.setServers(['192.0.2.2']);
  expect((await resolver.resolve4('www.shop')).secure).toBe(true);
  expect(await failure(resolver.resolve4('www.plain'))).toMatchObject({ code: 'EINSECURE' });
});
