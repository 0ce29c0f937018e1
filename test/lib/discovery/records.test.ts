// What is read of records, and what is not believed: SRV, SVCB, HTTPS, DNS-SD, addresses, metadata; hostile answers.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DiscoverOptions } from '../../../lib/discovery/options.js';
import { Rcode } from '../../../lib/wire/iana.js';
import { ids, type Line, ServiceDns } from '../../support/service-dns.js';

const NAME = '_http._tcp.orders.example';
let dns: ServiceDns;
beforeEach(() => {
  dns = new ServiceDns();
});
afterEach(() => dns.close());

describe('SRV records', () => {
  test('port 0 and a root among targets are no endpoints', async () => {
    dns.names.set(NAME, [
      ['SRV', '0 0 0 a.example.'],
      ['SRV', '0 0 80 .'],
      ['SRV', '0 0 80 b.example.'],
    ]);
    dns.names.set('b.example', [['A', '10.0.0.1']]);
    const service = await dns.discover(NAME);
    expect(ids(service)).toEqual(['b.example:80']);
    expect(service.report().ignored).toMatchObject({ unusable: 2 });
  });
  test('a set of nothing but port 0 is missing, with that reason', async () => {
    dns.names.set(NAME, [['SRV', '0 0 0 a.example.']]);
    await expect(dns.tryToDiscover(NAME)).rejects.toThrow(/port 0/);
  });
  test('two ports of a target are two endpoints, the same twice is one, by its lowest priority', async () => {
    dns.names.set(NAME, [
      ['SRV', '5 1 80 a.example.'],
      ['SRV', '5 1 81 a.example.'],
      ['SRV', '1 9 80 A.EXAMPLE.'],
    ]);
    dns.names.set('a.example', [['A', '10.0.0.1']]);
    const service = await dns.discover(NAME);
    expect(ids(service)).toEqual(['a.example:80', 'a.example:81']);
    expect(service.endpoints.find(one => one.port === 80)).toMatchObject({ priority: 1, weight: 9 });
  });
  test('a target that is an alias is followed, though it must not be one', async () => {
    dns.names.set(NAME, [['SRV', '0 0 80 a.example.']]);
    dns.names.set('a.example', [['CNAME', 'b.example.']]);
    dns.names.set('b.example', [['A', '10.0.0.7']]);
    const service = await dns.discover(NAME);
    expect(service.pick()).toMatchObject({ host: 'a.example', address: '10.0.0.7' });
  });
  test('300 targets come over TCP, with all their addresses in the same response', async () => {
    dns.service(NAME, 300);
    const service = await dns.discover(NAME);
    expect(service.size).toBe(300);
    expect(new Set(dns.asked)).toEqual(new Set([`${NAME} SRV`]));
  });
  test('no more than maxEndpoints are kept, those of the lowest priority', async () => {
    dns.names.set(NAME, [
      ['SRV', '2 0 80 a.example.'],
      ['SRV', '1 0 80 b.example.'],
      ['SRV', '3 0 80 c.example.'],
    ]);
    for (const host of ['a', 'b', 'c']) dns.names.set(`${host}.example`, [['A', '10.0.0.1']]);
    const service = await dns.discover(NAME, { maxEndpoints: 2 });
    expect(ids(service)).toEqual(['a.example:80', 'b.example:80']);
    expect(service.report().ignored.over).toBe(1);
  });
  test('additional records of others than its targets are not believed', async () => {
    dns.names.set(NAME, [['SRV', '0 0 80 a.example.']]);
    dns.names.set('a.example', [['A', '10.0.0.1']]);
    dns.additional.set(NAME, [
      ['bank.example', ['A', '10.6.6.6']],
      ['b.a.example', ['A', '10.6.6.6']],
    ]);
    const service = await dns.discover(NAME);
    expect(service.pick().addresses).toEqual(['10.0.0.1']);
  });
  test('targets outside of the domain are passed over where `within` says so', async () => {
    dns.names.set(NAME, [
      ['SRV', '0 0 80 a.example.'],
      ['SRV', '0 0 80 a.evil.test.'],
      ['SRV', '0 0 80 notexample.'],
    ]);
    for (const host of ['a.example', 'a.evil.test', 'notexample']) dns.names.set(host, [['A', '10.0.0.1']]);
    const service = await dns.discover(NAME, { within: 'example' });
    expect(ids(service)).toEqual(['a.example:80']);
    expect(service.report().ignored.outside).toBe(2);
  });
  test('certificates for targets bind these to the parent domain, unless the set has to be proven', async () => {
    dns.names.set('_http._tcp.orders.shop.example', [
      ['SRV', '0 0 80 a.shop.example.'],
      ['SRV', '0 0 80 a.evil.test.'],
    ]);
    for (const host of ['a.shop.example', 'a.evil.test']) dns.names.set(host, [['A', '10.0.0.1']]);
    const service = await dns.discover('_http._tcp.orders.shop.example', { servername: 'target' });
    expect(ids(service)).toEqual(['a.shop.example:80']);
  });
  test('an endpoint whose address nobody can tell now keeps the ones it had; a new one waits', async () => {
    dns.names.set(NAME, [['SRV', '0 0 80 a.example.', 5]]);
    dns.names.set('a.example', [['A', '10.0.0.1', 1]]);
    const service = await dns.discover(NAME);
    dns.names.set('a.example', Rcode.SERVFAIL);
    dns.names.set('b.example', Rcode.SERVFAIL);
    dns.names.set(NAME, [
      ['SRV', '0 0 80 a.example.', 5],
      ['SRV', '0 0 80 b.example.', 5],
    ]);
    await dns.advance(8000);
    expect(ids(service)).toEqual(['a.example:80']);
    expect(service.pick().address).toBe('10.0.0.1');
    dns.names.set('b.example', [['A', '10.0.0.2']]);
    await dns.advance(60_000);
    expect(ids(service)).toEqual(['a.example:80', 'b.example:80']);
  });
  test('a name below which nothing but "_" labels are is refused, as are addresses and bad labels', async () => {
    for (const name of ['_http._tcp', '192.0.2.1', 'a..example', '', 7 as never]) {
      await expect(dns.tryToDiscover(name)).rejects.toMatchObject({ code: 'ERR_SHARDNS_OPTION' });
    }
  });
  test('so is a URL, or a name with a port', async () => {
    for (const name of ['http://orders.example', 'orders.example:8080', 'orders.example/x', '[::1]', '::1']) {
      await expect(dns.tryToDiscover(name)).rejects.toThrow(/^name: expected .*without scheme and port/);
    }
  });
});

