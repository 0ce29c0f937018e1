// What a program's names are asked as, of whom, and what is not asked at all.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dnsPacket from 'dns-packet';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CachedLookup } from '../../../lib/node/cached-lookup.js';
import { DnsClient } from '../../../lib/node/client.js';
import type { LookupAddress, LookupCallOptions } from '../../../lib/node/lookup-call.js';
import type { LookupOptions } from '../../../lib/node/options.js';
import { Resolver } from '../../../lib/node/resolver.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakeTransport, type Handler } from '../../support/fake-transport.js';
import { makeResponse, soa } from '../../support/messages.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-asking-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const file = (text: string): string => {
  const path = join(folder, `file-${files++}`);
  writeFileSync(path, text);
  return path;
};

let clock: FakeClock;
let udp: FakeTransport;
let tcp: FakeTransport;
/** What a test's network answers; by default every name has one address of each family. */
let network: (name: string, type: string, server: string) => 'silence' | 'nothing' | string;
const open: CachedLookup[] = [];
beforeEach(() => {
  clock = new FakeClock();
  network = (_, type) => (type === 'A' ? '192.0.2.1' : '2001:db8::1');
  const handler: Handler = (query, server) => {
    const [{ name, type }] = dnsPacket.decode(query).questions!;
    const data = network(name.toLowerCase(), type, server);
    if (data === 'silence') return undefined;
    if (data === 'nothing') return makeResponse(query, { rcode: 3, authorities: [soa('example', 600)] });
    if (data.includes(':') !== (type === 'AAAA')) return makeResponse(query, { authorities: [soa('example', 600)] });
    return makeResponse(query, { answers: [{ type: type as 'A', name, ttl: 300, data }] });
  };
  udp = new FakeTransport(clock, handler);
  tcp = new FakeTransport(clock, handler);
});
afterEach(() => {
  for (const one of open.splice(0)) one.close();
  vi.unstubAllEnvs();
});

const INTERFACES = ['127.0.0.1', '::1', '192.0.2.200', '2001:db8:ffff::200'];
function make(options: LookupOptions = {}): CachedLookup {
  const dependencies = { clock, udpTransport: udp, tcpTransport: tcp, interfaces: () => INTERFACES };
  const made = new CachedLookup(
    { memory: '1MiB', resolvConf: false, hostsFile: false, servers: ['192.0.2.53'], ...options },
    dependencies,
  );
  open.push(made);
  return made;
}
const withConf = (text: string, options: LookupOptions = {}): CachedLookup =>
  make({ servers: undefined, resolvConf: file(text), ...options });
const asked = (by: FakeTransport = udp): string[] =>
  by.asked.map(one => {
    const [{ name, type }] = dnsPacket.decode(one.query).questions!;
    return `${name.toLowerCase()} ${type}`;
  });
type Outcome = string | string[];
/** The addresses, or the error's code and number. */
function start(lookup: CachedLookup['lookup'], host: string, options: LookupCallOptions = {}): Promise<Outcome> {
  return new Promise(resolve =>
    lookup(host, { ...options, all: true }, (error, addresses: LookupAddress[]) =>
      resolve(error ? `${error.code} ${error.errno}` : addresses.map(one => one.address)),
    ),
  );
}
async function ask(by: CachedLookup, host: string, options: LookupCallOptions = {}): Promise<Outcome> {
  const outcome = start(by.lookup, host, options);
  await settle();
  return outcome;
}

