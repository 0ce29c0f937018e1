// invalidate() and update() while names are being resolved from the root, with a thread for that and without: what was
// asked for before is told to those who wait for it, to nobody who asks afterwards, and does not come back.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { askUdp } from '../../support/client.js';
import { answerA, decode, makeQuery, makeResponse, soa } from '../../support/messages.js';

const [OLD, NEW] = ['192.0.2.1', '192.0.2.2'];
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A root that answers for all names itself, and keeps back what it first says of `www.example` until it is let go. */
async function startRoot() {
  const socket = createSocket('udp4');
  const held: (() => void)[] = [];
  let isHeld!: () => void;
  const holding = new Promise<void>(resolve => (isHeld = resolve));
  const root = {
    address: OLD,
    port: 0,
    asked: 0,
    holding,
    letGo: () => {
      for (const send of held.splice(0)) send();
    },
  };
  socket.on('message', (query, from) => {
    const { name, type } = decode(query).questions![0];
    const [lower, send] = [name.toLowerCase(), (reply: Buffer) => void socket.send(reply, from.port, from.address)];
    const flags = 0x0400;
    if (lower === '' || lower === '.') {
      const ns = { type: 'NS', name: '.', ttl: 3600, data: 'ns.root' } as const;
      const glue = { type: 'A', name: 'ns.root', ttl: 3600, data: '127.0.0.1' } as const;
      send(makeResponse(query, { flags, answers: [ns], additionals: [glue] }));
    } else if (lower === 'example' || type !== 'A') {
      send(makeResponse(query, { flags, authorities: [{ ...soa('root'), name: '.' }] }));
    } else {
      const reply = answerA(query, 300, root.address);
      reply[2] |= flags >> 8;
      if (lower !== 'www.example' || root.asked++ > 0) {
        send(reply);
      } else {
        held.push(() => send(reply));
        isHeld();
      }
    }
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  root.port = socket.address().port;
  closing.push(() => socket.close());
  return root;
}

describe.each([0, 1])('with %i threads', workers => {
  test.each<[string, (server: import('../../../lib/index.js').Server, port: number) => unknown]>([
    ['the name is', server => server.invalidate({ name: 'WWW.example' })],
    ['a suffix is', server => server.invalidate({ suffix: 'example' })],
    ['everything is', server => server.invalidate('all')],
    [
      'the zone has other servers: it is',
      (server, port) => server.update({ stubZones: [{ name: 'example', servers: [`127.0.0.1:${port}`] }] }),
    ],
    ['rules change: everything is', server => server.update({ resolver: { privateAddresses: ['198.51.100.0/24'] } })],
  ])('%s forgotten while it is asked for', async (_, forget) => {
    const root = await startRoot();
    // Threads run what is built.
    const { createServer } = (await import(
      '../../../dist/index.js' as string
    )) as typeof import('../../../lib/index.js');
    const server = await createServer({
      listen: ['127.0.0.1:0'],
      threads: 1,
      // In a small region invalidations share places, which forgets more than was asked for.
      cache: { memory: '64MiB' },
      dnssec: { validate: false },
      resolver: { recursive: true, workers, rootHints: ['127.0.0.1'], port: root.port, doNotQueryLocalhost: false },
    });
    closing.push(() => server.close());
    const [at] = server.addresses().udp;
    const ask = async (name: string): Promise<unknown> => {
      const reply = await askUdp(at, makeQuery(name), 60_000);
      return reply && (decode(reply).answers ?? []).map(one => (one as { data: unknown }).data);
    };
    await ask('other.example');
    const first = ask('www.example');
    await root.holding;
    root.address = NEW;
    await forget(server, root.port);
    expect(await ask('www.example')).toEqual([NEW]);
    await forget(server, root.port);
    root.letGo();
    await first;
    expect(await ask('www.example')).toEqual([NEW]);
  });
});