describe('other records', () => {
  test('a name without "_" and a port: every address is an endpoint', async () => {
    dns.names.set('pods.example', [
      ['A', '10.0.0.1'],
      ['A', '10.0.0.2'],
      ['AAAA', '2001:db8::1'],
    ]);
    const service = await dns.discover('pods.example', { port: 8080 });
    expect(ids(service)).toEqual(['10.0.0.1:8080', '10.0.0.2:8080', '[2001:db8::1]:8080']);
    expect(service.endpoints.every(one => one.host === 'pods.example')).toBe(true);
  });
  test('100 pods of a headless service are 100 endpoints', async () => {
    dns.names.set(
      'pods.example',
      Array.from({ length: 100 }, (_, i) => ['A', `10.0.1.${i}`]),
    );
    expect((await dns.discover('pods.example', { port: 80 })).size).toBe(100);
  });
  test('SRV first, then addresses of the host where a port is given', async () => {
    dns.names.set('orders.example', [['A', '10.0.0.1']]);
    const service = await dns.discover(NAME, { port: 8080 });
    expect(ids(service)).toEqual(['10.0.0.1:8080']);
    expect(service.report().records).toBe('address');
  });
  test.each<[string, string, Line, string, DiscoverOptions]>([
    ['SRV', NAME, ['SRV', '0 0 8443 a.example.'], 'orders.example', { port: 8080 }],
    ['HTTPS', 'web.example', ['HTTPS', '1 a.example. port=8443'], 'web.example', {}],
  ])('%s records that were away are used again when they are back', async (_type, name, line, host, options) => {
    dns.names.set('a.example', [['A', '10.0.0.9']]);
    dns.names.set(host, [['A', '10.0.0.1']]);
    const set = (lines: Line[]): void => {
      dns.names.set(name, name === host ? [...lines, ['A', '10.0.0.1']] : lines);
    };
    set([line]);
    const service = await dns.discover(name, options);
    expect(ids(service)).toEqual(['a.example:8443']);
    set([]);
    await dns.advance(12_000);
    expect(service.endpoints.map(one => one.address)).toEqual(['10.0.0.1']);
    set([line]);
    await dns.advance(12_000);
    expect(ids(service)).toEqual(['a.example:8443']);
  });
  test('addresses that are used since there are no SRV records go on where nobody can tell of those', async () => {
    dns.names.set('orders.example', [['A', '10.0.0.1']]);
    const service = await dns.discover(NAME, { port: 8080 });
    dns.names.set(NAME, Rcode.SERVFAIL);
    dns.names.set('orders.example', [['A', '10.0.0.2']]);
    await dns.advance(12_000);
    expect(ids(service)).toEqual(['10.0.0.2:8080']);
    expect(service.stale).toBe(false);
  });
  test('HTTPS records: priority, target, port, protocols, and hints where there is no address', async () => {
    dns.names.set('web.example', [
      ['HTTPS', '1 a.example. alpn=h2,h3 port=8443'],
      ['HTTPS', '2 . ipv4hint=10.0.0.9'],
      ['HTTPS', '3 b.example. mandatory=key999 key999=x'],
    ]);
    dns.names.set('a.example', [['A', '10.0.0.1']]);
    const service = await dns.discover('web.example');
    expect(service.endpoints).toMatchObject([
      { id: 'a.example:8443', priority: 1, alpn: ['h2', 'h3'], address: '10.0.0.1' },
      { id: 'web.example:443', priority: 2, address: '10.0.0.9' },
    ]);
  });
  test('an HTTPS alias is followed to records or addresses; one of the root is `not offered`', async () => {
    dns.names.set('web.example', [['HTTPS', '0 cdn.example.']]);
    dns.names.set('cdn.example', [['A', '10.0.0.3']]);
    expect(ids(await dns.discover('web.example'))).toEqual(['cdn.example:443']);
    dns.names.set('gone.example', [['HTTPS', '0 .']]);
    await expect(dns.tryToDiscover('gone.example')).rejects.toMatchObject({ category: 'not offered' });
  });
  test('aliases in a circle end', async () => {
    dns.names.set('web.example', [['SVCB', '0 web.example.']]);
    await expect(dns.tryToDiscover('web.example', { records: 'svcb' })).rejects.toThrow(/aliases/);
  });
  test('DNS-SD: instances with their ports and texts', async () => {
    const type = '_ipp._tcp.example';
    dns.names.set(type, [
      ['PTR', `One\\032Two.${type}.`],
      ['PTR', `Three.${type}.`],
    ]);
    dns.names.set(`one\\032two.${type}`, [
      ['SRV', '0 0 631 a.example.'],
      ['TXT', 'version=2'],
    ]);
    dns.names.set(`three.${type}`, [['SRV', '0 0 632 b.example.']]);
    dns.names.set('a.example', [['A', '10.0.0.1']]);
    dns.names.set('b.example', [['A', '10.0.0.2']]);
    const service = await dns.discover(type, { records: 'dns-sd' });
    expect(ids(service)).toEqual(['a.example:631', 'b.example:632']);
    const [one] = service.endpoints.filter(endpoint => endpoint.port === 631);
    expect(one).toMatchObject({ instance: 'One Two', metadata: { version: '2' } });
  });
  test('metadata of targets: Consul’s come along, others are asked for with `texts`', async () => {
    dns.names.set(NAME, [['SRV', '0 0 80 a.example.']]);
    dns.additional.set(NAME, [
      ['a.example', ['A', '10.0.0.1']],
      ['a.example', ['TXT', 'rfc1035-zone=eu-1a']],
    ]);
    expect((await dns.discover(NAME)).pick()).toMatchObject({ zone: 'eu-1a' });
    dns.additional.clear();
    dns.names.set('a.example', [
      ['A', '10.0.0.1'],
      ['TXT', 'zone=eu-1b'],
    ]);
    await dns.advance(10_000);
    expect((await dns.discover(NAME, { texts: true })).pick().metadata).toEqual({ zone: 'eu-1b' });
  });
  test('metadata and filters choose endpoints; a filter that throws takes none and says so', async () => {
    dns.service(NAME, 3);
    dns.additional.get(NAME)!.push(['p2.example', ['TXT', 'version=2']]);
    expect(ids(await dns.discover(NAME, { where: { version: '2' } }))).toEqual(['p2.example:8080']);
    const filter: DiscoverOptions['filter'] = ({ host }) => host !== 'p1.example';
    expect((await dns.discover(NAME, { filter })).size).toBe(2);
    const broken = (): boolean => {
      throw new Error('of the filter');
    };
    await expect(dns.tryToDiscover(NAME, { filter: broken })).rejects.toThrow(
      /none of its 3 endpoints is wanted .*, and the filter threw: of the filter/,
    );
  });
  test('a filter that throws for one endpoint takes the others, and says so once a look', async () => {
    dns.service(NAME, 4);
    dns.additional.get(NAME)!.push(['p2.example', ['TXT', 'version=2']], ['p3.example', ['TXT', 'version=3']]);
    const filter: DiscoverOptions['filter'] = ({ metadata }) => metadata.version.length > 0;
    const service = await dns.discover(NAME, { filter });
    expect(ids(service)).toEqual(['p2.example:8080', 'p3.example:8080']);
    const errors: Error[] = [];
    service.on('error', error => errors.push(error));
    await dns.advance(5500);
    expect(errors.map(error => error.name)).toEqual(['TypeError']);
  });
  test('a zone’s endpoints are used while one of them is well', async () => {
    dns.service(NAME, 4);
    const texts = ['a', 'a', 'b', 'b'].map((zone, i) => [`p${i + 1}.example`, ['TXT', `zone=${zone}`]] as never);
    dns.additional.get(NAME)!.push(...texts);
    const service = await dns.discover(NAME, { zone: 'b' });
    const picked = new Set(Array.from({ length: 200 }, () => service.peek().host));
    expect(picked).toEqual(new Set(['p3.example', 'p4.example']));
    for (const host of ['p3.example', 'p4.example']) {
      const one = service.endpoints.find(endpoint => endpoint.host === host)!;
      one.done('unreachable');
    }
    expect(service.peek().zone).toBe('a');
  });
  test('a zone that is no part of a name is refused with `zonal`, and may be anything without', async () => {
    dns.service(NAME, 1);
    for (const zone of ['a..b', 'eu 1a', 'x'.repeat(64)]) {
      const wrong = dns.tryToDiscover(NAME, { zone, zonal: 'prefer' });
      await expect(wrong).rejects.toMatchObject({ code: 'ERR_SHARDNS_OPTION' });
      await expect(wrong).rejects.toThrow(/zone: .*part of a domain name/);
      expect((await dns.discover(NAME, { zone })).size).toBe(1);
    }
  });
  test('CoreDNS’ zonal names are asked for, and the plain one where there are none, for a minute', async () => {
    dns.service(NAME, 4);
    const service = await dns.discover(NAME, { zone: 'eu-1a', zonal: 'prefer' });
    expect(service.size).toBe(4);
    const zonal = '_http._tcp.eu-1a.prefer._zone.orders.example';
    expect(dns.asked).toEqual([`${zonal} SRV`, `${NAME} SRV`]);
    await dns.advance(50_000);
    expect(dns.countOf(`${zonal} SRV`)).toBe(1);
    dns.service(zonal, 1);
    await dns.advance(20_000);
    expect(service.size).toBe(1);
  });
  test.each([
    ['by SRV', NAME, {}, '_http._tcp.eu-1a.pin._zone.orders.example'],
    ['by address', 'orders.example', { port: 80 }, 'eu-1a.pin._zone.orders.example'],
  ] as const)('a pinned zone has no endpoint of others (%s)', async (_how, name, also, zonal) => {
    dns.service(NAME, 4);
    dns.names.set('orders.example', [['A', '10.0.0.1']]);
    dns.names.set(zonal, [['TXT', 'no such record']]);
    const options = { zone: 'eu-1a', zonal: 'pin', ...also } as const;
    await expect(dns.tryToDiscover(name, options)).rejects.toMatchObject({ category: 'missing' });
    const service = await dns.discover(name, { ...options, ready: false });
    await dns.advance(20_000);
    expect(service.size).toBe(0);
    // A server without the option has no such name.
    dns.names.delete(zonal);
    await dns.advance(20_000);
    expect(service.size).toBeGreaterThan(0);
  });
  test('while a service is not there at all, its zonal name is asked for each time', async () => {
    const zonal = '_http._tcp.eu-1a.pin._zone.orders.example';
    const service = await dns.discover(NAME, { zone: 'eu-1a', zonal: 'pin', ready: false });
    await dns.advance(6000);
    dns.service(NAME, 4);
    dns.service(zonal, 1);
    await dns.advance(7000);
    expect(service.size).toBe(1);
  });
});