describe('localhost and what is below it (RFC 6761 section 6.3)', () => {
  const conf = 'nameserver 192.0.2.53\nsearch corp.example\noptions ndots:5\n';
  test.each(['localhost', 'LOCALHOST', 'app.localhost', 'a.b.localhost.', 'localhost.'])(
    '%s is loopback and never asked, whatever the search list and the hosts file say',
    async host => {
      for (const hostsFile of [file('# nothing\n'), false as const]) {
        const one = withConf(conf, { hostsFile });
        expect(await ask(one, host, { family: 4 })).toEqual(['127.0.0.1']);
        expect(await ask(one, host, { family: 6 })).toEqual(['::1']);
        expect(await ask(one, host, { order: 'ipv4first' })).toEqual(['127.0.0.1', '::1']);
        const resolver = new Resolver({ client: one.client });
        expect(await resolver.resolve4(host)).toEqual(['127.0.0.1']);
        expect(await resolver.resolve6(host)).toEqual(['::1']);
        expect(await resolver.resolveAny(host)).toMatchObject([{ type: 'A' }, { type: 'AAAA', address: '::1' }]);
        await expect(resolver.resolveMx(host)).rejects.toMatchObject({ code: 'ENODATA' });
      }
      expect(asked()).toEqual([]);
    },
  );
  test('the hosts file may give them other addresses', async () => {
    const one = withConf(conf, { hostsFile: file('127.0.0.9 app.localhost\n') });
    expect(await ask(one, 'app.localhost')).toEqual(['127.0.0.9']);
  });
});

describe('names outside ASCII', () => {
  test('are asked for in punycode by lookup and Resolver, and errors show them as they were', async () => {
    const one = make();
    expect(await ask(one, 'bücher.example', { family: 4 })).toEqual(['192.0.2.1']);
    const resolver = new Resolver({ client: one.client });
    expect(await resolver.resolve4('BÜCHER.example')).toEqual(['192.0.2.1']);
    network = () => 'nothing';
    await expect(resolver.resolveTxt('straße.example')).rejects.toMatchObject({
      code: 'ENOTFOUND',
      hostname: 'straße.example',
    });
    expect(asked()).toEqual(['xn--bcher-kva.example A', 'xn--strae-oqa.example TXT']);
  });
  test('go through the search list and the hosts file in punycode too', async () => {
    const one = withConf('nameserver 192.0.2.53\nsearch corp.example\n', {
      hostsFile: file('192.0.2.7 xn--mnchen-3ya\n'),
    });
    expect(await ask(one, 'münchen')).toEqual(['192.0.2.7']);
    await ask(one, 'köln', { family: 4 });
    expect(asked()).toEqual(['xn--kln-sna.corp.example A']);
  });
});

describe('what is no host name to getaddrinfo', () => {
  const REFUSED = [
    ...['[::1]', 'www.example:80', 'http://www.example', 'www.example/', '1.2.3.4:80', '1.2.3.4/24', 'gg::1'],
    ...['-a.example', '-', '*.example', 'a b.example', 'a@b.example', 'a\\046b.example', 'a!b', 'ü!b.example'],
  ];
  const conf = 'nameserver 192.0.2.53\nsearch corp.example\n';
  test.each(REFUSED)('%j is not there, and nobody is asked for it', async host => {
    const one = withConf(conf);
    for (const family of [0, 4, 6] as const) expect(await ask(one, host, { family })).toBe('ENOTFOUND -3008');
    expect(asked()).toEqual([]);
  });
  test.each(['a-.example', 'a.-b.example', '_a.example', 'a_b', 'A9.example.', 'xn--bcher-kva.example'])(
    '%s is one',
    async host => {
      expect(await ask(withConf(conf), host, { family: 4 })).toEqual(['192.0.2.1']);
    },
  );
  test('the hosts file may have it all the same', async () => {
    const one = withConf(conf, { hostsFile: file('192.0.2.7 -a.example a!b.example\n') });
    expect(await ask(one, '-a.example', { family: 4 })).toEqual(['192.0.2.7']);
    expect(await ask(one, 'a!b.example', { family: 4 })).toEqual(['192.0.2.7']);
  });
});

