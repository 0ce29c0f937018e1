// A server that is told to end while others still lead clients to it: not ready at once, and answering on for a while.
import { afterEach, expect, test } from 'vitest';
import { createServer } from '../../../lib/admin/create-server.js';
import type { Server } from '../../../lib/server/server.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { askTcp, askUdp } from '../../support/client.js';
import { FakeClock } from '../../support/fake-clock.js';
import { freePort } from '../../support/free-port.js';
import { makeQuery, rcodeOf } from '../../support/messages.js';

const servers: Server[] = [];
afterEach(async () => {
  for (const one of servers.splice(0)) await one.close();
});

async function start(options: ServerOptions = {}) {
  const clock = new FakeClock();
  const port = await freePort();
  const given = { listen: ['127.0.0.1:0'], threads: 1, upstreams: ['192.0.2.1'], metrics: `127.0.0.1:${port}` };
  const server = await createServer({ ...given, ...options }, { clock });
  servers.push(server);
  const [at] = server.addresses().udp;
  const health = (path: string): Promise<number> => fetch(`http://127.0.0.1:${port}${path}`).then(one => one.status);
  const ask = async (): Promise<(number | undefined)[]> => {
    const replies = [await askUdp(at, makeQuery('localhost')), ...(await askTcp(at, [makeQuery('localhost')]))];
    return replies.map(one => one && rcodeOf(one));
  };
  return { clock, server, health, ask };
}

test('is not ready at once, answers on until its time is over, and drains then', async () => {
  const { clock, server, health, ask } = await start({ lameduckSeconds: 5 });
  expect(await health('/readyz')).toBe(200);
  let drained = false;
  const draining = server.drain().then(() => (drained = true));
  expect([await health('/readyz'), await health('/healthz')]).toEqual([503, 200]);
  expect([server.listening, server.report().state]).toEqual([false, 'draining']);
  expect(await ask()).toEqual([0, 0]);
  await clock.advance(4999);
  expect(await ask()).toEqual([0, 0]);
  expect([await health('/readyz'), await health('/healthz'), drained]).toEqual([503, 200, false]);
  // Told once more, it is the same end.
  const again = server.drain();
  await clock.advance(1);
  await Promise.all([draining, again]);
  expect(() => server.report()).toThrow('closed');
  await expect(health('/healthz')).rejects.toThrow();
});

test('options do not change any more meanwhile, and close() does not wait', async () => {
  const { clock, server } = await start({ lameduckSeconds: 3600 });
  const draining = server.drain();
  await expect(server.update({ lameduckSeconds: 0 })).rejects.toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
  await server.close();
  await draining;
  expect(clock.pendingTimers).toBe(0);
});

test('the option changes while it serves; by default nothing is waited for', async () => {
  const { clock, server } = await start({ lameduckSeconds: 3600 });
  await server.update({ lameduckSeconds: 0 });
  await server.drain();
  expect(clock.pendingTimers).toBe(0);
  expect(readOptions({}).lameduckSeconds).toBe(0);
  for (const lameduckSeconds of [-1, 3601, 1.5, '5']) {
    expect(() => readOptions({ lameduckSeconds })).toThrow(
      expect.objectContaining({
        code: 'ERR_SHARDNS_OPTION',
        message: expect.stringMatching(/^lameduckSeconds: .*, got/),
      }),
    );
  }
});

test('what is closed has nobody to wait for', async () => {
  const { clock, server } = await start({ lameduckSeconds: 3600 });
  await server.close();
  await server.drain();
  expect(clock.pendingTimers).toBe(0);
});
