// The contract of dns.lookup, one test a line of it, and everything in Node and around it that takes a lookup.
import dgram from 'node:dgram';
import dns from 'node:dns';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import axios from 'axios';
import got from 'got';
import { Agent, fetch as undiciFetch, interceptors } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CachedLookup, dnsInterceptorOptions } from '../../../lib/node/cached-lookup.js';
import { Resolver } from '../../../lib/node/resolver.js';
import type { LookupAddress, LookupCallOptions } from '../../../lib/node/lookup-call.js';
import type { LookupOptions } from '../../../lib/node/options.js';
import { DnsServer } from '../../support/dns-server.js';
import { CERTIFICATE, KEY } from '../../support/certificate.js';

const A = (name: string, ...list: string[]) => list.map(data => ({ type: 'A' as const, name, ttl: 300, data }));
const AAAA = (name: string, ...list: string[]) => list.map(data => ({ type: 'AAAA' as const, name, ttl: 300, data }));
const INTERFACES = ['127.0.0.1', '::1', '192.0.2.200', '2001:db8:ffff::200'];

let server: DnsServer;
let cached: CachedLookup;
const folder = mkdtempSync(join(tmpdir(), 'shardns-lookup-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

function make(options: LookupOptions = {}, interfaces = INTERFACES): CachedLookup {
  return new CachedLookup(
    { servers: [server.address], memory: '1MiB', resolvConf: false, hostsFile: false, timeoutMs: 20_000, ...options },
    { interfaces: () => interfaces },
  );
}
beforeEach(async () => {
  server = await DnsServer.start({
    'both.example': { A: A('both.example', '192.0.2.1', '192.0.2.2'), AAAA: AAAA('both.example', '2001:db8::1') },
    'four.example': { A: A('four.example', '192.0.2.4') },
    'six.example': { AAAA: AAAA('six.example', '2001:db8::6') },
    'local.example': { A: A('local.example', '127.0.0.1') },
    'loop.example': { A: A('loop.example', '127.0.0.1'), AAAA: AAAA('loop.example', '::1') },
    'empty.example': { TXT: [{ type: 'TXT', name: 'empty.example', ttl: 60, data: 'nothing' }] },
    'alias.example': { CNAME: [{ type: 'CNAME', name: 'alias.example', ttl: 60, data: 'four.example' }] },
    'www.corp.example': { A: A('www.corp.example', '192.0.2.77') },
  });
  cached = make();
});
afterEach(() => {
  cached.close();
  server.close();
});

type Result = { error: NodeJS.ErrnoException | null; address?: unknown; family?: number };
function ask(hostname: unknown, options?: LookupCallOptions | number, on = cached): Promise<Result> {
  return new Promise(resolve => {
    const done = (error: NodeJS.ErrnoException | null, address?: unknown, family?: number): void =>
      resolve({ error, address, family });
    const { lookup } = on; // unbound
    if (options === undefined) lookup(hostname as string, done);
    else lookup(hostname as string, options, done);
  });
}
const all = async (hostname: string, options: LookupCallOptions = {}, on = cached): Promise<string[]> =>
  ((await ask(hostname, { ...options, all: true }, on)).address as LookupAddress[]).map(one => one.address);

describe('what it answers', () => {
  test('without all: address and family', async () => {
    expect(await ask('four.example')).toEqual({ error: null, address: '192.0.2.4', family: 4 });
  });
  test('options may be left out, or be a number', async () => {
    expect(await ask('both.example', 6)).toEqual({ error: null, address: '2001:db8::1', family: 6 });
    expect(await ask('both.example', 4)).toEqual({ error: null, address: '192.0.2.1', family: 4 });
  });
  test.each([0, 4, 6, 'IPv4', 'IPv6', undefined] as const)(
    'family %s is understood; 4 or 6 comes back',
    async family => {
      const { error, family: got } = await ask('both.example', { family });
      expect(error).toBeNull();
      expect([4, 6]).toContain(got);
      if (family === 4 || family === 'IPv4') expect(got).toBe(4);
      if (family === 6 || family === 'IPv6') expect(got).toBe(6);
    },
  );
  test('what net, tls, http and undici pass: {family: undefined, hints: 32, all: true}', async () => {
    const { address } = await ask('both.example', { family: undefined, hints: 32, all: true });
    expect(new Set((address as LookupAddress[]).map(one => `${one.family} ${one.address}`))).toEqual(
      new Set(['4 192.0.2.1', '4 192.0.2.2', '6 2001:db8::1']),
    );
  });
  test('dgram passes a number and looks up 0.0.0.0', async () => {
    expect(await ask('0.0.0.0', 4)).toEqual({ error: null, address: '0.0.0.0', family: 4 });
  });
  test.each(['192.0.2.9', '2001:db8::9', '::1', 'fe80::1%eth0'])('the literal %s is echoed', async literal => {
    expect(await ask(literal)).toEqual({ error: null, address: literal, family: net.isIP(literal) });
    expect(await all(literal)).toEqual([literal]);
    expect(server.asked).toHaveLength(0);
  });
  test.each([undefined, null, '', false, 0])('the falsy host %s is as in Node', async host => {
    expect(await ask(host, { all: true })).toEqual({ error: null, address: [] });
    expect(await ask(host, { family: 6 })).toEqual({ error: null, address: null, family: 6 });
    expect(await ask(host)).toEqual({ error: null, address: null, family: 4 });
  });
  test('an alias is followed', async () => {
    expect(await all('alias.example')).toEqual(['192.0.2.4']);
  });
  test('letter case and a final dot make no difference', async () => {
    expect(await all('FOUR.example.')).toEqual(['192.0.2.4']);
  });
  test('promisify gives what it gives for dns.lookup', async () => {
    const promised = promisify(cached.lookup);
    expect(await promised('four.example')).toEqual({ address: '192.0.2.4', family: 4 });
    expect(await promised('four.example', { all: true })).toEqual([{ address: '192.0.2.4', family: 4 }]);
  });
  test('the callback always comes in a later turn, from the cache too', async () => {
    await ask('four.example');
    for (const host of ['four.example', '192.0.2.1', '']) {
      let called = false;
      cached.lookup(host, () => {
        called = true;
      });
      expect(called).toBe(false);
    }
  });
});

describe('order', () => {
  test('order ipv4first and ipv6first', async () => {
    expect(await all('both.example', { order: 'ipv4first' })).toEqual(['192.0.2.1', '192.0.2.2', '2001:db8::1']);
    expect(await all('both.example', { order: 'ipv6first' })).toEqual(['2001:db8::1', '192.0.2.1', '192.0.2.2']);
  });
  test('order wins over verbatim; verbatim: false is ipv4first', async () => {
    expect((await all('both.example', { verbatim: false }))[0]).toBe('192.0.2.1');
    expect((await all('both.example', { verbatim: false, order: 'ipv6first' }))[0]).toBe('2001:db8::1');
  });
  test('the default is dns.getDefaultResultOrder()', async () => {
    const before = dns.getDefaultResultOrder();
    try {
      dns.setDefaultResultOrder('ipv4first');
      expect((await all('both.example'))[0]).toBe('192.0.2.1');
    } finally {
      dns.setDefaultResultOrder(before as 'verbatim');
    }
  });
  test('verbatim is the order of RFC 6724: a machine without IPv6 tries IPv4 first', async () => {
    expect((await all('both.example', { order: 'verbatim' }))[0]).toBe('2001:db8::1');
    using v4only = make({}, ['127.0.0.1', '192.0.2.200']);
    expect((await all('both.example', { order: 'verbatim' }, v4only))[0]).toBe('192.0.2.1');
  });
});

describe('hints', () => {
  test('ADDRCONFIG leaves out the family that the machine does not have', async () => {
    using v4only = make({}, ['127.0.0.1', '::1', '192.0.2.200']);
    expect(await all('both.example', { hints: dns.ADDRCONFIG }, v4only)).toEqual(['192.0.2.1', '192.0.2.2']);
    expect(server.countOf('both.example', 'AAAA')).toBe(0);
  });
  test('V4MAPPED gives mapped addresses where there is no IPv6, ALL both', async () => {
    expect(await all('four.example', { family: 6, hints: dns.V4MAPPED })).toEqual(['::ffff:192.0.2.4']);
    expect(await all('both.example', { family: 6, hints: dns.V4MAPPED })).toEqual(['2001:db8::1']);
    expect(await all('both.example', { family: 6, hints: dns.V4MAPPED | dns.ALL })).toEqual([
      '2001:db8::1',
      '::ffff:192.0.2.1',
      '::ffff:192.0.2.2',
    ]);
  });
});

describe('errors', () => {
  test('a name that does not exist: ENOTFOUND -3008 with syscall and hostname', async () => {
    const { error } = await ask('missing.example');
    expect(error).toMatchObject({
      code: 'ENOTFOUND',
      errno: -3008,
      syscall: 'getaddrinfo',
      hostname: 'missing.example',
    });
    expect(error!.message).toBe('getaddrinfo ENOTFOUND missing.example');
  });
  test('a name without addresses: ENOTFOUND -3007, never [] under all', async () => {
    const { error, address } = await ask('empty.example', { all: true });
    expect(error).toMatchObject({ code: 'ENOTFOUND', errno: -3007 });
    expect(address).toBeUndefined();
    expect((await ask('four.example', { family: 6, all: true })).error).toMatchObject({ errno: -3007 });
  });
  test.each([2, 5, 'silence'] as const)('SERVFAIL, REFUSED and silence (%s): EAI_AGAIN -3001', async failure => {
    server.failing.set('four.example', failure);
    using one = make(failure === 'silence' ? { timeoutMs: 300 } : {});
    const { error } = await ask('four.example', {}, one);
    expect(error).toMatchObject({ code: 'EAI_AGAIN', errno: -3001, syscall: 'getaddrinfo', hostname: 'four.example' });
  });
  test('one family is enough when the other fails', async () => {
    using one = make();
    expect(await all('both.example', { family: 4 }, one)).toHaveLength(2);
    server.failing.set('both.example', 2);
    expect(await all('both.example', {}, one)).toEqual(['192.0.2.1', '192.0.2.2']);
  });
  test('what cannot be a name is not found, without asking', async () => {
    for (const host of ['a..b', `${'x'.repeat(64)}.example`, 'sp ace.example', 'ü..test', 'ü b.test']) {
      expect((await ask(host)).error).toMatchObject({ code: 'ENOTFOUND' });
    }
    expect(server.asked).toHaveLength(0);
  });
  test('wrong arguments throw as in Node', () => {
    const done = (): void => {};
    expect(() => cached.lookup('a', {}, undefined as never)).toThrow(TypeError);
    expect(() => cached.lookup(5 as never, done)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
    expect(() => cached.lookup('a', { family: 5 }, done)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
    );
    expect(() => cached.lookup('a', { hints: 1 << 20 }, done)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
    );
    expect(() => cached.lookup('a', { order: 'random' as 'verbatim' }, done)).toThrow(TypeError);
  });
  test('wrong options name option, value and expectation', () => {
    expect(() => new CachedLookup({ memory: '12 potatoes' })).toThrow(/memory: .*expected.*12 potatoes/);
    expect(() => new CachedLookup({ servers: ['nowhere'] })).toThrow(/servers\.0: .*nowhere/);
    expect(() => new CachedLookup({ colour: 'red' } as never)).toThrow('colour: is not an option');
  });
  test('a signal calls it off', async () => {
    server.failing.set('four.example', 'silence');
    const controller = new AbortController();
    const pending = ask('four.example', { signal: controller.signal });
    controller.abort();
    expect((await pending).error).toMatchObject({ name: 'AbortError' });
    expect((await ask('both.example', { signal: controller.signal })).error).toMatchObject({ name: 'AbortError' });
  });
  test('after close a lookup is an error, not a crash', async () => {
    using other = make();
    other.close();
    expect((await ask('four.example', {}, other)).error).toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
  });
});

describe('the cache', () => {
  test('a hit asks nobody; a missing name is remembered too (RFC 2308)', async () => {
    for (let i = 0; i < 5; i++) {
      await ask('both.example');
      await ask('missing.example');
    }
    expect(server.asked).toHaveLength(4);
  });
  test('twenty askers of one missing name cause one query a family', async () => {
    await Promise.all(Array.from({ length: 20 }, () => ask('both.example', { all: true })));
    expect(server.countOf('both.example', 'A')).toBe(1);
    expect(server.countOf('both.example', 'AAAA')).toBe(1);
  });
  test('an expired answer serves where no server answers (RFC 8767)', async () => {
    await ask('four.example');
    cached.client.engine.native.shiftClock(400_000);
    server.failing.set('four.example', 2);
    expect((await ask('four.example', 4)).address).toBe('192.0.2.4');
  });
  test('clear forgets', async () => {
    await ask('four.example', 4);
    cached.clear();
    await ask('four.example', 4);
    expect(server.countOf('four.example')).toBe(2);
  });
  test('what a caller does to its answer does not show in the next one', async () => {
    for (let i = 0; i < 3; i++) {
      const list = (await ask('both.example', { all: true, order: 'ipv4first' })).address as LookupAddress[];
      expect(list.map(one => one.address)).toEqual(['192.0.2.1', '192.0.2.2', '2001:db8::1']);
      list[0].address = 'spoilt';
      list.pop();
    }
  });
  test('each call has its own family, hints and order, however soon after another', async () => {
    for (let i = 0; i < 2; i++) {
      expect((await ask('both.example', 4)).address).toBe('192.0.2.1');
      expect((await ask('both.example', 6)).address).toBe('2001:db8::1');
      expect((await all('both.example', { order: 'ipv4first' }))[0]).toBe('192.0.2.1');
      expect((await all('both.example', { order: 'ipv6first' }))[0]).toBe('2001:db8::1');
    }
  });
  test('rotate turns the addresses of a family', async () => {
    using rotating = make({ rotate: true });
    const firsts = new Set<string>();
    for (let i = 0; i < 50; i++) firsts.add((await all('both.example', { family: 4 }, rotating))[0]);
    expect(firsts).toEqual(new Set(['192.0.2.1', '192.0.2.2']));
  });
});

describe('the files of the machine', () => {
  test('the hosts file comes first and is read again when it changes', async () => {
    const hostsFile = file('hosts', '192.0.2.50 four.example printer # mine\n2001:db8::50 printer\nnonsense here\n');
    let now = 0;
    const clock = { nowMs: () => now, wallSeconds: () => 0, after: () => ({ cancel: () => {} }) };
    using own = new CachedLookup(
      { servers: [server.address], memory: '1MiB', resolvConf: false, hostsFile },
      { clock, interfaces: () => INTERFACES },
    );
    expect(await all('four.example', {}, own)).toEqual(['192.0.2.50']);
    expect(await all('Printer', { order: 'ipv4first' }, own)).toEqual(['192.0.2.50', '2001:db8::50']);
    file('hosts', '192.0.2.51 four.example other\n');
    now += 2000;
    expect(await all('four.example', {}, own)).toEqual(['192.0.2.51']);
    rmSync(hostsFile);
    now += 2000;
    expect(own.client.hosts!.find('other')).toBeUndefined();
    expect(server.asked).toHaveLength(0);
  });
  test('search and ndots of resolv.conf', async () => {
    const resolvConf = file(
      'resolv.conf',
      'nameserver 192.0.2.53\nsearch nowhere.example corp.example\noptions ndots:1\n',
    );
    using searching = make({ resolvConf });
    expect(await all('www', {}, searching)).toEqual(['192.0.2.77']);
    expect(server.asked.map(one => one.name)).toEqual(
      expect.arrayContaining(['www.nowhere.example', 'www.corp.example']),
    );
    server.asked.length = 0;
    expect(await all('four.example', {}, searching)).toEqual(['192.0.2.4']);
    expect(server.asked.every(one => one.name === 'four.example')).toBe(true);
    expect((await ask('www.', {}, searching)).error).toMatchObject({ code: 'ENOTFOUND' });
  });
  test('rotate of resolv.conf spreads questions over the servers', async () => {
    const other = await DnsServer.start(server.names);
    const names = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`n${i}.example`, { A: A(`n${i}.example`, '192.0.2.9') }]),
    );
    Object.assign(server.names, names);
    const resolvConf = file('rotate.conf', 'options rotate\n');
    const own = new CachedLookup({
      servers: [server.address, other.address],
      memory: '1MiB',
      resolvConf,
      hostsFile: false,
    });
    for (const name of Object.keys(names)) expect(await all(name, { family: 4 }, own)).toEqual(['192.0.2.9']);
    expect(server.asked.length).toBeGreaterThan(5);
    expect(other.asked.length).toBeGreaterThan(5);
    own.close();
    other.close();
  });
  test('localhost needs no server (RFC 6761)', async () => {
    expect(await all('localhost', { family: 4 })).toEqual(['127.0.0.1']);
    expect(server.asked).toHaveLength(0);
  });
});