describe('servers', () => {
  test.each([['no nameserver line', 'options timeout:1\n'], ['no file']])(
    '%s: the one on this machine',
    async (_, text?: string) => {
      const resolvConf = text === undefined ? join(folder, 'missing') : file(text);
      const one = make({ servers: undefined, resolvConf });
      expect(await ask(one, 'a.example', { family: 4 })).toEqual(['192.0.2.1']);
      expect(udp.asked.map(query => query.server)).toEqual(['127.0.0.1:53']);
      const resolver = new Resolver({ client: one.client });
      expect(resolver.getServers()).toEqual(['127.0.0.1']);
      resolver.setLocalAddress('127.0.0.1');
      expect(resolver.getServers()).toEqual(['127.0.0.1']);
      resolver.close();
    },
  );
  test('a link-local server keeps its scope', async () => {
    const one = withConf('nameserver fe80::53%eth0\n');
    await ask(one, 'a.example', { family: 4 });
    expect(udp.asked.map(query => query.server)).toEqual(['[fe80::53%eth0]:53']);
  });

  test('what other servers said is not believed when resolv.conf names new ones', async () => {
    const resolvConf = file('nameserver 192.0.2.53\n');
    const one = make({ servers: undefined, resolvConf });
    network = (name, _, server) =>
      name.startsWith('old') ? '192.0.2.1' : server.includes('.53:') ? 'nothing' : '10.0.0.1';
    expect(await ask(one, 'intranet.example', { family: 4 })).toBe('ENOTFOUND -3008');
    expect(await ask(one, 'old.example', { family: 4 })).toEqual(['192.0.2.1']);
    writeFileSync(resolvConf, 'nameserver 192.0.2.54\nnameserver 192.0.2.55\n');
    await clock.advance(1500);
    expect(await ask(one, 'intranet.example', { family: 4 })).toEqual(['10.0.0.1']);
    expect(await new Resolver({ client: one.client }).resolve4('intranet.example')).toEqual(['10.0.0.1']);
    const before = udp.asked.length;
    await ask(one, 'old.example', { family: 4 });
    expect(udp.asked.length).toBe(before + 1);
    // The same servers in a file that has changed: what is known stays.
    writeFileSync(resolvConf, 'nameserver 192.0.2.54\nnameserver 192.0.2.55\nsearch other.example\n');
    await clock.advance(1500);
    await ask(one, 'old.example', { family: 4 });
    expect(udp.asked.length).toBe(before + 1);
  });
  test('an answer of former servers that comes late is asked for again', async () => {
    const resolvConf = file('nameserver 192.0.2.53\n');
    const one = make({ servers: undefined, resolvConf });
    let answerLate: () => void = () => {};
    const late = new Promise<void>(resolve => (answerLate = resolve));
    const plain = udp.handler;
    udp.handler = async (query, server, options) => {
      if (server.includes('.53:')) await late;
      return plain(query, server, options);
    };
    network = (_name, _type, server) => (server.includes('.53:') ? '192.0.2.1' : '10.0.0.1');
    const early = start(one.lookup, 'a.example', { family: 4 });
    await settle();
    writeFileSync(resolvConf, 'nameserver 192.0.2.54\n');
    await clock.advance(1500);
    expect(await ask(one, 'b.example', { family: 4 })).toEqual(['10.0.0.1']);
    answerLate();
    await settle();
    expect(await early).toEqual(['10.0.0.1']);
    expect(await ask(one, 'a.example', { family: 4 })).toEqual(['10.0.0.1']);
  });
});

