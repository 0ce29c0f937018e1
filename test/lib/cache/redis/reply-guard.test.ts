// Servers that are no Redis: what they say ends a connection, and nothing else.
import { createRequire } from 'node:module';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { nodeRedis } from '../../../../lib/cache/redis/node-redis.js';
import { REPLY_LIMITS, ReplyGuard } from '../../../../lib/cache/redis/reply-guard.js';
import { until } from '../../../support/until.js';

const GOOD = [
  '+OK\r\n',
  '-ERR no\r\n',
  ':-12\r\n',
  '$-1\r\n',
  '$0\r\n\r\n',
  '$5\r\na\r\nbc\r\n',
  '*-1\r\n',
  '*0\r\n',
  '*3\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n$-1\r\n',
  '*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\ni\r\n$2\r\nxy\r\n',
];
const BAD = [
  ['arrays in arrays, each said to be long', '*33554431\r\n'.repeat(40)],
  ['arrays in arrays for ever', '*1\r\n'.repeat(1000)],
  ['many arrays that are long together', `*3\r\n${'*400000\r\n'.repeat(3)}`],
  ['a length below nothing', '*20000000\r\n$/7\r\n'],
  ['a length that is none', '$\r\n'],
  ['a length of -2', '$-2\r\n'],
  ['a length of -', '$-\r\n'],
  ['a length without end', `$${'1'.repeat(100)}`],
  ['a long string', `$${REPLY_LIMITS.string + 1}\r\n`],
  ['a line without end', `+${'x'.repeat(REPLY_LIMITS.line + 1)}`],
  ['a line that ends elsewhere', '+OK\rx'],
  ['a map of RESP 3', '%1\r\n+a\r\n+b\r\n'],
  ['a push of RESP 3', '>2\r\n+message\r\n+b\r\n'],
  ['another protocol', 'HTTP/1.1 400 Bad Request\r\n'],
] as const;

describe('a reply', () => {
  test('that a Redis gives is let through, however it is cut into pieces', () => {
    const all = Buffer.from(GOOD.join('').repeat(3));
    for (const size of [1, 2, 3, 5, 7, all.length]) {
      const guard = new ReplyGuard();
      for (let at = 0; at < all.length; at += size) guard.check(all.subarray(at, at + size));
      expect(() => guard.check(Buffer.from('?'))).toThrow('a type 63');
    }
  });
  test.each(BAD)('that no Redis gives is refused: %s', (_, text) => {
    const guard = new ReplyGuard();
    expect(() => guard.check(Buffer.from(text))).toThrow(/^no reply of Redis/);
    // Whatever comes behind it is somewhere in the middle of something.
    expect(() => guard.check(Buffer.from('+OK\r\n'))).toThrow(/^no reply of Redis/);
  });
  test('is counted by itself: many of them are not one long one', () => {
    const guard = new ReplyGuard();
    const many = Buffer.from(`*100000\r\n${':1\r\n'.repeat(100_000)}`);
    for (let i = 0; i < 20; i++) guard.check(many);
  });
});

describe('a server that is no Redis', () => {
  let server: Server | undefined;
  const sockets = new Set<Socket>();
  afterEach(() => {
    for (const one of sockets) one.destroy();
    sockets.clear();
    server?.close();
  });
  /** Answers what a client begins with, and a GET with anything. */
  async function hostile(says: string) {
    server = createServer(socket => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('data', data => {
        const text = data.toString('latin1');
        for (const _ of text.matchAll(/SETINFO/g)) socket.write('+OK\r\n');
        if (text.includes('GET')) socket.write(says);
      });
    });
    await new Promise<void>(resolve => server!.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const lost: unknown[] = [];
    const places = [{ host: '127.0.0.1', port, tls: false }];
    const client = await nodeRedis({ places, mode: 'standalone' })(error => lost.push(error));
    await client.connect();
    return { client, lost };
  }

  test.each(BAD.filter((_, i) => [0, 3, 12].includes(i)))('loses its connection: %s', async (_, says) => {
    const { client, lost } = await hostile(says);
    client.send('k', ['GET', 'k']).catch(() => {});
    await until(() => lost.length > 0, 'the end of the connection');
    client.destroy();
    expect(String(lost[0])).toContain('no reply of Redis');
  });
  test('that says more than it was asked for loses its connection', async () => {
    const { client, lost } = await hostile('$1\r\na\r\n$1\r\nb\r\n');
    client.send('k', ['GET', 'k']).catch(() => {});
    await until(() => lost.length > 0, 'the end of the connection');
    client.destroy();
  });
});

test('the client of the program itself is left as it is', async () => {
  const require = createRequire(import.meta.url);
  const { Decoder } = require('@redis/client/dist/lib/RESP/decoder.js') as { Decoder: { prototype: object } };
  const { write } = Decoder.prototype as { write: unknown };
  nodeRedis({ places: [{ host: '127.0.0.1', port: 1, tls: false }], mode: 'standalone' });
  const again = require('@redis/client/dist/lib/RESP/decoder.js') as { Decoder: { prototype: { write: unknown } } };
  expect(again.Decoder.prototype.write).toBe(write);
  await Promise.resolve();
});