describe('whoever takes a lookup', () => {
  let web: http.Server;
  let secure: https.Server;
  let secure2: http2.Http2SecureServer;
  const port = (of: net.Server): number => (of.address() as AddressInfo).port;
  const listen = (of: net.Server): Promise<void> => new Promise(resolve => of.listen(0, resolve));
  beforeAll(async () => {
    web = http.createServer((_, response) => response.end('hello'));
    secure = https.createServer({ key: KEY, cert: CERTIFICATE }, (_, response) => response.end('hello'));
    secure2 = http2.createSecureServer({ key: KEY, cert: CERTIFICATE });
    secure2.on('stream', stream => {
      stream.respond({ ':status': 200 });
      stream.end('hello');
    });
    await Promise.all([listen(web), listen(secure), listen(secure2)]);
  });
  afterAll(() => {
    for (const one of [web, secure, secure2]) one.close();
  });
  const body = (message: http.IncomingMessage): Promise<string> =>
    new Promise(resolve => {
      let text = '';
      message.on('data', chunk => (text += String(chunk)));
      message.on('end', () => resolve(text));
    });
  const FORMS = [
    {},
    { family: 4 },
    { family: 0, autoSelectFamily: true },
    { autoSelectFamily: false },
    { family: 4, autoSelectFamily: true },
    { localAddress: '127.0.0.1' },
  ];
  const HOSTS = ['local.example', 'loop.example'];
  // A source of one family and a first destination of the other go together nowhere.
  const forms = HOSTS.flatMap(host => FORMS.map(form => [host, form] as const)).filter(
    ([host, form]) => host === 'local.example' || !('localAddress' in form),
  );
  const lookup = (): typeof dns.lookup => cached.lookup as unknown as typeof dns.lookup;

  test.each(forms)('net.connect to %s with %o', async (host, form) => {
    const socket = net.connect({ host, port: port(web), lookup: lookup(), ...form });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    expect(['127.0.0.1', '::1']).toContain(socket.remoteAddress);
    socket.destroy();
  });
  test.each(forms)('http.get to %s with %o', async (host, form) => {
    const text = await new Promise<string>((resolve, reject) =>
      http
        .get({ host, port: port(web), lookup: lookup(), agent: false, ...form }, message => resolve(body(message)))
        .on('error', reject),
    );
    expect(text).toBe('hello');
  });
  test.each(forms)('https.get to %s with %o', async (host, form) => {
    const text = await new Promise<string>((resolve, reject) =>
      https
        .get(
          { host, port: port(secure), lookup: lookup(), agent: false, rejectUnauthorized: false, ...form },
          message => resolve(body(message)),
        )
        .on('error', reject),
    );
    expect(text).toBe('hello');
  });
  test.each(forms)('tls.connect to %s with %o', async (host, form) => {
    const socket = tls.connect({ host, port: port(secure), lookup: lookup(), rejectUnauthorized: false, ...form });
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    socket.destroy();
  });
  test.each(forms)('http2.connect to %s with %o', async (host, form) => {
    const session = http2.connect(`https://${host}:${port(secure2)}`, {
      lookup: lookup(),
      rejectUnauthorized: false,
      ...form,
    });
    const status = await new Promise((resolve, reject) => {
      session.on('error', reject);
      session
        .request({ ':path': '/' })
        .on('response', headers => resolve(headers[':status']))
        .resume();
    });
    expect(status).toBe(200);
    session.close();
  });
  test('dgram.send', async () => {
    const receiver = dgram.createSocket('udp4');
    await new Promise<void>(resolve => receiver.bind(0, '127.0.0.1', resolve));
    const sender = dgram.createSocket({ type: 'udp4', lookup: lookup() as never });
    const got = new Promise(resolve => receiver.once('message', message => resolve(message.toString())));
    sender.send('hello', receiver.address().port, 'local.example');
    expect(await got).toBe('hello');
    sender.close();
    receiver.close();
  });
  test('a name that is not there is an error event, not an uncaught exception', async () => {
    for (const form of FORMS) {
      const error = await new Promise(resolve =>
        http.get({ host: 'missing.example', port: 1, lookup: lookup(), agent: false, ...form }).on('error', resolve),
      );
      expect(error).toMatchObject({ code: 'ENOTFOUND' });
    }
  });
  test.each([{}, { autoSelectFamily: true }, { autoSelectFamily: false }, { family: 4 }])(
    'undici with %o',
    async form => {
      const agent = new Agent({ connect: { lookup: lookup(), ...form } });
      const response = await undiciFetch(`http://loop.example:${port(web)}/`, { dispatcher: agent });
      expect(await response.text()).toBe('hello');
      await agent.close();
    },
  );
  test('what is no lookup is refused where it is handed over, not at the first request', () => {
    for (const given of [cached, 5, null] as never[]) {
      expect(() => dnsInterceptorOptions(given)).toThrow(/"lookup" argument must be of type function/);
    }
    expect(() => new CachedLookup({}, { cache: 5 as never })).toThrow('cache: expected a DnsCache, got 5');
    expect(() => new Resolver({ client: cached as never })).toThrow(/"options.client" property must be an instance of/);
  });
  test("undici's dns interceptor asks this cache, and its storage is bounded", async () => {
    const options = dnsInterceptorOptions(cached.lookup);
    const agent = new Agent();
    const dispatcher = agent.compose(interceptors.dns(options));
    for (let i = 0; i < 4; i++) {
      const response = await undiciFetch(`http://loop.example:${port(web)}/`, { dispatcher });
      expect(await response.text()).toBe('hello');
    }
    expect(server.countOf('loop.example')).toBe(2); // one of each family
    await expect(undiciFetch(`http://missing.example:${port(web)}/`, { dispatcher })).rejects.toMatchObject({
      cause: { code: 'ENOTFOUND' },
    });
    await agent.close();
    const { storage } = options;
    for (let i = 0; i < 2000; i++) storage.set(`n${i}.example`, { records: { 4: null, 6: null } });
    expect(storage.size).toBe(1024);
    expect(storage.get('n0.example')).toBeNull();
    expect(storage.get('n1999.example')).not.toBeNull();
    expect(storage.full()).toBe(false);
  });
  test('got, by dnsLookup and by agent', async () => {
    const url = `http://local.example:${port(web)}/`;
    expect(await got(url, { dnsLookup: lookup() as never }).text()).toBe('hello');
    const agent = new http.Agent();
    cached.install(agent);
    expect(await got(url, { agent: { http: agent } }).text()).toBe('hello');
  });
  test('axios, by lookup and by agent', async () => {
    const url = `http://local.example:${port(web)}/`;
    expect((await axios.get(url, { lookup: lookup() as never, proxy: false })).data).toBe('hello');
    const httpAgent = new http.Agent();
    cached.install(httpAgent);
    expect((await axios.get(url, { httpAgent, proxy: false })).data).toBe('hello');
  });
  test('install leaves alone who has a lookup, and uninstall undoes it', async () => {
    const agent = new http.Agent();
    const before = agent.createConnection;
    cached.install(agent);
    cached.install(agent);
    const get = (host: string, own?: typeof dns.lookup): Promise<string> =>
      new Promise((resolve, reject) =>
        http
          .get({ host, port: port(web), agent, ...(own && { lookup: own }) }, message => resolve(body(message)))
          .on('error', reject),
      );
    expect(await get('local.example')).toBe('hello');
    let mine = 0;
    const own = ((_host: string, _options: unknown, callback: (error: null, list: LookupAddress[]) => void) => {
      mine++;
      callback(null, [{ address: '127.0.0.1', family: 4 }]);
    }) as unknown as typeof dns.lookup;
    expect(await get('mine.example', own)).toBe('hello');
    expect(mine).toBe(1);
    cached.uninstall(agent);
    expect(agent.createConnection).toBe(before);
    expect(() => cached.install({} as http.Agent)).toThrow(TypeError);
  });
});
