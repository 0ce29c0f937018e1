// Lookups as those who watch see them.
import diagnosticsChannel from 'node:diagnostics_channel';
import { metrics } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { CachedLookup } from '../../../lib/node/cached-lookup.js';
import { DnsServer } from '../../support/dns-server.js';

const recorded: { name: string; unit: string; seconds: number; attributes: object }[] = [];
let server: DnsServer;
let cached: CachedLookup;
beforeAll(async () => {
  metrics.setGlobalMeterProvider({
    getMeter: () =>
      ({
        createHistogram: (name: string, { unit }: { unit: string }) => ({
          record: (seconds: number, attributes: object) => recorded.push({ name, unit, seconds, attributes }),
        }),
      }) as never,
  });
  server = await DnsServer.start({
    'a.example': { A: [{ type: 'A', name: 'a.example', ttl: 60, data: '192.0.2.1' }] },
  });
  cached = new CachedLookup({ servers: [server.address], memory: '1MiB', resolvConf: false, hostsFile: false });
});
afterAll(() => {
  cached.close();
  server.close();
  metrics.disable();
});
const ask = (hostname: string): Promise<unknown> =>
  new Promise(resolve => cached.lookup(hostname, 4, (error, address) => resolve(error ?? address)));

test('tracing channels tell of lookups, and of questions that the cache could not answer', async () => {
  const heard: string[] = [];
  const listen = (name: string): (() => void) => {
    const listener = (message: unknown): void => {
      const { hostname, name: asked, type, error } = message as Record<string, unknown>;
      heard.push(
        [name, hostname ?? asked, type, (error as { code?: string } | undefined)?.code].filter(Boolean).join(' '),
      );
    };
    diagnosticsChannel.subscribe(`tracing:shardns.${name}`, listener);
    return () => diagnosticsChannel.unsubscribe(`tracing:shardns.${name}`, listener);
  };
  const stop = ['lookup:start', 'lookup:asyncEnd', 'lookup:error', 'query:start', 'query:asyncEnd'].map(listen);
  await ask('a.example');
  await ask('a.example');
  await ask('missing.example');
  for (const one of stop) one();
  await ask('a.example');
  expect(heard).toEqual([
    'lookup:start a.example',
    'query:start a.example. A',
    'query:asyncEnd a.example. A',
    'lookup:asyncEnd a.example',
    'lookup:start a.example',
    'lookup:asyncEnd a.example',
    'lookup:start missing.example',
    'query:start missing.example. A',
    'query:asyncEnd missing.example. A',
    'lookup:error missing.example ENOTFOUND',
    'lookup:asyncEnd missing.example ENOTFOUND',
  ]);
});

test('while nobody has registered a meter provider nothing is timed, and from then on everything', async () => {
  vi.resetModules();
  const { timeLookup } = await import('../../../lib/node/telemetry.js');
  const registered = (globalThis as Record<symbol, { metrics?: object }>)[Symbol.for('opentelemetry.js.api.1')];
  const { metrics: provider } = registered;
  delete registered.metrics;
  expect(timeLookup('a.example')).toBeUndefined();
  registered.metrics = provider;
  recorded.length = 0;
  timeLookup('a.example')?.();
  expect(recorded).toMatchObject([{ name: 'dns.lookup.duration' }]);
});

test('the histogram dns.lookup.duration takes every lookup', async () => {
  recorded.length = 0;
  await ask('a.example');
  await ask('missing.example');
  expect(recorded).toEqual([
    {
      name: 'dns.lookup.duration',
      unit: 's',
      seconds: expect.any(Number),
      attributes: { 'dns.question.name': 'a.example' },
    },
    {
      name: 'dns.lookup.duration',
      unit: 's',
      seconds: expect.any(Number),
      attributes: { 'dns.question.name': 'missing.example', 'error.type': 'ENOTFOUND' },
    },
  ]);
});
