// Names made up below a zone, over the whole server: misses that are forwarded natively or by the slow path.
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, describe, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import { createServer } from '../../../lib/admin/create-server.js';
import type { Server } from '../../../lib/server/server.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { askUdp } from '../../support/client.js';
import { answerA, decode, extendedErrorsOf, makeQuery, makeResponse, rcodeOf, soa } from '../../support/messages.js';

let server: Server;
let socket: Socket;
let asked: string[];
afterEach(async () => {
  await server.close();
  socket.close();
});

async function start(udp: 'native' | 'dgram', options: ServerOptions = {}): Promise<void> {
  asked = [];
  socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const { name } = decode(query).questions![0];
    asked.push(name);
    const reply = /^r\d+\./.test(name)
      ? makeResponse(query, { rcode: 3, authorities: [soa('victim.example')] })
      : answerA(query, 300);
    socket.send(reply, from.port, from.address);
  });
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  server = await createServer({
    listen: ['127.0.0.1:0'],
    threads: 1,
    udp,
    upstreams: [`127.0.0.1:${socket.address().port}`],
    cache: { memory: '64MiB' },
    ...options,
    // Over within these tests; so seldom that no time passes by which another may come.
    upstream: { zoneRate: { enabled: true, failuresPerSecond: 5, exempt: ['exempt.example'] }, ...options.upstream },
  });
}
const ask = async (name: string, from?: string): Promise<Buffer> =>
  (await askUdp(server.addresses().udp[0], makeQuery(name, { edns: true }), 60_000, from))!;

describe.each(['native', 'dgram'] as const)('over UDP, %s', udp => {
  test('names made up are not asked for beyond the rate, those known before and other zones are', async () => {
    await start(udp);
    expect(rcodeOf(await ask('www.victim.example'))).toBe(0);
    const rcodes: number[] = [];
    for (let i = 0; i < 60; i++) rcodes.push(rcodeOf(await ask(`r${i}.victim.example`)));
    const denied = rcodes.filter(one => one === 3).length;
    expect(denied).toBeGreaterThanOrEqual(10);
    expect(rcodes.filter(one => one === 2).length).toBe(60 - denied);
    expect(denied).toBeLessThan(50);
    expect(new Set(asked).size).toBe(1 + denied);
    const { zoneLimited } = server.report().resolver;
    expect(zoneLimited).toBe(60 - denied);
    expect(await new Metrics(server).text()).toContain(`shardns_resolver_total{outcome="zone_limited"} ${zoneLimited}`);
    const refused = rcodes.lastIndexOf(2);
    // Nothing is remembered of it.
    const again = await ask(`r${refused}.victim.example`);
    expect([2, 3]).toContain(rcodeOf(again));
    if (rcodeOf(again) === 2) expect(extendedErrorsOf(again)).toContain(0);
    // From the cache, and when it is no more there.
    expect(rcodeOf(await ask('www.victim.example'))).toBe(0);
    server.resolver.forget('all');
    expect(rcodeOf(await ask('www.victim.example'))).toBe(0);
    expect(rcodeOf(await ask('new.other.example'))).toBe(0);
    for (let i = 0; i < 30; i++) expect(rcodeOf(await ask(`r${i}.exempt.example`))).toBe(3);
  });

  test('clients that ask for names that exist are served beside one who floods a suffix', async () => {
    await start(udp);
    const rcodes: number[] = [];
    for (let i = 0; i < 60; i++) rcodes.push(rcodeOf(await ask(`r${i}.co.example`)));
    expect(rcodes.filter(one => one === 2).length).toBeGreaterThan(10);
    for (let i = 0; i < 20; i++) expect(rcodeOf(await ask(`new${i}.co.example`, '127.0.0.2'))).toBe(0);
  });

  test('without it all are asked for', async () => {
    await start(udp, { upstream: { zoneRate: { enabled: false } } });
    for (let i = 0; i < 40; i++) expect(rcodeOf(await ask(`r${i}.victim.example`))).toBe(3);
    expect(server.report().resolver.zoneLimited).toBe(0);
    // One may be asked for twice, where the answer is late.
    expect(new Set(asked).size).toBe(40);
  });
});
