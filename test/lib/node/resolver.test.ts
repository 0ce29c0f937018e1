// Resolver beside Node's own on the same server: the same answers and the same errors.
import dns from 'node:dns';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DnsClient } from '../../../lib/node/client.js';
import { Resolver } from '../../../lib/node/resolver.js';
import { DnsServer } from '../../support/dns-server.js';

const N = 'every.example';
let server: DnsServer;
let ours: Resolver;
let theirs: dns.promises.Resolver;
beforeEach(async () => {
  server = await DnsServer.start({
    [N]: {
      A: [
        { type: 'A', name: N, ttl: 60, data: '192.0.2.1' },
        { type: 'A', name: N, ttl: 60, data: '192.0.2.2' },
      ],
      AAAA: [{ type: 'AAAA', name: N, ttl: 70, data: '2001:db8::1' }],
      CAA: [
        { type: 'CAA', name: N, ttl: 60, data: { issuerCritical: false, tag: 'issue', value: 'ca.example' } as never },
        { type: 'CAA', name: N, ttl: 60, data: { flags: 128, tag: 'iodef', value: 'mailto:a@b.example' } as never },
      ],
      MX: [{ type: 'MX', name: N, ttl: 60, data: { preference: 10, exchange: 'mail.every.example' } }],
      NAPTR: [
        {
          type: 'NAPTR',
          name: N,
          ttl: 60,
          data: {
            order: 1,
            preference: 2,
            flags: 's',
            services: 'SIP+D2U',
            regexp: '',
            replacement: '_sip._udp.example',
          },
        } as never,
      ],
      NS: [{ type: 'NS', name: N, ttl: 60, data: 'ns.every.example' }],
      PTR: [{ type: 'PTR', name: N, ttl: 60, data: 'pointed.example' }],
      SOA: [
        {
          type: 'SOA',
          name: N,
          ttl: 60,
          data: {
            mname: 'ns.every.example',
            rname: 'root.every.example',
            serial: 4_000_000_000,
            refresh: 3600,
            retry: 600,
            expire: 86_400,
            minimum: 60,
          },
        },
      ],
      SRV: [
        { type: 'SRV', name: N, ttl: 60, data: { priority: 1, weight: 2, port: 5060, target: 'sip.every.example' } },
      ],
      TLSA: [
        {
          type: 'TLSA',
          name: N,
          ttl: 60,
          data: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from('ab'.repeat(32), 'hex') },
        } as never,
      ],
      TXT: [
        { type: 'TXT', name: N, ttl: 60, data: ['one', 'two'] },
        { type: 'TXT', name: N, ttl: 60, data: 'ünï' },
      ],
    },
    'alias.example': { CNAME: [{ type: 'CNAME', name: 'alias.example', ttl: 30, data: N }] },
    '1.2.0.192.in-addr.arpa': { PTR: [{ type: 'PTR', name: '1.2.0.192.in-addr.arpa', ttl: 60, data: 'back.example' }] },
    '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.f.f.f.f.1.0.0.2.ip6.arpa': {
      PTR: [
        {
          type: 'PTR',
          name: '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.f.f.f.f.1.0.0.2.ip6.arpa',
          ttl: 60,
          data: 'back6.example',
        },
      ],
    },
  });
  theirs = new dns.promises.Resolver({ timeout: 20_000, tries: 1 });
  ours = new Resolver({ timeout: 20_000, tries: 1 });
  for (const one of [ours, theirs]) one.setServers([server.address]);
});
afterEach(() => {
  ours.close();
  theirs.cancel();
  server.close();
});

type Outcome = { value?: unknown; code?: string; syscall?: string; hostname?: string; message?: string };
const outcomeOf = (call: () => Promise<unknown>): Promise<Outcome> =>
  call().then(
    value => ({ value }),
    ({ code, syscall, hostname, message }: Outcome) => ({ code, syscall, hostname, message }),
  );
const sorted = (outcome: Outcome): Outcome =>
  Array.isArray(outcome.value)
    ? { value: outcome.value.map(one => JSON.stringify(one, Object.keys(one as object).sort())).sort() }
    : outcome;
/** The same method of both, twice each: from the server and from the cache. */
async function same(method: string, ...args: unknown[]): Promise<Outcome> {
  const call = (on: object) => () => (on as Record<string, (...list: unknown[]) => Promise<unknown>>)[method](...args);
  const expected = await outcomeOf(call(theirs));
  for (let round = 0; round < 2; round++) {
    expect(sorted(await outcomeOf(call(ours)))).toEqual(sorted(expected));
  }
  return expected;
}

const TYPES = ['A', 'AAAA', 'CAA', 'CNAME', 'MX', 'NAPTR', 'NS', 'PTR', 'SOA', 'SRV', 'TXT'];
const METHODS = ['4', '6', 'Caa', 'Cname', 'Mx', 'Naptr', 'Ns', 'Ptr', 'Soa', 'Srv', 'Txt'].map(
  name => `resolve${name}`,
);

