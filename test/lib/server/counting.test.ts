// A question counts once, however often it is looked at on its way to a reply.
import { afterEach, describe, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import { askTcp, askUdp } from '../../support/client.js';
import { answerA, makeQuery, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer;
afterEach(() => server.close());

const sum = (text: string, name: string): number =>
  text
    .split('\n')
    .filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((all, line) => all + Number(line.split(' ').pop()), 0);

describe.each(['native', 'dgram', 'tcp'] as const)('over %s', way => {
  const start = async (options = {}): Promise<void> => {
    server = await TestServer.start(query => (down ? undefined : answerA(query, 60)), {
      udp: way === 'dgram' ? 'dgram' : 'native',
      upstream: { hedge: false, deadlineMs: 50 },
      ...options,
    });
  };
  let down = false;
  const ask = async (name: string, shape = {}): Promise<Buffer | undefined> =>
    way === 'tcp'
      ? (await askTcp(server.server.addresses().tcp[0], [makeQuery(name, shape)]))[0]
      : askUdp(server.address, makeQuery(name, shape));
  const counts = async (): Promise<Record<string, number>> => {
    const text = await new Metrics(server.server).text();
    return {
      requests: sum(text, 'shardns_dns_requests_total'),
      responses: sum(text, 'shardns_dns_responses_total'),
      lookups: sum(text, 'shardns_cache_requests_total'),
      hits: sum(text, 'shardns_cache_hits_total'),
      misses: sum(text, 'shardns_cache_misses_total'),
    };
  };

  test('misses, and the hits that follow', async () => {
    down = false;
    await start();
    for (const name of ['a', 'b', 'c', 'd', 'e']) await ask(`${name}.example`);
    expect(await counts()).toEqual({ requests: 5, responses: 5, lookups: 5, hits: 0, misses: 5 });
    for (const name of ['a', 'b', 'c', 'd', 'e']) await ask(`${name}.example`, { type: 'A' });
    expect(await counts()).toEqual({ requests: 10, responses: 10, lookups: 10, hits: 5, misses: 5 });
    const text = await new Metrics(server.server).text();
    expect(text).toContain(`{proto="${way === 'tcp' ? 'tcp' : 'udp'}",family="1",type="A"} 10`);
  });

  test('an answer derived from one with signatures, and a stale one', async () => {
    down = false;
    await start();
    await ask('a.example', { dnssecOk: true });
    await ask('a.example');
    expect(await counts()).toMatchObject({ requests: 2, responses: 2, lookups: 2, misses: 2 });
    server.advance(61);
    down = true;
    expect(rcodeOf((await ask('a.example'))!)).toBe(0);
    expect(await counts()).toMatchObject({ requests: 3, responses: 3, lookups: 3, misses: 3 });
    expect(server.server.engine.stats()).toMatchObject({ hitsStale: 1, staleAfterMiss: 1 });
  });

  test('a client that may not ask', async () => {
    await start({ allow: ['192.0.2.0/24'] });
    expect(rcodeOf((await ask('a.example'))!)).toBe(5);
    expect(await counts()).toEqual({ requests: 1, responses: 1, lookups: 0, hits: 0, misses: 0 });
  });

  test('one look for each scope of a client subnet', async () => {
    down = false;
    await start({ upstream: { clientSubnet: 'forward' } });
    const options = [{ code: 8, data: Buffer.from([0, 1, 24, 0, 192, 0, 2]) }];
    await ask('a.example', { options });
    await ask('a.example', { options });
    expect(await counts()).toMatchObject({ requests: 2, lookups: 2 });
  });
});
