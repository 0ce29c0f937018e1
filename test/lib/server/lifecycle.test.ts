// Start, update, drain, faults: the server as a whole over real sockets, with a fake upstream.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { createServer, ShardnsError } from '../../../lib/index.js';
import type { Hooks } from '../../../lib/resolve/hooks.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { frame } from '../../../lib/transport/framing.js';
import { askTcp, askUdp } from '../../support/client.js';
import type { Handler } from '../../support/fake-transport.js';
import { answerA, flagsOf, decode, makeQuery, makeResponse, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';
import { until } from '../../support/until.js';

const run = promisify(execFile);
let running: TestServer[] = [];
afterEach(async () => {
  await Promise.all(running.map(one => one.close()));
  running = [];
});
async function start(handler: Handler, options: ServerOptions & Hooks = {}): Promise<TestServer> {
  const server = await TestServer.start(handler, options);
  running.push(server);
  return server;
}
const later = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

test('a closed server has no report', async () => {
  const server = await start(() => undefined);
  expect(server.server.report().state).toBe('listening');
  await server.close();
  expect(() => server.server.report()).toThrow(
    expect.objectContaining({ code: 'ERR_SHARDNS_CLOSED', message: 'report() on a server that is closed' }),
  );
});

test('a stampede of 10,000 packets on one name is one upstream query and 10,000 replies', async () => {
  let release = (): void => {};
  const released = new Promise<void>(resolve => {
    release = resolve;
  });
  const server = await start(
    async query => {
      await released;
      return answerA(query);
    },
    // All of them come from one client, and wait in one flight.
    { missRing: { waiters: 65_536, clientShare: 1 } },
  );
  server.server.upstreams[0].succeeded(3000); // a server known to be slow is not asked twice
  const { port } = createAddress(server.address);
  const socket = createSocket({ type: 'udp4', recvBufferSize: 16 << 20 });
  let replies = 0;
  socket.on('message', () => replies++);
  await new Promise<void>(resolve => socket.connect(port, '127.0.0.1', resolve));
  for (let i = 0; i < 10_000; i++) {
    socket.send(makeQuery('stampede.example', { id: i & 0xffff }));
    if (i % 50 === 0) await later(0);
  }
  await until(() => server.server.plane!.stats().waiting === 10_000);
  release();
  await until(() => server.server.plane!.stats().sent === 10_000);
  await until(() => replies > 5000);
  socket.close();
  expect(server.asked).toBe(1);
  // A receive buffer that overflows on the way back is the kernel's doing; ours have all been sent.
});

test('a full miss ring answers SERVFAIL at once, counts it, and works again afterwards', async () => {
  let silent = true;
  const server = await start(query => (silent ? undefined : answerA(query)), {
    missRing: { flights: 16, waiters: 64, clientShare: 1 },
    upstream: { deadlineMs: 1500 },
  });
  const asking = Array.from({ length: 40 }, (_, i) => askUdp(server.address, makeQuery(`n${i}.example`)));
  await until(() => server.server.plane!.stats().full === 24);
  const replies = await Promise.all(asking);
  expect(replies.every(reply => reply !== undefined && rcodeOf(reply) === 2)).toBe(true);
  silent = false;
  expect(rcodeOf((await askUdp(server.address, makeQuery('after.example')))!)).toBe(0);
});

test('draining loses no reply in flight', async () => {
  let release = (): void => {};
  const released = new Promise<void>(resolve => (release = resolve));
  const server = await start(async query => {
    await released;
    return answerA(query);
  });
  const asking = Array.from({ length: 50 }, (_, i) => askUdp(server.address, makeQuery(`n${i}.example`)));
  const overTcp = askTcp(server.server.addresses().tcp[0], [makeQuery('t.example')]);
  await until(() => server.asked === 51);
  const drained = server.server.drain();
  release();
  await drained;
  expect((await Promise.all(asking)).filter(reply => reply !== undefined)).toHaveLength(50);
  expect(await overTcp).toHaveLength(1);
});

test('a wildcard address answers from the address that was asked', async () => {
  const server = await start(query => answerA(query), { listen: ['0.0.0.0:0'] });
  const { port } = createAddress(server.address);
  for (const address of ['127.0.0.1', '127.0.0.77', '127.9.8.7']) {
    // A connected socket takes replies from that very address only.
    const socket = createSocket('udp4');
    await new Promise<void>(resolve => socket.connect(port, address, resolve));
    for (const name of ['hit.example', `miss-${address}.example`]) {
      const reply = new Promise(resolve => socket.once('message', resolve));
      socket.send(makeQuery(name));
      await reply;
    }
    socket.close();
  }
});

test('IPv6 is answered too', async () => {
  const server = await start(query => answerA(query), { listen: ['[::1]:0', '[::]:0'] });
  const [loopback, any] = server.server.addresses().udp;
  expect(await askUdp(loopback, makeQuery('a.example'))).toBeDefined();
  expect(await askUdp(any.replace('[::]', '[::1]'), makeQuery('b.example'))).toBeDefined();
});

test('update changes tunables at once, and nothing when anything is wrong', async () => {
  const server = await start(query => answerA(query));
  await server.ask('udp', makeQuery('a.example'));
  await server.server.update({ cache: { maxTtlSeconds: 30 }, udpSize: 512 });
  expect(server.server.settings.cache.maxTtlSeconds).toBe(30);
  const reply = await server.ask('udp', makeQuery('b.example'));
  expect((decode(reply!).answers![0] as { ttl: number }).ttl).toBe(30);
  await expect(server.server.update({ cache: { maxTtlSeconds: 60 }, stale: { ttlSeconds: 9999 } })).rejects.toThrow(
    'stale.ttlSeconds',
  );
  expect(server.server.settings.cache.maxTtlSeconds).toBe(30);
  await expect(server.server.update({ cache: { memory: '2MiB' } })).rejects.toThrow('cache.memory: cannot change');
  expect(server.server.engine.stats().entries).toBe(2);
});

test('update moves to other addresses and keeps the cache; an address in use leaves everything as it was', async () => {
  const server = await start(query => answerA(query));
  await server.ask('udp', makeQuery('a.example'));
  await server.server.update({ listen: ['127.0.0.2:0'], threads: 2 });
  expect(server.address).toMatch(/^127\.0\.0\.2:/);
  await server.ask('udp', makeQuery('a.example'));
  expect(server.asked).toBe(1);
  const { port } = createAddress(server.address);
  const other = createSocket('udp4');
  await new Promise<void>(resolve => other.bind(0, '127.0.0.3', resolve));
  await expect(server.server.update({ listen: [`127.0.0.3:${other.address().port}`] })).rejects.toMatchObject({
    code: 'ERR_SHARDNS_LISTEN',
  });
  other.close();
  expect(server.server.settings.listen).toEqual(['127.0.0.2:0']);
  expect(await askUdp(server.address, makeQuery('a.example'))).toBeDefined();
  void port;
});

test('clients outside the access list are refused before any lookup, on UDP and TCP', async () => {
  const server = await start(query => answerA(query));
  await server.ask('udp', makeQuery('a.example'));
  await server.server.update({ allow: ['192.0.2.0/24'] });
  for (const way of ['udp', 'tcp'] as const) {
    const reply = (await server.ask(way, makeQuery('a.example')))!;
    expect(rcodeOf(reply)).toBe(5);
    // To them there is no recursion here.
    expect(flagsOf(reply) & 0x0080).toBe(0);
  }
  await server.server.update({ allow: ['127.0.0.0/8'] });
  expect(rcodeOf((await server.ask('udp', makeQuery('a.example')))!)).toBe(0);
});

test('TCP: pipelined queries are answered as they are ready, not in order (RFC 7766 section 6.2.1.1)', async () => {
  const server = await start(async query => {
    if (query.includes('slow')) await later(200);
    return answerA(query);
  });
  // The letters of the name arrive in mixed case.
  const replies = await askTcp(server.server.addresses().tcp[0], [
    makeQuery('a.localhost', { id: 1 }),
    makeQuery('s-l-o-w.example', { id: 2 }),
    makeQuery('b.example', { id: 3 }),
  ]);
  expect(replies.map(reply => decode(reply).id!).sort()).toEqual([1, 2, 3]);
});

function openTo(server: Awaited<ReturnType<typeof start>>): Promise<import('node:net').Socket> {
  const at = createAddress(server.server.addresses().tcp[0]);
  return new Promise(resolve => {
    const socket = createConnection(at.port, '127.0.0.1', () => resolve(socket));
    socket.on('error', () => {});
  });
}

test('TCP: the connection idle longest makes room for another, and garbage ends one', async () => {
  const server = await start(query => answerA(query), { tcp: { maxConnections: 2 } });
  const first = await openTo(server);
  const firstClosed = once(first, 'close');
  await openTo(server);
  const third = await openTo(server);
  await firstClosed;
  third.write(frame(Buffer.alloc(30, 0xff)));
  await once(third, 'close');
  expect(server.server.tcpConnections.stats).toMatchObject({ displaced: 1, rejected: 0, idleClosed: 0 });
});

test('TCP: idle connections are closed', async () => {
  const server = await start(query => answerA(query), { tcp: { idleTimeoutMs: 100 } });
  await once(await openTo(server), 'close');
  expect(server.server.tcpConnections.stats).toMatchObject({ displaced: 0, rejected: 0, idleClosed: 1 });
});

test('TCP: a client that never reads its replies is held back, not buffered without bound', async () => {
  const strings = Array.from({ length: 150 }, () => 'x'.repeat(255));
  const server = await start(
    query => makeResponse(query, { answers: [{ type: 'TXT', name: 'big.example', ttl: 300, data: strings }] }),
    { tcp: { maxQueuedBytes: 100_000, idleTimeoutMs: 60_000 } },
  );
  const at = createAddress(server.server.addresses().tcp[0]);
  const socket = createConnection(at.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.pause();
  const query = frame(makeQuery('big.example', { type: 'TXT' }));
  for (let i = 0; i < 2000; i++) socket.write(query);
  await later(500);
  const asked = server.server.answerer.requests.tcp4;
  // 38 kB a reply: what the kernel's buffers and ours hold, far from 2000 replies.
  expect(asked).toBeGreaterThan(5);
  expect(asked).toBeLessThan(1500);
  socket.destroy();
});

test.each(['native', 'dgram'] as const)('a port is served by one server only, over UDP alone too (%s)', async udp => {
  for (const threads of [1, 2]) {
    const first = await start(query => answerA(query), { udp, threads, tcp: { enabled: false } });
    for (const more of [1, 2]) {
      const options = {
        listen: [first.address],
        udp,
        threads: more,
        tcp: { enabled: false },
        cache: { memory: '1MiB' },
      };
      const error = await createServer(options).catch((e: unknown) => e);
      expect(error).toMatchObject({ code: 'ERR_SHARDNS_LISTEN' });
      expect((error as Error).message).toContain(first.address);
    }
    expect(await askUdp(first.address, makeQuery('a.example'))).toBeDefined();
  }
});

test.each(['native', 'dgram'] as const)('an address with the interface it is of is listened on (%s)', async udp => {
  const server = await start(query => answerA(query), { listen: ['[::1%lo]:0'], udp, allow: ['::1'] });
  expect(server.address).toMatch(/^\[::1%lo\]:\d+$/);
  expect(rcodeOf((await askUdp(server.address, makeQuery('a.example')))!)).toBe(0);
  const [reply] = await askTcp(server.server.addresses().tcp[0], [makeQuery('a.example')]);
  expect(rcodeOf(reply)).toBe(0);
  const listen = ['[fe80::1%nosuchinterface]:5300'];
  const error = await createServer({ listen, udp, cache: { memory: '1MiB' } }).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'ERR_SHARDNS_LISTEN' });
  expect((error as Error).message).toContain(listen[0]);
});