describe('options of resolv.conf, and the environment (resolv.conf(5))', () => {
  test('use-vc: over TCP only', async () => {
    expect(await ask(withConf('nameserver 192.0.2.53\noptions use-vc\n'), 'a.example', { family: 4 })).toEqual([
      '192.0.2.1',
    ]);
    expect([asked(udp), asked(tcp)]).toEqual([[], ['a.example A']]);
  });
  test('no-aaaa: IPv6 addresses are those of the hosts file', async () => {
    const one = withConf('nameserver 192.0.2.53\noptions no-aaaa\n', { hostsFile: file('2001:db8::7 six.example\n') });
    expect(await ask(one, 'a.example')).toEqual(['192.0.2.1']);
    expect(await ask(one, 'b.example', { family: 6 })).toBe('ENOTFOUND -3007');
    expect(await ask(one, 'six.example')).toEqual(['2001:db8::7']);
    expect(asked()).toEqual(['a.example A']);
    expect(await new Resolver({ client: one.client }).resolve6('c.example')).toEqual(['2001:db8::1']);
  });
  test('LOCALDOMAIN is the search list, RES_OPTIONS come after those of the file', async () => {
    vi.stubEnv('LOCALDOMAIN', 'mine.example other.example.');
    vi.stubEnv('RES_OPTIONS', 'ndots:3 use-vc');
    const one = withConf('nameserver 192.0.2.53\nsearch corp.example\noptions ndots:1\n');
    network = name => (name === 'a.b.other.example' ? '192.0.2.8' : 'nothing');
    expect(await ask(one, 'a.b', { family: 4 })).toEqual(['192.0.2.8']);
    expect(asked(tcp)).toEqual(['a.b.mine.example A', 'a.b.other.example A']);
  });
  test('where resolv.conf is not read, the environment is not either', async () => {
    vi.stubEnv('LOCALDOMAIN', 'mine.example');
    await ask(make(), 'a', { family: 4 });
    expect(asked()).toEqual(['a A']);
  });
});

test('a silent server takes the time of two names of a search and not of all, as with glibc', async () => {
  const one = withConf('nameserver 192.0.2.53\nsearch a.test b.test c.test\noptions ndots:5 timeout:1 attempts:1\n');
  network = () => 'silence';
  const began = clock.nowMs();
  let outcome: Outcome | undefined;
  void start(one.lookup, 'host.x', { family: 4 }).then(found => (outcome = found));
  while (outcome === undefined) await clock.advance(100);
  expect(outcome).toBe('EAI_AGAIN -3001');
  expect(clock.nowMs() - began).toBeLessThanOrEqual(2200);
  expect(new Set(asked())).toEqual(new Set(['host.x.a.test A', 'host.x A']));
});
test('a search domain whose servers fail does not end the search', async () => {
  const one = withConf('nameserver 192.0.2.53\nsearch a.test b.test\noptions ndots:5\n');
  const plain = udp.handler;
  udp.handler = (query, server, options) =>
    dnsPacket.decode(query).questions![0].name.toLowerCase().endsWith('a.test')
      ? makeResponse(query, { rcode: 2 })
      : plain(query, server, options);
  expect(await ask(one, 'host', { family: 4 })).toEqual(['192.0.2.1']);
  expect(asked().at(-1)).toBe('host.b.test A');
});

describe('very many at once', () => {
  test('two thousand names are all found, with a bounded number of questions under way', async () => {
    const one = make();
    let most = 0;
    let now = 0;
    const plain = udp.handler;
    udp.handler = async (query, server, options) => {
      most = Math.max(most, ++now);
      await new Promise<void>(resolve => clock.after(300, resolve));
      now--;
      return plain(query, server, options);
    };
    const all = Promise.all(Array.from({ length: 2000 }, (_, i) => start(one.lookup, `host${i}.crawl.example`)));
    let done = false;
    void all.then(() => (done = true));
    while (!done) await clock.advance(100);
    expect((await all).filter(found => !Array.isArray(found))).toEqual([]);
    expect(most).toBeLessThanOrEqual(512);
    expect(one.client.underWay).toBe(0);
  });
  test('those whose turn does not come while the server is silent are told, and may be asked again at once', async () => {
    const one = make({ timeoutMs: 1000 });
    network = () => 'silence';
    const outcomes: Outcome[] = [];
    for (let i = 0; i < 2000; i++)
      void start(one.lookup, `host${i}.crawl.example`, { family: 4 }).then(found => outcomes.push(found));
    await clock.advance(2500);
    expect(outcomes).toHaveLength(2000);
    expect(new Set(outcomes)).toEqual(new Set(['EAI_AGAIN -3001']));
    network = () => '192.0.2.1';
    expect(await ask(one, 'host1999.crawl.example', { family: 4 })).toEqual(['192.0.2.1']);
  });
  test('callers of one name share its questions and have results of their own', async () => {
    const one = make();
    const all = Array.from(
      { length: 100 },
      () =>
        new Promise<LookupAddress[]>(resolve =>
          one.lookup('a.example', { all: true }, (_, addresses) => resolve(addresses)),
        ),
    );
    await settle();
    const found = await Promise.all(all);
    expect(asked().sort()).toEqual(['a.example A', 'a.example AAAA']);
    found[0][0].address = 'spoilt';
    expect(found[1][0].address).not.toBe('spoilt');
  });
});

