// Connections of proxies while their header is not there: what they hold, and how they end.
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { parsePrefix } from '../../../../lib/base/address.js';
import { Acceptor } from '../../../../lib/server/listeners/acceptor.js';
import { HEADER_MS, Proxies } from '../../../../lib/server/listeners/proxies.js';
import type { StreamClient } from '../../../../lib/server/listeners/stream-session.js';
import { TcpConnections } from '../../../../lib/server/listeners/tcp-connections.js';
import { tcpOptionsOf } from '../../../../lib/server/settings/listeners.js';
import { readOptions } from '../../../../lib/server/settings/settings.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { headerFor } from '../../../support/proxy.js';
import { until } from '../../../support/until.js';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function setUp(maxConnections = 100) {
  const clock = new FakeClock();
  const connections = new TcpConnections(tcpOptionsOf(readOptions({ tcp: { maxConnections } })));
  const proxies = new Proxies();
  proxies.use([parsePrefix('127.0.0.1', '')]);
  const accepted: StreamClient[] = [];
  const acceptor = new Acceptor(
    { address: '127.0.0.1', port: 0, family: 4 },
    { clock, connections, proxies },
    {
      label: 'TCP',
      accept: (socket, client) => {
        accepted.push(client);
        socket.destroy();
      },
    },
  );
  await acceptor.listen();
  closers.push(() => acceptor.stop());
  const [{ port }] = acceptor.bound;
  const open = (): Socket => {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    closers.push(() => socket.destroy());
    return socket;
  };
  return { clock, connections, proxies, accepted, open };
}
const closed = (socket: Socket): Promise<unknown> => new Promise(resolve => socket.on('close', resolve));
test('a header that is late ends its connection, which has held a place until then', async () => {
  const { clock, connections, proxies, accepted, open } = await setUp();
  const socket = open();
  socket.write(headerFor('192.0.2.7').subarray(0, 20));
  await until(() => connections.size === 1);
  const gone = closed(socket);
  clock.advance(HEADER_MS);
  await gone;
  await until(() => connections.size === 0);
  expect(proxies.stats).toEqual({ proxied: 0, local: 0, invalid: 1 });
  expect(accepted).toEqual([]);
});

test('a connection that ends before its header is there is nobody', async () => {
  const { connections, proxies, open } = await setUp();
  const socket = open();
  const gone = closed(socket);
  socket.end(headerFor('192.0.2.7').subarray(0, 10));
  await gone;
  await until(() => proxies.stats.invalid === 1);
  expect(connections.size).toBe(0);
});

test('with its header it leaves its place to its client', async () => {
  const { clock, connections, proxies, accepted, open } = await setUp();
  open().write(headerFor('192.0.2.7', 4000));
  await until(() => accepted.length === 1);
  expect(accepted).toEqual([{ address: '192.0.2.7', port: 4000 }]);
  expect(connections.size).toBe(0);
  clock.advance(HEADER_MS);
  expect(proxies.stats).toEqual({ proxied: 1, local: 0, invalid: 0 });
});

test('those that wait are bounded as all connections are', async () => {
  const { connections, open } = await setUp(4);
  const sockets = Array.from({ length: 12 }, open);
  for (const one of sockets) one.write(headerFor('192.0.2.7').subarray(0, 4));
  await until(() => connections.stats.accepted + connections.stats.rejected >= 12);
  expect(connections.size).toBeLessThanOrEqual(4);
});
