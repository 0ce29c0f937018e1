// The client that is used, against servers that say little: what it holds, and what it lets go of.
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { nodeRedis } from '../../../../lib/cache/redis/node-redis.js';
import { until } from '../../../support/until.js';

describe('a client of a Cluster', () => {
  let server: Server;
  const sockets = new Set<Socket>();
  afterEach(() => {
    for (const one of sockets) one.destroy();
    sockets.clear();
    server.close();
  });
  /** A Cluster of one node. */
  async function clusterOf(answer: (command: string, port: number) => string) {
    server = createServer(socket => {
      sockets.add(socket);
      socket.unref();
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => {});
      socket.on('data', data => {
        for (const [command] of data.toString('latin1').matchAll(/SETINFO|SLOTS|GET/g)) {
          socket.write(answer(command, (server.address() as AddressInfo).port));
        }
      });
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    server.unref();
    const { port } = server.address() as AddressInfo;
    return nodeRedis({ places: [{ host: '127.0.0.1', port, tls: false }], mode: 'cluster' })(() => {});
  }
  const wellBehaved = (command: string, port: number): string => {
    if (command === 'GET') return '$1\r\na\r\n';
    if (command === 'SETINFO') return '+OK\r\n';
    return `*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:${port}\r\n$4\r\nnode\r\n`;
  };
  /** What keeps the process alive. */
  const held = (): number => process.getActiveResourcesInfo().filter(one => one === 'TCPSocketWrap').length;

  test('asks, and does not keep the process alive', async () => {
    const before = held();
    const client = await clusterOf(wellBehaved);
    await client.connect();
    expect(await client.send('k', ['GET', 'k'])).toEqual(Buffer.from('a'));
    expect(held()).toBe(before);
    client.destroy();
  });

  test('that was given up lets go of a node that takes connections and says nothing', async () => {
    const client = await clusterOf(() => '');
    client.connect().catch(() => {});
    await until(() => sockets.size > 0, 'a connection');
    client.destroy();
    await until(() => sockets.size === 0, 'the end of the connection');
  });
});
