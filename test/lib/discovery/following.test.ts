// A live set follows what DNS says, keeps what it knows when nobody can tell, and asks no more than it has to.
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ServiceError } from '../../../lib/discovery/failures.js';
import type { Change } from '../../../lib/discovery/live-set.js';
import { Rcode } from '../../../lib/wire/iana.js';
import { ids, ServiceDns } from '../../support/service-dns.js';

const NAME = '_http._tcp.orders.example';
let dns: ServiceDns;
beforeEach(() => {
  dns = new ServiceDns();
});
afterEach(() => dns.close());

describe('a live set', () => {
  test('has targets, ports, weights and the addresses of the additional section after one question', async () => {
    dns.names.set(NAME, [
      ['SRV', '10 60 8080 a.example.'],
      ['SRV', '20 0 9090 b.example.'],
    ]);
    dns.additional.set(NAME, [
      ['a.example', ['A', '10.0.0.1']],
      ['a.example', ['AAAA', '2001:db8::1']],
      ['b.example', ['A', '10.0.0.2']],
    ]);
    const service = await dns.discover(NAME);
    expect(service.endpoints).toMatchObject([
      { id: 'a.example:8080', priority: 10, weight: 60, addresses: ['2001:db8::1', '10.0.0.1'], family: 6 },
      { id: 'b.example:9090', priority: 20, weight: 0, addresses: ['10.0.0.2'], family: 4 },
    ]);
    expect(service.pick().host).toBe('a.example');
    expect(dns.asked).toEqual([`${NAME} SRV`]);
  });

  test('asks for the addresses that did not come along, of both families', async () => {
    dns.names.set(NAME, [['SRV', '0 0 80 a.example.']]);
    dns.names.set('a.example', [
      ['A', '10.0.0.1', 60],
      ['AAAA', '2001:db8::1', 60],
    ]);
    const service = await dns.discover(NAME);
    expect(service.pick().addresses).toEqual(['2001:db8::1', '10.0.0.1']);
    expect(dns.asked.sort()).toEqual([`${NAME} SRV`, 'a.example A', 'a.example AAAA'].sort());
  });

  test('is scaled from 3 to 10, to none and to 3 again: up within TTL + 1 s, down within TTL + 1 s', async () => {
    dns.service(NAME, 3);
    const service = await dns.discover(NAME, { slowStartMs: 0 });
    const changes: Change[] = [];
    service.on('change', change => changes.push(change));
    const kept = service.endpoints[0];
    dns.service(NAME, 10);
    await dns.advance(6000);
    expect(service.size).toBe(10);
    expect(service.endpoints[0]).toBe(kept);
    dns.service(NAME, 3);
    await dns.advance(6000);
    expect(service.size).toBe(3);
    expect(changes.map(({ added, removed }) => [added.length, removed.length])).toEqual([
      [7, 0],
      [0, 7],
    ]);
    dns.names.delete(NAME);
    await dns.advance(6000);
    expect(service.size).toBe(3); // not believed yet
    await dns.advance(12_000);
    expect(service.size).toBe(0);
    expect(() => service.pick()).toThrow(expect.objectContaining({ code: 'ERR_SHARDNS_SERVICE_MISSING' }));
    dns.service(NAME, 3);
    await dns.advance(7000);
    expect(service.size).toBe(3);
    expect(service.problem).toBeUndefined();
  });

  test.each([1, 2, 5, 30, 60])(
    'a target that is added is seen within a TTL of %i s and one second, whenever it is added',
    async ttl => {
      dns.service(NAME, 2, { ttl });
      const service = await dns.discover(NAME);
      for (const [i, share] of [0.1, 0.5, 0.95].entries()) {
        await dns.advance(Math.round(ttl * share * 4) * 250);
        dns.service(NAME, 3 + i, { ttl });
        await dns.advance(ttl * 1000 + 1000);
        expect(service.size).toBe(3 + i);
      }
    },
  );

  test('asks about once in a TTL, never within a second, and seldom for TTLs of days', async () => {
    dns.service(NAME, 1);
    await dns.discover(NAME);
    await dns.advance(60_000);
    const often = dns.countOf(`${NAME} SRV`);
    expect(often).toBeGreaterThan(8);
    expect(often).toBeLessThan(14);
    dns.service('_x._tcp.zero.example', 1, { ttl: 0 });
    await dns.discover('_x._tcp.zero.example');
    await dns.advance(10_000);
    expect(dns.countOf('_x._tcp.zero.example SRV')).toBeLessThanOrEqual(11);
    dns.service('_x._tcp.long.example', 1, { ttl: 604_800 });
    await dns.discover('_x._tcp.long.example');
    await dns.advance(600_000);
    // The cache answers what is looked at every minute.
    expect(dns.countOf('_x._tcp.long.example SRV')).toBe(1);
  });

  test('goes on when DNS is dead for an hour, says so once, and is up to date within 30 s of its return', async () => {
    dns.service(NAME, 3);
    const service = await dns.discover(NAME);
    const said: string[] = [];
    service.on('stale', error => said.push(`stale ${error.category}`));
    service.on('fresh', () => said.push('fresh'));
    dns.failing = Rcode.SERVFAIL;
    let failed = 0;
    for (let minute = 0; minute < 60; minute++) {
      await dns.advance(60_000);
      for (let i = 0; i < 10; i++) service.pick().done();
      if (service.size !== 3) failed++;
    }
    expect(failed).toBe(0);
    expect(service.stale).toBe(true);
    expect(said).toEqual(['stale transient']);
    expect(service.report().ageSeconds).toBeGreaterThan(3500);
    dns.failing = undefined;
    dns.service(NAME, 4);
    await dns.advance(61_000);
    expect(service.size).toBe(4);
    expect(said).toEqual(['stale transient', 'fresh']);
  });

  test('backs off from servers that are silent or fail', async () => {
    dns.service(NAME, 1);
    await dns.discover(NAME);
    dns.failing = 'silence';
    await dns.advance(10_000);
    dns.asked.length = 0;
    await dns.advance(600_000);
    expect(dns.asked.length).toBeLessThan(200);
  });

  test('keeps what left at once with more than half of the set as a last resort', async () => {
    dns.service(NAME, 4);
    const service = await dns.discover(NAME);
    dns.service(NAME, 1, { from: 9 });
    await dns.advance(6000);
    expect(ids(service)).toEqual(['p9.example:8080']);
    for (let i = 0; i < 5; i++) service.pick().done('unreachable');
    const next = service.pick();
    expect(next.host).not.toBe('p9.example');
    next.done();
    await dns.advance(10_000);
    expect(service.pick().host).toBe('p9.example');
  });

  test('two of one name and options are one set and one question; each is closed by itself', async () => {
    dns.service(NAME, 2);
    const one = await dns.discover(NAME);
    const other = await dns.discover(NAME);
    const third = await dns.discover(NAME, { policy: 'p2c' });
    expect(dns.countOf(`${NAME} SRV`)).toBe(1);
    expect(other.endpoints[0]).toBe(one.endpoints[0]);
    expect(third.endpoints[0]).not.toBe(one.endpoints[0]);
    one.close();
    expect(other.pick().host).toMatch(/^p/);
    expect(() => one.agent()).toThrow(expect.objectContaining({ code: 'ERR_SHARDNS_CLOSED' }));
    other.close();
    expect(() => other.pick()).toThrow(expect.objectContaining({ code: 'ERR_SHARDNS_CLOSED' }));
  });

  test('what has changed is iterated over, several changes as one for a slow reader', async () => {
    dns.service(NAME, 2);
    const service = await dns.discover(NAME);
    const iterator = service[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toMatchObject({ added: [{}, {}], removed: [] });
    dns.service(NAME, 5);
    await dns.advance(6000);
    dns.service(NAME, 4);
    await dns.advance(6000);
    const { value } = (await iterator.next()) as { value: Change };
    expect([value.added.length, value.removed.length]).toEqual([2, 0]);
    const last = iterator.next();
    service.close();
    expect(await last).toEqual({ done: true, value: undefined });
  });

  test('weights and addresses may change under an endpoint, which stays the same object', async () => {
    dns.service(NAME, 1);
    const service = await dns.discover(NAME);
    const [endpoint] = service.endpoints;
    const changes: Change[] = [];
    service.on('change', change => changes.push(change));
    dns.names.set(NAME, [['SRV', '3 77 8080 p1.example.']]);
    dns.additional.set(NAME, [['p1.example', ['A', '10.9.9.9']]]);
    await dns.advance(6000);
    expect(service.endpoints[0]).toBe(endpoint);
    expect(inspect(endpoint).length).toBeLessThan(2000); // of itself, not of the set behind it
    expect(endpoint).toMatchObject({ priority: 3, weight: 77, address: '10.9.9.9' });
    expect(changes).toMatchObject([{ added: [], removed: [], changed: [endpoint], version: 2 }]);
  });

  test('addresses in another order, as servers rotate them, are no change, and are tried in that order', async () => {
    const rotated = (...addresses: string[]): void => {
      dns.names.set(NAME, [['SRV', '0 0 80 a.example.']]);
      dns.additional.set(
        NAME,
        addresses.map(address => ['a.example', ['A', address]]),
      );
    };
    rotated('10.0.0.1', '10.0.0.2');
    const service = await dns.discover(NAME);
    rotated('10.0.0.2', '10.0.0.1');
    await dns.advance(6000);
    expect(service.version).toBe(1);
    expect(service.endpoints[0].addresses).toEqual(['10.0.0.2', '10.0.0.1']);
    rotated('10.0.0.1', '10.0.0.3');
    await dns.advance(6000);
    expect(service.version).toBe(2);
  });

  test('one that listens and throws keeps nothing from the others', async () => {
    const thrown: (() => void)[] = [];
    const later = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(run => void thrown.push(run));
    try {
      dns.service(NAME, 2);
      const service = await dns.discover(NAME);
      service.on('change', () => {
        throw new Error('of the listener');
      });
      let told = 0;
      service.once('change', () => told++);
      service.on('change', () => told++);
      dns.service(NAME, 3);
      await dns.advance(6000);
      dns.service(NAME, 2);
      await dns.advance(6000);
      expect(told).toBe(3);
      expect(thrown).toHaveLength(2);
      expect(thrown[0]).toThrow('of the listener');
    } finally {
      later.mockRestore();
    }
  });

  test('one that is closed picks nothing, though others follow the same set', async () => {
    dns.service(NAME, 2);
    const one = await dns.discover(NAME);
    const other = await dns.discover(NAME);
    one.close();
    for (const pick of [() => one.pick(), () => one.peek(), () => one.pick({ not: [] })]) {
      expect(pick).toThrow(expect.objectContaining({ code: 'ERR_SHARDNS_CLOSED' }));
    }
    expect(other.size).toBe(2);
    expect(other.pick().inFlight).toBe(1);
  });
});

describe('what there is no set of', () => {
  const reasonOf = async (options = {}): Promise<ServiceError> => {
    try {
      await dns.tryToDiscover(NAME, options);
    } catch (error) {
      return error as ServiceError;
    }
    throw new Error('there is a set');
  };

  test('no such name is `missing`, and no SRV record too', async () => {
    expect(await reasonOf()).toMatchObject({ category: 'missing', code: 'ERR_SHARDNS_SERVICE_MISSING' });
    dns.names.set(NAME, [['TXT', 'a=b']]);
    await dns.advance(10_000);
    expect((await reasonOf()).message).toContain('has no SRV record');
  });
  test('target "." is `not offered`, at once and for the TTL', async () => {
    dns.names.set(NAME, [['SRV', '0 0 0 .', 300]]);
    expect(await reasonOf()).toMatchObject({ category: 'not offered' });
    expect(dns.asked).toEqual([`${NAME} SRV`]);
    dns.service(NAME, 2);
    const service = await dns.discover(NAME, { ready: false });
    dns.names.set(NAME, [['SRV', '0 0 0 .', 300]]);
    await dns.advance(6000);
    expect(service.size).toBe(0);
    dns.asked.length = 0;
    await dns.advance(250_000);
    expect(dns.asked).toEqual([]);
  });
  test('REFUSED is `refused`', async () => {
    dns.failing = Rcode.REFUSED;
    expect(await reasonOf()).toMatchObject({ category: 'refused' });
  });
  test('servers that fail are waited for, as long as is said', async () => {
    dns.failing = Rcode.SERVFAIL;
    const pending = reasonOf({ readyMs: 3000 });
    await dns.advance(4000);
    expect(await pending).toMatchObject({ category: 'transient', code: 'ERR_SHARDNS_SERVICE_UNAVAILABLE' });
  });
  test('a service that is not waited for comes when it comes, and says until then why there is none', async () => {
    const service = await dns.discover(NAME, { ready: false });
    expect(() => service.pick()).toThrow(/there is no _http._tcp.orders.example|nothing is known/);
    dns.service(NAME, 2);
    await dns.advance(11_000);
    expect(service.size).toBe(2);
  });
  test('a signal ends the wait', async () => {
    dns.failing = 'silence';
    const controller = new AbortController();
    const pending = reasonOf({ signal: controller.signal });
    controller.abort(new Error('enough'));
    expect(await pending).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
  });
});
