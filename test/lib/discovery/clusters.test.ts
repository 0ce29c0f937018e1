// What Kubernetes' DNS (its specification, CoreDNS) and Consul's say of services, and what comes of it.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Rcode } from '../../../lib/wire/iana.js';
import { ids, ServiceDns } from '../../support/service-dns.js';

let dns: ServiceDns;
beforeEach(() => {
  dns = new ServiceDns();
});
afterEach(() => dns.close());

/** A headless service with a named port: a record for each pod that is ready, all of weight floor(100 / n). */
function headless(pods: readonly string[]): void {
  const domain = 'orders.shop.svc.cluster.local';
  const host = (pod: string): string => `${pod.replaceAll('.', '-')}.${domain}`;
  const srv = `_http._tcp.${domain}`;
  if (pods.length === 0) {
    dns.names.delete(srv); // specification 2.4.2: no such name
    return;
  }
  const weight = Math.max(1, Math.floor(100 / pods.length));
  dns.names.set(
    srv,
    pods.map(pod => ['SRV', `0 ${weight} 8080 ${host(pod)}.`]),
  );
  dns.additional.set(
    srv,
    pods.map(pod => [host(pod), ['A', pod]]),
  );
}

describe('Kubernetes', () => {
  const NAME = '_http._tcp.orders.shop.svc.cluster.local';
  test('a roll-out in which for a moment no pod is ready costs no request', async () => {
    headless(['10.1.0.1', '10.1.0.2']);
    const service = await dns.discover(NAME);
    headless([]);
    await dns.advance(8000);
    expect(service.size).toBe(2);
    headless(['10.1.0.3', '10.1.0.4']);
    await dns.advance(7000);
    expect(service.endpoints.map(one => one.address).sort()).toEqual(['10.1.0.3', '10.1.0.4']);
  });
  test('names are asked for with a final dot: no search list, one question', async () => {
    headless(['10.1.0.1']);
    await dns.discover(NAME);
    expect(dns.asked).toEqual([`${NAME} SRV`]);
  });
  test('a service whose port has no name: its pods by their addresses', async () => {
    dns.names.set('orders.shop.svc.cluster.local', [
      ['A', '10.1.0.1', 5],
      ['A', '10.1.0.2', 5],
    ]);
    const service = await dns.discover('orders.shop.svc.cluster.local', { port: 8080 });
    expect(ids(service)).toEqual(['10.1.0.1:8080', '10.1.0.2:8080']);
    dns.names.set('orders.shop.svc.cluster.local', [['A', '10.1.0.2', 5]]);
    await dns.advance(7000);
    expect(ids(service)).toEqual(['10.1.0.2:8080']);
  });
  test('a service with a cluster IP is one endpoint, at that address', async () => {
    dns.names.set(NAME, [['SRV', '0 100 80 orders.shop.svc.cluster.local.']]);
    dns.additional.set(NAME, [['orders.shop.svc.cluster.local', ['A', '10.96.0.17']]]);
    const service = await dns.discover(NAME);
    expect(service.endpoints).toMatchObject([{ id: 'orders.shop.svc.cluster.local:80', address: '10.96.0.17' }]);
  });
  test('a service that no pod of is ready is `missing` at the start; with `ready: false` it is waited for', async () => {
    await expect(dns.tryToDiscover(NAME)).rejects.toMatchObject({ category: 'missing' });
    const service = await dns.discover(NAME, { ready: false });
    expect(() => service.pick()).toThrow(expect.objectContaining({ category: 'missing' }));
    headless(['10.1.0.1']);
    await dns.advance(6000);
    expect(service.pick().address).toBe('10.1.0.1');
  });
  test('a pod of a StatefulSet that is replaced is the same endpoint at another address', async () => {
    const at = (address: string): void => {
      dns.names.set(NAME, [['SRV', '0 100 8080 web-0.orders.shop.svc.cluster.local.']]);
      dns.additional.set(NAME, [['web-0.orders.shop.svc.cluster.local', ['A', address]]]);
    };
    at('10.1.0.1');
    const service = await dns.discover(NAME);
    const [pod] = service.endpoints;
    at('10.1.0.7');
    await dns.advance(6000);
    expect(service.endpoints).toEqual([pod]);
    expect(pod.address).toBe('10.1.0.7');
  });
  test('a pod of a StatefulSet that was out is tried at once when another is in its place', async () => {
    const at = (...addresses: string[]): void => {
      const host = (i: number): string => `web-${i}.orders.shop.svc.cluster.local`;
      dns.names.set(
        NAME,
        addresses.map((_, i) => ['SRV', `0 50 8080 ${host(i)}.`]),
      );
      dns.additional.set(
        NAME,
        addresses.map((address, i) => [host(i), ['A', address]]),
      );
    };
    at('10.1.0.1', '10.1.0.2');
    const service = await dns.discover(NAME);
    const [pod, other] = service.endpoints;
    const told: string[] = [];
    service.on('health', one => told.push(`${one.host.slice(0, 5)} ${one.state}`));
    for (let i = 0; i < 5; i++) {
      pod.done('unreachable');
      pod.state = 'up'; // as after as many trials
    }
    pod.done('unreachable');
    expect(pod.state).toBe('out');
    told.length = 0;
    at('10.1.0.7', '10.1.0.2');
    await dns.advance(6000);
    expect(told).toEqual(['web-0 trial']);
    for (let i = 0; i < 2; i++) {
      expect(service.pick()).toBe(pod);
      pod.done('ok');
    }
    expect(pod.state).toBe('up');
    expect([pod.address, pod.ejections]).toEqual(['10.1.0.7', 0]);
    expect(other.state).toBe('up');
  });
  test('a service that is scaled to none and back', async () => {
    headless(['10.1.0.1']);
    const service = await dns.discover(NAME);
    const errors: string[] = [];
    service.on('error', error => errors.push((error as { category?: string }).category ?? error.message));
    headless([]);
    await dns.advance(20_000);
    expect(service.size).toBe(0);
    expect(errors).toEqual(['missing']);
    headless(['10.1.0.9']);
    await dns.advance(7000);
    expect(service.pick().address).toBe('10.1.0.9');
  });
  test('CoreDNS that restarts is nobody’s failure', async () => {
    headless(['10.1.0.1', '10.1.0.2']);
    const service = await dns.discover(NAME);
    dns.failing = 'silence';
    await dns.advance(30_000);
    for (let i = 0; i < 100; i++) service.pick().done();
    dns.failing = Rcode.SERVFAIL;
    await dns.advance(30_000);
    expect(service.size).toBe(2);
  });
});