describe('signals', () => {
  test.each([['text'], [null], [undefined], [0], [new Error('mine')], [new DOMException('late', 'TimeoutError')]])(
    'aborted with %o: an AbortError as of other functions of Node, with that cause',
    async reason => {
      network = () => 'silence';
      const one = make();
      const resolver = new Resolver({ client: one.client });
      for (const early of [true, false]) {
        const controller = new AbortController();
        if (early) controller.abort(reason);
        const { signal } = controller;
        const errors = [
          new Promise<Error | null>(resolve => one.lookup('a.example', { signal }, resolve)),
          resolver.resolve4('b.example', { signal }).then(
            () => null,
            (error: Error) => error,
          ),
        ];
        if (!early) controller.abort(reason);
        for (const error of await Promise.all(errors)) {
          expect(error).toBeInstanceOf(Error);
          expect(error).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', message: 'The operation was aborted' });
          expect(error!.cause).toBe(signal.reason);
        }
      }
    },
  );
  test('one may be given to any number of calls: Node has nothing to warn of', async () => {
    const warnings: Error[] = [];
    const warn = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warn);
    const one = make();
    const { signal } = new AbortController();
    const resolver = new Resolver({ client: one.client, signal });
    const all = Array.from({ length: 50 }, (_, i) => [
      start(one.lookup, `a${i}.example`, { signal }),
      resolver.resolve4(`b${i}.example`, { signal }),
      new Resolver({ client: one.client, signal }).resolve4(`c${i}.example`),
    ]);
    await settle();
    await Promise.all(all.flat());
    process.off('warning', warn);
    expect(warnings).toEqual([]);
  });
});

test('FORMERR and NOTIMP are told as what they are by Resolver, and EAI_AGAIN by lookup', async () => {
  const one = make();
  const resolver = new Resolver({ client: one.client });
  for (const [rcode, code] of [
    [1, 'EFORMERR'],
    [4, 'ENOTIMP'],
    [5, 'EREFUSED'],
    [2, 'ESERVFAIL'],
  ] as const) {
    udp.handler = query => makeResponse(query, { rcode });
    await expect(resolver.resolve4(`r${rcode}.example`)).rejects.toMatchObject({ code });
    await expect(resolver.resolveAny(`any${rcode}.example`)).rejects.toMatchObject({ code });
    expect(await ask(one, `l${rcode}.example`, { family: 4 })).toBe('EAI_AGAIN -3001');
  }
});

test('after close those who wait for their turn are told', async () => {
  network = () => 'silence';
  const client = new DnsClient(
    { servers: ['192.0.2.53'], memory: '1MiB', resolvConf: false, hostsFile: false },
    { clock, udpTransport: udp, tcpTransport: tcp },
  );
  const resolver = new Resolver({ client });
  const all = Array.from({ length: 600 }, (_, i) =>
    resolver.resolve4(`n${i}.example`).catch((error: { code: string }) => error.code),
  );
  client.close();
  await settle();
  expect(await all[599]).toBe('ECANCELLED');
});