test('a port in use is one clear error', async () => {
  const socket = createSocket('udp4');
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  const at = `127.0.0.1:${socket.address().port}`;
  for (const udp of ['native', 'dgram'] as const) {
    const error = await createServer({ listen: [at], udp, cache: { memory: '1MiB' } }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ShardnsError);
    expect(error).toMatchObject({ code: 'ERR_SHARDNS_LISTEN' });
    expect((error as Error).message).toContain(at);
  }
  socket.close();
});

test('wrong options are named with their value and what was expected', async () => {
  const attempt = (options: unknown): Promise<unknown> =>
    createServer(options as ServerOptions).then(
      () => 'no error',
      (error: Error) => error.message,
    );
  expect(await attempt({ threads: -1 })).toMatch(/threads: .*got -1/);
  expect(await attempt({ cache: { memory: '1 potato' } })).toMatch(/cache\.memory: .*64MiB.*got "1 potato"/);
  expect(await attempt({ cache: { polcy: 'lru' } })).toMatch(/cache\.polcy: is not an option/);
  expect(await attempt({ listen: ['localhost:53'] })).toMatch(/listen\[0\]: .*ADDRESS:PORT.*got "localhost:53"/);
  expect(await attempt({ upstreams: { other: ['192.0.2.1'] } })).toMatch(/upstreams: .*"default"/);
  expect(await attempt({ upstreams: ['192.0.2.1', 'x'] })).toMatch(/upstreams\[1\]: .*got "x"/);
  expect(await attempt({ cache: { memory: '1MiB', shards: 256 } })).toMatch(/1048576 octets in 256 shards/);
});

