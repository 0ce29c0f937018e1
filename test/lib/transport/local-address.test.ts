// Where queries leave from, on loopback: by the native asker, Node's sockets and TCP, and when it changes meanwhile.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { SocketAddress } from '../../../lib/base/address.js';
import { systemClock } from '../../../lib/base/clock.js';
import { systemRandom } from '../../../lib/base/random.js';
import { frame, MessageReader } from '../../../lib/transport/framing.js';
import { type SourcedTransport, whyNotBound } from '../../../lib/transport/local-address.js';
import { SystemUdpTransport } from '../../../lib/transport/system-udp.js';
import { TcpTransport } from '../../../lib/transport/tcp.js';
import type { LocalAddress } from '../../../lib/transport/transport.js';
import { exchange } from '../../support/exchange.js';
import { FakeClock } from '../../support/fake-clock.js';
import { answerA, makeQuery } from '../../support/messages.js';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Answers when it is told to, and notes where questions come from. */
class Upstream {
  readonly from: string[] = [];
  holds = false;
  readonly #held: (() => void)[] = [];
  at!: SocketAddress;

  static async start(proto: 'udp' | 'tcp', address = '127.0.0.1'): Promise<Upstream> {
    const upstream = new Upstream();
    const family = address.includes(':') ? 6 : 4;
    if (proto === 'udp') {
      const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
      socket.on('message', (message, { address: from, port }) =>
        upstream.#came(from, () => socket.send(answerA(message), port, from)),
      );
      await new Promise<void>(resolve => socket.bind(0, address, resolve));
      upstream.at = { address, port: socket.address().port, family };
      ends.push(() => socket.close());
    } else {
      const server = createServer(socket => {
        const reader = new MessageReader();
        socket.on('error', () => {});
        socket.on('data', chunk => {
          for (const message of reader.push(chunk)) {
            upstream.#came(socket.remoteAddress!, () => void socket.write(frame(answerA(message))));
          }
        });
      });
      await new Promise<void>(resolve => server.listen(0, address, resolve));
      upstream.at = { address, port: (server.address() as { port: number }).port, family };
      ends.push(() => server.close());
    }
    return upstream;
  }

  #came(from: string, answer: () => void): void {
    this.from.push(from);
    if (this.holds) this.#held.push(answer);
    else answer();
  }
  /** Waits until a question is held, and answers all that are. */
  async answerHeld(): Promise<void> {
    while (this.#held.length === 0) await new Promise(resolve => setTimeout(resolve, 1));
    this.holds = false;
    for (const answer of this.#held.splice(0)) answer();
  }
}

const makers: Record<string, (local: LocalAddress) => SourcedTransport> = {
  native: local => new SystemUdpTransport(systemClock, systemRandom, local),
  dgram: local => Object.assign(new SystemUdpTransport(systemClock, systemRandom, local), { native: false }),
  tcp: local => new TcpTransport(systemClock, systemRandom, local),
};

// Only Linux has all of 127.0.0.0/8 on its loopback interface.
test.skipIf(process.platform !== 'linux').each(Object.keys(makers))(
  '%s: queries leave from the address that is given, from another as soon as that changes, and what is under way is answered',
  async kind => {
    const upstream = await Upstream.start(kind === 'tcp' ? 'tcp' : 'udp');
    const transport = makers[kind]({ v4: '127.0.0.2' });
    ends.push(() => transport.close());
    const ask = (name: string) => exchange(transport, makeQuery(name), upstream.at, { timeoutMs: 5000 });
    await ask('a.example');
    upstream.holds = true;
    const late = ask('b.example');
    await new Promise(resolve => setImmediate(resolve));
    transport.from({ v4: '127.0.0.3' });
    await upstream.answerHeld();
    await late;
    await ask('c.example');
    transport.from({});
    await ask('d.example');
    transport.from({ v4: '127.0.0.4', v6: '::1' });
    await ask('e.example');
    expect(upstream.from).toEqual(['127.0.0.2', '127.0.0.2', '127.0.0.3', '127.0.0.1', '127.0.0.4']);
    expect((transport as unknown as { stats: { sent: number } }).stats.sent).toBe(5);
  },
);

test.skipIf(process.platform !== 'linux')(
  'each family has an address of its own; one without is left to the system',
  async () => {
    const upstream = await Upstream.start('udp', '::1').catch(() => undefined);
    if (upstream === undefined) return; // no IPv6 here
    for (const kind of ['native', 'dgram']) {
      const transport = makers[kind]({ v4: '127.0.0.2' });
      ends.push(() => transport.close());
      await exchange(transport, makeQuery('a.example'), upstream.at, { timeoutMs: 5000 });
      transport.from({ v4: '127.0.0.2', v6: '::1' });
      await exchange(transport, makeQuery('b.example'), upstream.at, { timeoutMs: 5000 });
    }
    expect(upstream.from).toEqual(['::1', '::1', '::1', '::1']);
  },
);

test.skipIf(process.platform !== 'linux')(
  'sockets of addresses of before are closed in time, and only four such are kept',
  async () => {
    const clock = new FakeClock();
    const upstream = await Upstream.start('udp');
    const transport = new SystemUdpTransport(clock, systemRandom, { v4: '127.0.0.2' });
    ends.push(() => transport.close());
    for (let i = 3; i < 12; i++) {
      await exchange(transport, makeQuery('a.example'), upstream.at, {});
      transport.from({ v4: `127.0.0.${i}` });
    }
    expect(transport.sockets).toBe(4);
    expect(clock.pendingTimers).toBe(4);
    await clock.advance(60_001);
    expect(transport.sockets).toBe(0);
    expect(transport.stats.received).toBe(9);
  },
);

test('an address that this machine has not got cannot be bound, and it is said why', async () => {
  expect(await whyNotBound('127.0.0.1', 4)).toBeUndefined();
  expect((await whyNotBound('192.0.2.1', 4))?.message).toMatch(/EADDRNOTAVAIL/);
  expect(await whyNotBound('2001:db8::1', 6)).toBeInstanceOf(Error);
  expect(await whyNotBound('fe80::1%nosuch0', 6)).toBeInstanceOf(Error);
});
