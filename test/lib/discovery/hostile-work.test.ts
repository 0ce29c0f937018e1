// How much work strangers can make of what they own: questions that nobody answers, sets that change their state all at once,
// texts without end. What one service makes of it is no other service's loss.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { discover } from '../../../lib/discovery/discover.js';
import { registerGrpc } from '../../../lib/discovery/grpc-resolver.js';
import { readMetadata } from '../../../lib/discovery/records/metadata.js';
import { Roster } from '../../../lib/discovery/roster.js';
import { Type } from '../../../lib/wire/iana.js';
import { settle } from '../../support/fake-clock.js';
import { ServiceDns } from '../../support/service-dns.js';

const NAME = '_http._tcp.orders.example';
let dns: ServiceDns;
beforeEach(() => {
  dns = new ServiceDns();
});
afterEach(() => {
  vi.restoreAllMocks();
  dns.close();
});

describe('a service with a thousand targets whose servers are silent', () => {
  const EVIL = '_http._tcp.evil.test';
  beforeEach(() => {
    const hosts = Array.from({ length: 1000 }, (_, i) => `e${i}.evil.test`);
    dns.names.set(
      EVIL,
      hosts.map(host => ['SRV', `0 0 80 ${host}.`]),
    );
    for (const host of hosts) dns.names.set(host, 'silence');
  });

  test('takes no room from others that the same client asks for', async () => {
    dns.service(NAME, 1);
    const service = await dns.discover(NAME);
    await dns.discover(EVIL, { ready: false });
    await dns.advance(30_000);
    let stale = 0;
    service.on('stale', () => stale++);
    for (let n = 2; n <= 6; n++) {
      dns.service(NAME, n);
      await dns.advance(7000);
      expect(service.size).toBe(n);
    }
    expect(stale).toBe(0);
  });
  test('leaves room for others among the 512 questions of a client, and once they are known for most', async () => {
    await dns.discover(EVIL, { ready: false });
    const most = async (ms: number): Promise<number> => {
      let found = 0;
      for (let left = ms; left > 0; left -= 500) {
        await dns.advance(500);
        found = Math.max(found, dns.client.underWay);
      }
      return found;
    };
    expect(await most(120_000)).toBeLessThanOrEqual(448);
    expect(await most(30_000)).toBeLessThanOrEqual(192);
  });
});

test('a thousand endpoints whose time is over at once are made ready in one go', async () => {
  dns.service(NAME, 1000);
  const service = await dns.discover(NAME, { policy: 'roundRobin' });
  for (const one of service.endpoints) one.done('unreachable');
  const rebuild = vi.spyOn(Roster.prototype, 'rebuild');
  const told: string[] = [];
  service.on('health', one => told.push(one.state));
  await dns.advance(1250);
  expect(told).toEqual(Array.from({ length: 1000 }, () => 'trial'));
  expect(rebuild.mock.calls.length).toBeLessThan(10);
});

test('gRPC’s list is made once for all endpoints that change in one turn', async () => {
  let Resolver: (new (...given: unknown[]) => { updateResolution(): void; destroy(): void }) | undefined;
  const told: unknown[] = [];
  registerGrpc({
    experimental: {
      registerResolver: (_scheme, made) => (Resolver = made as typeof Resolver),
      statusOrFromValue: value => value,
      statusOrFromError: error => error,
    },
    status: { UNAVAILABLE: 14 },
  });
  dns.service(NAME, 300);
  const service = await dns.discover(NAME);
  const resolver = new Resolver!({ path: NAME }, (list: unknown) => told.push(list) > 0, service.grpcOptions());
  resolver.updateResolution();
  await settle();
  for (const one of service.endpoints) one.done('unreachable');
  await settle();
  const stringify = vi.spyOn(JSON, 'stringify');
  await dns.advance(1250);
  expect(service.report().states.trial).toBe(300);
  expect(stringify.mock.calls.filter(([value]) => Array.isArray(value)).length).toBeLessThan(5);
  expect(told.length).toBe(1);
  resolver.destroy();
});

test('however many endpoints say nothing to checks, each of the others is checked when its time has come', async () => {
  dns.service(NAME, 300);
  let good = 0;
  const service = await discover(
    NAME,
    { client: dns.client, check: { kind: 'http', intervalMs: 10_000, timeoutMs: 2000 } },
    {
      check: endpoint => {
        if (endpoint.host !== 'p300.example') return new Promise(() => {});
        good++;
        return Promise.resolve(true);
      },
    },
  );
  // Each is checked for the first time: nobody knows yet who is silent.
  await dns.advance(90_000);
  good = 0;
  await dns.advance(60_000);
  expect(good).toBeGreaterThanOrEqual(4);
  expect(service.endpoints.at(-1)!.state).toBe('up');
  service.close();
});

test('texts are looked at for 4,096 octets, whatever is in them: the same key again, no key, nothing at all', () => {
  const record = (data: Buffer) => ({ name: Uint8Array.of(0), type: Type.TXT, dnsClass: 1, ttl: 1, data });
  const last = Buffer.from('\x04last');
  for (const filler of ['', '=', '=x', 'same=1']) {
    const text = Buffer.from(`${String.fromCharCode(filler.length)}${filler}`);
    const data = Buffer.concat([...Array.from({ length: 4097 }, () => text), last]);
    expect(Object.keys(readMetadata([record(data)]))).not.toContain('last');
    const many = Array.from({ length: 4097 }, () => record(text));
    expect(Object.keys(readMetadata([...many, record(last)]))).not.toContain('last');
    expect(Object.keys(readMetadata([record(Buffer.concat([text, text, last]))]))).toContain('last');
  }
});