test('the process ends cleanly: at its end, at process.exit, at an uncaught exception, with a worker terminated', async () => {
  const script = (end: string): string => `
    import { createServer } from './dist/index.js';
    import { Worker, isMainThread } from 'node:worker_threads';
    const server = await createServer({ listen: ['127.0.0.1:0'], cache: { memory: '1MiB' }, upstreams: ['127.0.0.1:9'] });
    ${end}`;
  const outcome = async (end: string): Promise<number | string> => {
    try {
      await run(process.execPath, ['--input-type=module', '-e', script(end)], { timeout: 170_000 });
      return 0;
    } catch (error) {
      const { code, signal } = error as { code?: number; signal?: string };
      return signal ?? code ?? 'unknown';
    }
  };
  expect(await outcome('await server.close();')).toBe(0);
  expect(await outcome('await server.drain();')).toBe(0);
  expect(await outcome('process.exit(7);')).toBe(7);
  expect(await outcome('setTimeout(() => { throw new Error("x"); }, 20);')).toBe(1);
  const worker = `
    await server.close();
    const code = "import('" + new URL('./dist/index.js', 'file://' + process.cwd() + '/').href + "').then(m => m.createServer({ listen: ['127.0.0.1:0'], cache: { memory: '1MiB' } })).then(() => import('node:worker_threads')).then(w => w.parentPort.postMessage('up'))";
    for (let i = 0; i < 20; i++) {
      const worker = new Worker(code, { eval: true });
      await new Promise((resolve, reject) => { worker.on('message', resolve); worker.on('error', reject); });
      await worker.terminate();
    }`;
  expect(await outcome(worker)).toBe(0);
});

test('clock jumps of a day change nothing: time is monotonic', async () => {
  const server = await start(query => answerA(query));
  await server.ask('udp', makeQuery('a.example'));
  const { now } = Date;
  try {
    for (const jump of [86_400_000, -86_400_000]) {
      Date.now = () => now() + jump;
      const reply = await server.ask('udp', makeQuery('a.example'));
      expect((decode(reply!).answers![0] as { ttl: number }).ttl).toBeGreaterThan(290);
    }
  } finally {
    Date.now = now;
  }
  expect(server.asked).toBe(1);
});

function createAddress(text: string): { port: number } {
  return { port: Number(/:(\d+)$/.exec(text)![1]) };
}