describe('Consul', () => {
  test('a TTL of 0 is asked for once a second, and metadata of nodes come along', async () => {
    const name = '_web._tcp.service.consul';
    dns.names.set(name, [
      ['SRV', '1 1 8080 7f000001.addr.dc1.consul.', 0],
      ['SRV', '1 1 8081 node2.node.dc1.consul.', 0],
    ]);
    dns.additional.set(name, [
      ['7f000001.addr.dc1.consul', ['A', '127.0.0.1', 0]],
      ['node2.node.dc1.consul', ['A', '10.2.0.2', 0]],
      ['node2.node.dc1.consul', ['TXT', 'rfc1035-zone=eu-1b', 0]],
    ]);
    const service = await dns.discover(name);
    expect(ids(service)).toEqual(['7f000001.addr.dc1.consul:8080', 'node2.node.dc1.consul:8081']);
    expect(service.endpoints[1].zone).toBe('eu-1b');
    dns.asked.length = 0;
    await dns.advance(10_000);
    expect(dns.asked.length).toBeLessThanOrEqual(10);
    dns.names.set(name, [['SRV', '1 1 8080 7f000001.addr.dc1.consul.', 0]]);
    await dns.advance(1500);
    expect(service.size).toBe(1);
  });
  test('a name without "_" is asked for SRV records where `records` says so', async () => {
    dns.names.set('web.service.consul', [['SRV', '1 1 8080 7f000001.addr.dc1.consul.', 0]]);
    dns.additional.set('web.service.consul', [['7f000001.addr.dc1.consul', ['A', '127.0.0.1', 0]]]);
    const service = await dns.discover('web.service.consul', { records: 'srv' });
    expect(ids(service)).toEqual(['7f000001.addr.dc1.consul:8080']);
    expect(dns.asked).toEqual(['web.service.consul SRV']);
  });
  test('an answer that is cut over UDP without a word is whole over TCP', async () => {
    const name = '_web._tcp.service.consul';
    const cut = new ServiceDns();
    const whole = new ServiceDns({ servers: ['tcp://192.0.2.53'] });
    try {
      for (const one of [cut, whole]) {
        one.service(name, 12, { ttl: 0 });
        one.cutTo = 3;
      }
      expect((await cut.discover(name)).size).toBe(3);
      expect((await whole.discover(name)).size).toBe(12);
    } finally {
      cut.close();
      whole.close();
    }
  });
});
