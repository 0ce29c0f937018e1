// What is proven and what is hostile: DNSSEC's word on each step, octets of strangers, and what watchers are told.
import diagnosticsChannel from 'node:diagnostics_channel';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { discover, discoveryMetrics } from '../../../lib/discovery/discover.js';
import { metricsText } from '../../../lib/discovery/metrics.js';
import type { DiscoverOptions } from '../../../lib/discovery/options.js';
import { readMetadata } from '../../../lib/discovery/records/metadata.js';
import { readServiceBinding } from '../../../lib/discovery/records/service-binding.js';
import type { Answer, RecordSource } from '../../../lib/discovery/records/source.js';
import { QueryFailure } from '../../../lib/node/errors.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeRecord } from '../../../lib/wire/record.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { ServiceDns } from '../../support/service-dns.js';

const NAME = '_http._tcp.orders.example.';
type Said = 'proven' | 'unsigned' | 'bogus';

/** A source that proves: of SRV records, and of addresses, what is said; it brings forged additional records along. */
function proving(srv: Said, address: Said): RecordSource {
  const answer = (said: Said, line: [string, 'SRV' | 'A', string][]): Answer => {
    if (said === 'bogus') throw new QueryFailure('ESERVFAIL', { reason: 'bogus', isBogus: true });
    return {
      missing: false,
      answers: line.map(([name, type, data]) => encodeRecord({ name, type, ttl: 5, data })),
      authorities: [],
      additionals: [encodeRecord({ name: 'a.example', type: 'A', ttl: 5, data: '10.6.6.6' })],
      unproven: said === 'proven' ? undefined : { reason: 'no zone has signed it' },
    };
  };
  return {
    proves: true,
    ask: (name, type) => {
      if (type === Type.SRV) return answer(srv, [[name, 'SRV', '0 0 80 a.example.']]);
      return answer(address, type === Type.A ? [[name, 'A', '10.0.0.1']] : []);
    },
    sort: addresses => [...addresses],
  };
}
async function come(source: RecordSource, options: DiscoverOptions) {
  const pending = discover(NAME, options, { source, clock: new FakeClock() });
  pending.catch(() => {});
  await settle();
  return pending;
}

describe('secure', () => {
  test('what is proven from SRV to address is secure; forged additional records count for nothing', async () => {
    const service = await come(proving('proven', 'proven'), { secure: 'required' });
    expect(service.endpoints).toMatchObject([{ secure: true, addresses: ['10.0.0.1'] }]);
    expect(service.secure).toBe(true);
    service.close();
  });
  test.each([
    ['unsigned', 'proven'],
    ['proven', 'unsigned'],
  ] as const)('required: SRV %s and address %s are no answer; reported: they are not secure', async (srv, address) => {
    await expect(come(proving(srv, address), { secure: 'required' })).rejects.toMatchObject({ category: 'insecure' });
    const service = await come(proving(srv, address), { secure: 'report' });
    expect([service.secure, service.endpoints[0].secure]).toEqual([false, false]);
    service.close();
  });
  test('what is forged is told to nobody, also where it is only reported', async () => {
    for (const secure of ['required', 'report'] as const) {
      await expect(come(proving('bogus', 'proven'), { secure })).rejects.toMatchObject({
        category: 'insecure',
        code: 'ERR_SHARDNS_SERVICE_INSECURE',
      });
    }
  });
});

describe('octets of strangers', () => {
  test('never throw, hang or grow', () => {
    const octets = fc.uint8Array({ maxLength: 600 });
    fc.assert(
      fc.property(octets, data => {
        const found = readServiceBinding(data);
        expect(found === undefined || found.priority <= 65_535).toBe(true);
        const record = { name: Uint8Array.of(0), type: Type.TXT, dnsClass: 1, ttl: 1, data };
        const metadata = readMetadata(Array.from({ length: 40 }, () => record));
        expect(Object.keys(metadata).length).toBeLessThanOrEqual(64);
      }),
      { numRuns: 2000 },
    );
  });
  test('keys of metadata are data: none is a prototype’s', () => {
    const data = Buffer.from('\x0b__proto__=1\x0fconstructor=two');
    const metadata = readMetadata([{ name: Uint8Array.of(0), type: Type.TXT, dnsClass: 1, ttl: 1, data }]);
    expect(Object.entries(metadata)).toEqual([
      ['__proto__', '1'],
      ['constructor', 'two'],
    ]);
    expect((metadata as { toString?: unknown }).toString).toBeUndefined();
  });
});

describe('watching', () => {
  let dns: ServiceDns;
  beforeEach(() => {
    dns = new ServiceDns();
  });
  afterEach(() => dns.close());

  test('a channel has changes, health and failures, with the service’s name', async () => {
    const heard: string[] = [];
    const listen = (message: unknown): void => {
      const { type, name } = message as { type: string; name: string };
      heard.push(`${type} ${name}`);
    };
    diagnosticsChannel.subscribe('shardns.discovery', listen);
    try {
      dns.service('_a._tcp.example', 2);
      const service = await dns.discover('_a._tcp.example');
      service.endpoints[0].done('unreachable');
      dns.failing = 2;
      await dns.advance(7000);
      expect(heard.slice(0, 2)).toEqual(['change _a._tcp.example.', 'health _a._tcp.example.']);
      expect(heard).toContain('stale _a._tcp.example.');
    } finally {
      diagnosticsChannel.unsubscribe('shardns.discovery', listen);
    }
  });
  test('metrics have labels that were given, and never a name', async () => {
    dns.service('_a._tcp.example', 3);
    dns.service('_b._tcp.example', 2);
    const labelled = await dns.discover('_a._tcp.example', { label: 'or"ders' });
    await dns.discover('_b._tcp.example');
    for (let i = 0; i < 5; i++) labelled.pick().done();
    const text = discoveryMetrics();
    expect(text).toContain('shardns_discovery_endpoints{service="or\\"ders",state="up"} 3');
    expect(text).toContain('shardns_discovery_endpoints{state="up"} 2');
    expect(text).toContain('shardns_discovery_picks_total{service="or\\"ders"} 5');
    expect(text).not.toContain('_tcp.example');
    expect(metricsText([])).toContain('# TYPE shardns_discovery_age_seconds gauge');
  });
  test('an error that nobody listens for, and a listener that throws, do no harm to the set', async () => {
    const service = await dns.discover('_none._tcp.example', { ready: false });
    await dns.advance(1000);
    const thrown: unknown[] = [];
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', error => thrown.push(error));
    service.on('change', () => {
      throw new Error('of the listener');
    });
    dns.service('_none._tcp.example', 2);
    await dns.advance(12_000);
    process.removeAllListeners('uncaughtException');
    for (const listener of before) process.on('uncaughtException', listener);
    expect(service.size).toBe(2);
    expect(thrown).toMatchObject([{ message: 'of the listener' }]);
  });
});

test('a thousand services of a TTL of 5 s ask no more than 200 times a second', async () => {
  const dns = new ServiceDns({ memory: '16MiB' });
  try {
    for (let i = 0; i < 1000; i++) dns.service(`_s${i}._tcp.example`, 1);
    for (let i = 0; i < 1000; i += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, j) => dns.discover(`_s${i + j}._tcp.example`)));
    }
    await dns.advance(6000);
    dns.asked.length = 0;
    await dns.advance(10_000);
    expect(dns.asked.length / 10).toBeLessThanOrEqual(200);
  } finally {
    dns.close();
  }
});
