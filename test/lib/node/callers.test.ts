// Those who wait for one lookup: told in their order, each in its own context, whatever the others do.
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import dnsPacket from 'dns-packet';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CachedLookup } from '../../../lib/node/cached-lookup.js';
import type { LookupOptions } from '../../../lib/node/options.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { makeResponse, soa } from '../../support/messages.js';

let clock: FakeClock;
let udp: FakeTransport;
let cached: CachedLookup;
beforeEach(() => {
  clock = new FakeClock();
  udp = new FakeTransport(clock, query => {
    const [{ name, type }] = dnsPacket.decode(query).questions!;
    if (type !== 'A') return makeResponse(query, { authorities: [soa('example', 600)] });
    return makeResponse(query, { answers: [{ type: 'A', name, ttl: 300, data: '192.0.2.1' }] });
  });
  const options: LookupOptions = { memory: '1MiB', resolvConf: false, hostsFile: false, servers: ['192.0.2.53'] };
  cached = new CachedLookup(options, { clock, udpTransport: udp, tcpTransport: udp, interfaces: () => ['192.0.2.2'] });
});
afterEach(() => cached.close());

test('they are called in the order in which they came, with their own options', async () => {
  const called: unknown[] = [];
  for (let i = 0; i < 5; i++) {
    const options = { family: 4, all: i % 2 === 0, order: i < 3 ? 'ipv4first' : 'verbatim' } as const;
    cached.lookup('a.example', options, (_, address) => called.push([i, address]));
  }
  expect(called).toEqual([]);
  await settle();
  const one = [{ address: '192.0.2.1', family: 4 }];
  expect(called).toEqual([0, 1, 2, 3, 4].map(i => [i, i % 2 === 0 ? one : '192.0.2.1']));
  expect(udp.asked).toHaveLength(1);
});

test('each is called in the asynchronous context that it asked in, also where it aborts, fails or is answered from the cache', async () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const note = (): void => void seen.push(storage.getStore());
  const controller = new AbortController();
  const { signal } = controller;
  const ask = (context: string, name: string, options = {}): void =>
    storage.run(context, () => cached.lookup(name, options, note));
  ask('first', 'a.example');
  ask('second', 'a.example');
  ask('aborted', 'a.example', { signal });
  cached.lookup('a.example', note);
  storage.run('elsewhere', () => controller.abort());
  await settle();
  expect(seen).toEqual(['aborted', 'first', 'second', undefined]);
  ask('cached', 'a.example');
  ask('decoded', 'a.example');
  ask('literal', '192.0.2.9');
  ask('none', 'a.invalid');
  await settle();
  expect(seen.slice(4).sort()).toEqual(['cached', 'decoded', 'literal', 'none']);
});

test('one that asks again while it is called waits for a lookup of its own, or is answered from the cache', async () => {
  const called: string[] = [];
  cached.lookup('a.example', () => {
    called.push('outer');
    cached.lookup('a.example', () => called.push('inner'));
  });
  cached.lookup('a.example', () => called.push('beside'));
  await settle();
  expect(called).toEqual(['outer', 'beside', 'inner']);
});

test('what one throws is an uncaught exception of the program, and the others are called all the same', async () => {
  const entry = new URL('../../../dist/index.js', import.meta.url).href;
  const code = `
    import { createSocket } from 'node:dgram';
    import { CachedLookup } from ${JSON.stringify(entry)};
    const server = createSocket('udp4', (query, from) => {
      const reply = Buffer.concat([query.subarray(0, query.length - 11), Buffer.from('c00c0001000100000e100004c0000201', 'hex')]);
      reply.writeUInt16BE(0x8180, 2);
      reply.writeUInt16BE(1, 6);
      reply.writeUInt16BE(0, 10);
      server.send(reply, from.port, from.address);
    });
    server.bind(0, '127.0.0.1', () => {
      const servers = ['127.0.0.1:' + server.address().port];
      const cached = new CachedLookup({ servers, hostsFile: false, resolvConf: false });
      const said = [];
      process.on('uncaughtException', error => said.push(error.message));
      for (let i = 0; i < 6; i++) {
        cached.lookup('a.example', { family: 4 }, (error, address) => {
          said.push(i + ' ' + address);
          if (i === 5) setImmediate(() => { console.log(JSON.stringify(said)); process.exit(); });
          if (i % 2 === 1) throw new Error('by ' + i);
        });
      }
    });`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code]);
  const at = '192.0.2.1';
  const expected = [`0 ${at}`, `1 ${at}`, 'by 1', `2 ${at}`, `3 ${at}`, 'by 3', `4 ${at}`, `5 ${at}`, 'by 5'];
  expect(JSON.parse(stdout)).toEqual(expected);
});

test('those who wait cost less than 1 KiB each', async () => {
  udp.handler = () => undefined;
  const measure = (): number => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  const done = (): void => {};
  cached.lookup('a.example', done);
  const before = measure();
  for (let i = 0; i < 20_000; i++) cached.lookup('a.example', done);
  expect((measure() - before) / 20_000).toBeLessThan(1024);
  expect(udp.asked.length).toBeLessThanOrEqual(2);
  await settle();
});