describe('as Node answers', () => {
  test('it is a dns.promises.Resolver', () => {
    expect(ours).toBeInstanceOf(dns.promises.Resolver);
  });
  test.each(METHODS)('%s', async method => {
    const host = method === 'resolveCname' ? 'alias.example' : N;
    expect(await same(method, host)).toHaveProperty('value');
  });
  test.each(TYPES)('resolve of type %s', async type => {
    expect(await same('resolve', type === 'CNAME' ? 'alias.example' : N, type)).toHaveProperty('value');
  });
  test('resolve without a type is A', async () => {
    expect(await same('resolve', N)).toEqual({ value: ['192.0.2.1', '192.0.2.2'] });
  });
  test('addresses with their TTLs, no longer than the alias that leads to them', async () => {
    await same('resolve4', N, { ttl: true });
    await same('resolve6', N, { ttl: true });
    await same('resolve4', 'alias.example', { ttl: true });
  });
  test('resolveAny', async () => {
    // Types that Node leaves out of ANY are left out of the comparison.
    const pick = (list: object[]): string[] =>
      (list as { type: string }[])
        .filter(one => ['A', 'AAAA', 'MX', 'NS', 'TXT', 'SOA', 'SRV', 'PTR', 'NAPTR'].includes(one.type))
        .map(one => JSON.stringify(one, Object.keys(one).sort()))
        .sort();
    expect(pick(await ours.resolveAny(N))).toEqual(pick((await theirs.resolveAny(N)) as object[]));
  });
  test('resolveTlsa', async () => {
    const [record] = await ours.resolveTlsa(N);
    expect(record).toMatchObject({ certUsage: 3, selector: 1, match: 1 });
    expect(Buffer.from(record.data).toString('hex')).toBe('ab'.repeat(32));
    const node = theirs as unknown as { resolveTlsa?: (name: string) => Promise<unknown[]> };
    if (node.resolveTlsa) expect([record]).toEqual(await node.resolveTlsa(N));
  });
  test('reverse of both families', async () => {
    expect(await same('reverse', '192.0.2.1')).toEqual({ value: ['back.example'] });
    expect(await same('reverse', '2001:ffff::1')).toEqual({ value: ['back6.example'] });
  });
});

describe('as Node fails', () => {
  test.each([...METHODS, 'resolveAny'])('%s of a name that does not exist', async method => {
    expect(await same(method, 'missing.example')).toMatchObject({ code: 'ENOTFOUND' });
  });
  test.each(METHODS.filter(method => method !== 'resolve4'))('%s of a name without such records', async method => {
    server.names['bare.example'] = { A: [{ type: 'A', name: 'bare.example', ttl: 60, data: '192.0.2.1' }] };
    expect(await same(method, 'bare.example')).toMatchObject({ code: 'ENODATA', syscall: expect.any(String) });
  });
  test('SERVFAIL and REFUSED', async () => {
    server.failing.set('broken.example', 2);
    server.failing.set('closed.example', 5);
    expect(await same('resolve4', 'broken.example')).toMatchObject({ code: 'ESERVFAIL', syscall: 'queryA' });
    expect(await same('resolveMx', 'closed.example')).toMatchObject({ code: 'EREFUSED', syscall: 'queryMx' });
  });
  test('silence is ETIMEOUT', async () => {
    server.failing.set('silent.example', 'silence');
    const call = { code: 'ETIMEOUT', syscall: 'queryA', hostname: 'silent.example' };
    const impatient = { timeout: 300, tries: 1 };
    using mine = new Resolver(impatient);
    for (const one of [new dns.promises.Resolver(impatient), mine]) {
      one.setServers([server.address]);
      expect(await outcomeOf(() => one.resolve4('silent.example'))).toMatchObject(call);
    }
  });
  test('a name that cannot be is EBADNAME', async () => {
    expect(await same('resolve4', `${'x'.repeat(64)}.example`)).toMatchObject({ code: 'EBADNAME' });
    expect(await same('resolve4', 'a..example')).toMatchObject({ code: 'EBADNAME' });
  });
  test('reverse of nothing known, and of what is no address', async () => {
    expect(await same('reverse', '192.0.2.99')).toMatchObject({ code: 'ENOTFOUND', syscall: 'getHostByAddr' });
    const invalid = await outcomeOf(async () => ours.reverse('nonsense'));
    expect(invalid).toMatchObject({ code: 'EINVAL', syscall: 'getHostByAddr', hostname: 'nonsense' });
  });
  test('cancel ends what is under way with ECANCELLED', async () => {
    server.failing.set('silent.example', 'silence');
    const pending = [ours, theirs].map(one => outcomeOf(() => one.resolve4('silent.example')));
    ours.cancel();
    theirs.cancel();
    const [mine, nodes] = await Promise.all(pending);
    expect(mine).toEqual(nodes);
    expect(mine.code).toBe('ECANCELLED');
  });
  test('a signal ends one call, or all of a resolver', async () => {
    server.failing.set('silent.example', 'silence');
    const one = new AbortController();
    const call = outcomeOf(() => ours.resolve4('silent.example', { signal: one.signal }));
    one.abort();
    expect((await call).message).toMatch(/abort/);
    const whole = new AbortController();
    using other = new Resolver({ client: ours.client, signal: whole.signal });
    const both = ['resolve4', 'resolveMx'].map(name => outcomeOf(() => other[name as 'resolve4']('silent.example')));
    whole.abort();
    for (const outcome of await Promise.all(both)) expect(outcome.code).toBe('ECANCELLED');
  });
});

describe('settings', () => {
  test('getServers gives what setServers took', () => {
    const list = ['192.0.2.1', '192.0.2.2:5353', '2001:db8::1', '[2001:db8::2]:5353'];
    ours.setServers(list);
    theirs.setServers(list);
    expect(ours.getServers()).toEqual(theirs.getServers());
  });
  test('resolvers may share a client, and with it a cache', async () => {
    using client = new DnsClient({ servers: [server.address], memory: '1MiB' });
    using one = new Resolver({ client });
    using two = new Resolver({ client });
    await one.resolve4(N);
    await two.resolve4(N);
    expect(server.countOf(N)).toBe(1);
  });
  test('setLocalAddress decides where queries come from', async () => {
    ours.setLocalAddress('127.0.0.1');
    expect(await ours.resolve4(N)).toHaveLength(2);
    ours.setLocalAddress('192.0.2.123'); // not an address of this machine
    expect(await outcomeOf(() => ours.resolve4('other.example'))).toHaveProperty('code');
  });
});
