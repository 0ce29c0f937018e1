// Whatever octets clients send by Node's sockets, nothing is thrown and the next client is answered.
import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { frame } from '../../../lib/transport/framing.js';
import { answerA, makeQuery, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer;
const thrown: unknown[] = [];
const onThrown = (error: unknown): void => void thrown.push(error);
beforeAll(async () => {
  process.on('uncaughtException', onThrown);
  process.on('unhandledRejection', onThrown);
  server = await TestServer.start(query => answerA(query), { udp: 'dgram' });
});
afterAll(async () => {
  await server.close();
  process.off('uncaughtException', onThrown);
  process.off('unhandledRejection', onThrown);
});

/** A query with a few octets changed, cut short or with more behind it; or just octets. */
const noise = fc.oneof(
  fc.uint8Array({ maxLength: 600 }),
  fc
    .tuple(
      fc.constantFrom('a.example', 'localhost', 'version.bind', '.'),
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 }),
      fc.nat(70),
      fc.uint8Array({ maxLength: 30 }),
    )
    .map(([name, edns, changes, cut, more]) => {
      const message = makeQuery(name, edns ? { edns: true } : {});
      for (const [at, octet] of changes) if (at < message.length) message[at] = octet;
      return Buffer.concat([message.subarray(0, Math.max(0, message.length - (cut < 20 ? cut : 0))), more]);
    }),
);

test('by UDP', async () => {
  const socket = createSocket('udp4');
  const port = Number(server.address.split(':')[1]);
  for (const message of fc.sample(noise, 1500)) {
    await new Promise(resolve => socket.send(message, port, '127.0.0.1', resolve));
  }
  socket.close();
  expect(rcodeOf((await server.ask('dgram', makeQuery('after.example')))!)).toBe(0);
  expect(thrown).toEqual([]);
});

test('by TCP, framed and not', async () => {
  const port = Number(server.server.addresses().tcp[0].split(':')[1]);
  for (const [i, message] of fc.sample(noise, 150).entries()) {
    const socket = createConnection(port, '127.0.0.1');
    socket.on('error', () => {});
    const octets = Buffer.from(message);
    await new Promise(resolve => socket.write(i % 3 === 0 ? octets : frame(octets), resolve));
    if (i % 2 === 0) socket.destroy();
    else socket.end();
  }
  expect(rcodeOf((await server.ask('tcp', makeQuery('after.example')))!)).toBe(0);
  expect(thrown).toEqual([]);
});
