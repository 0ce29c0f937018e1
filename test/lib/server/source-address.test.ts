// upstream.sourceAddress, on loopback: queries of forwarding and of recursion, in threads too, leave from there; what this
// machine has not got is refused by name, at the start and while the server runs.
import { createSocket } from 'node:dgram';
import { afterEach, expect, test } from 'vitest';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { askUdp } from '../../support/client.js';
import { makeQuery, makeResponse } from '../../support/messages.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server that denies every name, and notes where questions come from. */
async function denying(): Promise<{ port: number; from: Set<string> }> {
  const socket = createSocket('udp4');
  const from = new Set<string>();
  socket.on('message', (message, client) => {
    from.add(client.address);
    socket.send(makeResponse(message, { rcode: 3, flags: 0x400 }), client.port, client.address);
  });
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  ends.push(() => socket.close());
  return { port: socket.address().port, from };
}

async function start(options: ServerOptions) {
  // The built library: threads run files of it.
  const { createServer } = (await import('../../../dist/index.js' as string)) as typeof import('../../../lib/index.js');
  const server = await createServer({
    listen: ['127.0.0.1:0'],
    threads: 1,
    cache: { memory: '1MiB' },
    localZones: false,
    ...options,
  });
  ends.push(() => server.close());
  return server;
}

let asked = 0;
const ways: [string, (port: number) => ServerOptions][] = [
  ['a forwarder', port => ({ upstreams: [`127.0.0.1:${port}`] })],
  ["a forwarder with Node's sockets", port => ({ upstreams: [`127.0.0.1:${port}`], udp: 'dgram' })],
  ...[0, 1].map((workers): [string, (port: number) => ServerOptions] => [
    `a recursor with ${workers} worker threads`,
    port => ({
      dnssec: { validate: false },
      resolver: { recursive: true, workers, rootHints: ['127.0.0.1'], port, doNotQueryLocalhost: false },
      upstreams: [],
    }),
  ]),
];

// Only Linux has all of 127.0.0.0/8 on its loopback interface.
test.skipIf(process.platform !== 'linux').each(ways)(
  '%s asks from there, and from another address when that changes',
  async (_, options) => {
    const { port, from } = await denying();
    const server = await start({ ...options(port), upstream: { sourceAddress: { ipv4: '127.0.0.2' } } });
    const ask = () => askUdp(server.addresses().udp[0], makeQuery(`n${asked++}.example`));
    await ask();
    expect([...from]).toEqual(['127.0.0.2']);
    from.clear();
    await server.update({ upstream: { sourceAddress: { ipv4: '127.0.0.3' } } });
    await ask();
    expect([...from]).toEqual(['127.0.0.3']);
  },
);

test('an address that this machine has not got is named at the start, and in a change, which leaves all as it was', async () => {
  const { port, from } = await denying();
  const upstreams = [`127.0.0.1:${port}`];
  const refused = {
    code: 'ERR_SHARDNS_OPTION',
    message: expect.stringMatching(
      /^upstream\.sourceAddress\.ipv4: expected an address of this machine, got "192\.0\.2\.77": .*EADDRNOTAVAIL/,
    ),
  };
  const upstream = { sourceAddress: { ipv4: '192.0.2.77' } };
  await expect(start({ upstreams, upstream })).rejects.toMatchObject(refused);
  const server = await start({ upstreams });
  await expect(server.update({ upstream })).rejects.toMatchObject(refused);
  expect(server.settings.upstream.sourceAddress).toEqual({});
  await askUdp(server.addresses().udp[0], makeQuery(`n${asked++}.example`));
  expect([...from]).toEqual(['127.0.0.1']);
});

test.each<[object, string]>([
  [{ ipv4: '2001:db8::1' }, 'upstream.sourceAddress.ipv4: expected an IPv4 address, got "2001:db8::1"'],
  [{ ipv6: '192.0.2.1' }, 'upstream.sourceAddress.ipv6: expected an IPv6 address, got "192.0.2.1"'],
  [{ ipv4: 'eth0' }, 'upstream.sourceAddress.ipv4: expected an IPv4 address, got "eth0"'],
])('%j is no address to ask from', async (sourceAddress, message) => {
  await expect(start({ upstream: { sourceAddress } })).rejects.toThrow(message);
});
