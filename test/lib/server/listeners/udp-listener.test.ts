// Node's own UDP sockets: what they drop, whom they refuse, and from which address they answer.
import { createSocket } from 'node:dgram';
import type { NetworkInterfaceInfo } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { ANSWERING_PORTS } from '../../../../lib/base/answering-ports.js';
import { type Logger, silentLogger } from '../../../../lib/base/log.js';
import type { Answerer, ListenerAsker, Reply } from '../../../../lib/server/answerer.js';
import { Proxies } from '../../../../lib/server/listeners/proxies.js';
import { UdpListener } from '../../../../lib/server/listeners/udp-listener.js';
import { WildcardListener } from '../../../../lib/server/listeners/wildcard-listener.js';
import { askUdp } from '../../../support/client.js';
import { FakeClock, settle } from '../../../support/fake-clock.js';
import { answerA, makeQuery, rcodeOf } from '../../../support/messages.js';
import { TestServer } from '../../../support/test-server.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map(close => close()));
});
const echo = {
  answer: (message: Uint8Array, _asker: ListenerAsker, reply: Reply) => reply(message),
} as unknown as Answerer;
const OPTIONS = { maxUnderWay: 16, clientUnderWay: 16, receiveBufferBytes: 65_536, proxies: new Proxies() };

test('a packet from a port that answers by itself, or from none, is dropped; what cannot be sent is counted', async () => {
  const asked: number[] = [];
  const answerer = {
    answer: (message: Uint8Array, { client }: ListenerAsker, reply: Reply) => {
      asked.push(client.port);
      reply(message);
    },
  } as unknown as Answerer;
  const listener = new UdpListener({ address: '127.0.0.1', port: 0, family: 4 }, answerer, OPTIONS);
  await listener.listen();
  closers.push(() => listener.close());
  // The socket's own event: a source port of 0 needs a raw socket otherwise.
  const received = listener.receive.bind(listener);
  for (const port of ANSWERING_PORTS) received(makeQuery('a.example'), { address: '127.0.0.1', port });
  expect(asked).toEqual([]);
  expect(listener.stats.dropped).toBe(ANSWERING_PORTS.length);
  // Ports and addresses that Node does not take are no error of the process.
  received(makeQuery('a.example'), { address: '127.0.0.1', port: 70_000 });
  expect(asked).toEqual([70_000]);
  expect(listener.stats.sendFailed).toBe(1);
  expect(await askUdp(`127.0.0.1:${listener.port}`, makeQuery('b.example'))).toBeDefined();
});

test('who may not ask is refused, also while there is no room for queries', async () => {
  let release = (): void => {};
  const released = new Promise<void>(resolve => (release = resolve));
  const server = await TestServer.start(
    async query => {
      if (query.toString('latin1').toLowerCase().includes('slow')) await released;
      return answerA(query);
    },
    { udp: 'dgram', missRing: { waiters: 16, clientShare: 1 } },
  );
  closers.push(() => server.close());
  await server.ask('dgram', makeQuery('known.example'));
  await server.server.update({ allow: ['127.0.0.1'] });
  const asking = Array.from({ length: 16 }, (_, i) => askUdp(server.address, makeQuery(`slow${i}.example`), 60_000));
  while (server.server.listeners.underWay < 16) await settle();
  const allowed = await askUdp(server.address, makeQuery('known.example'), 60_000);
  expect(rcodeOf(allowed!)).toBe(0);
  const refused = await askUdp(server.address, makeQuery('known.example'), 60_000, '127.0.0.2');
  expect(rcodeOf(refused!)).toBe(5);
  expect(refused!.readUInt16BE(6)).toBe(0);
  release();
  await Promise.all(asking);
});

test('on all addresses each one answers for itself, and those that come and go are followed', async () => {
  const clock = new FakeClock();
  let addresses = ['127.0.0.1', '127.0.0.2'];
  const interfaces = (): NodeJS.Dict<NetworkInterfaceInfo[]> => ({
    lo: addresses.map(address => ({ address, family: 'IPv4' }) as NetworkInterfaceInfo),
  });
  const said: string[] = [];
  const log: Logger = { ...silentLogger, warn: (fields, message) => said.push(`${JSON.stringify(fields)} ${message}`) };
  const listener = new WildcardListener(
    { address: '0.0.0.0', port: 0, family: 4 },
    echo,
    OPTIONS,
    clock,
    log,
    interfaces,
  );
  await listener.listen();
  closers.push(() => listener.close());
  const ask = (address: string): Promise<string | undefined> =>
    new Promise(resolve => {
      const socket = createSocket('udp4');
      const timer = setTimeout(() => end(undefined), 300);
      const end = (from: string | undefined): void => {
        clearTimeout(timer);
        socket.close();
        resolve(from);
      };
      socket.on('message', (_message, from) => end(from.address));
      socket.on('error', () => end(undefined));
      socket.send(makeQuery('a.example'), listener.port, address);
    });
  expect(await ask('127.0.0.1')).toBe('127.0.0.1');
  expect(await ask('127.0.0.2')).toBe('127.0.0.2');
  expect(await ask('127.0.0.3')).toBeUndefined();
  addresses = ['127.0.0.1', '127.0.0.3', '192.0.2.250'];
  await clock.advance(5001);
  await listener.look();
  expect(listener.addresses).toEqual(['127.0.0.1', '127.0.0.3']);
  expect(await ask('127.0.0.3')).toBe('127.0.0.3');
  expect(await ask('127.0.0.2')).toBeUndefined();
  await clock.advance(20_000);
  await listener.look();
  expect(said.filter(line => line.includes('192.0.2.250'))).toHaveLength(1);
  expect(said.filter(line => line.includes('127.0.0.2'))).toHaveLength(1);
  listener.close();
  await clock.advance(20_000);
  expect(clock.pendingTimers).toBe(0);
});

test('a machine without an address of the family is told so', async () => {
  const at = { address: '::', port: 0, family: 6 } as const;
  const listener = new WildcardListener(at, echo, OPTIONS, new FakeClock(), silentLogger, () => ({}));
  await expect(listener.listen()).rejects.toThrow('cannot listen on [::]:0 (UDP): the machine has no IPv6 address');
});

test('one client waits for half of the answers; beyond it a query is answered at once, and others wait as before', async () => {
  const replies: (() => void)[] = [];
  let atOnce = 0;
  const answerer = {
    answer: (_message: Uint8Array, _asker: ListenerAsker, reply: Reply) => replies.push(() => reply(undefined)),
    answerAtOnce: () => void atOnce++,
  } as unknown as Answerer;
  const options = { ...OPTIONS, maxUnderWay: 4, clientUnderWay: 1 };
  const listener = new UdpListener({ address: '127.0.0.1', port: 0, family: 4 }, answerer, options);
  closers.push(() => listener.close());
  const ask = (address: string): void => listener.receive(makeQuery('a.example'), { address, port: 5353 });
  for (let i = 0; i < 3; i++) ask('192.0.2.1');
  expect([replies.length, atOnce]).toEqual([2, 1]);
  ask('192.0.2.2');
  expect([replies.length, atOnce]).toEqual([3, 1]);
  for (const reply of replies.splice(0)) reply();
  expect(listener.underWay).toBe(0);
  ask('192.0.2.1');
  expect([replies.length, atOnce]).toEqual([1, 1]);
});
