// What lists say of answers: names that aliases lead to, addresses, aliases that a list puts in place of a name; alike on
// every way in, from the cache or not, and at once when a list changes.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { isTruncated } from '../../../lib/wire/flags.js';
import { Class, Flag, Rcode, Type, typeCode } from '../../../lib/wire/iana.js';
import { encodeMessage, type ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName, nameToText } from '../../../lib/wire/name.js';
import { Query } from '../../../lib/wire/query.js';
import { encodeRdata } from '../../../lib/wire/rdata.js';
import { askTcp, askUdp } from '../../support/client.js';
import { decode, makeQuery, type QueryShape, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer | undefined;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-list-answers-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

type List = NonNullable<ServerOptions['lists']>[number];
let version = 0;
function list(name: string, text: string, more: Partial<List> = {}): List {
  const source = join(folder, `${name}-${++version}`);
  writeFileSync(source, text);
  return { name, source, format: 'domains', ...more };
}
const zone = (name: string, text: string, more: Partial<List> = {}): List =>
  list(name, `@ SOA a. b. 1 2 3 4 5\n${text}`, { format: 'rpz', ...more });

/** What the world says. */
const WORLD = `
  plain.example 300 A 192.0.2.1
  two.example 300 A 192.0.2.1
  two.example 300 A 198.51.100.7
  six.example 300 AAAA 2001:db8::7
  cloaked.example 300 CNAME edge.tracker.example
  edge.tracker.example 300 A 192.0.2.9
  long.example 300 CNAME middle.example
  middle.example 300 CNAME plain.example
  garden.example 300 A 192.0.2.80
  cloaked.example.garden.example 300 A 192.0.2.81
  web.example 300 HTTPS 1 . ipv4hint=198.51.100.7
  clean.example 300 HTTPS 1 . ipv4hint=192.0.2.1
  alias.example 300 HTTPS 0 edge.tracker.example
  brief.example 60 A 192.0.2.82
  short.example 1 CNAME edge.tracker.example
`
  .split('\n')
  .flatMap((line): ResourceRecord[] => {
    const [, name, ttl, type, data] = /^\s*(\S+) (\d+) (\S+) (.*)$/.exec(line) ?? [];
    if (name === undefined) return [];
    const code = typeCode(type)!;
    return [{ name: encodeName(name), type: code, dnsClass: Class.IN, ttl: +ttl, data: encodeRdata(code, data) }];
  });

function answer(message: Uint8Array): Buffer {
  const query = new Query(Uint8Array.from(message));
  const answers: ResourceRecord[] = [];
  let name = query.nameText;
  for (;;) {
    const here = WORLD.filter(one => nameToText(one.name) === name);
    const alias = here.find(one => one.type === Type.CNAME && query.type !== Type.CNAME);
    answers.push(...(alias === undefined ? here.filter(one => one.type === query.type) : [alias]));
    if (alias === undefined) {
      const flags = Flag.QR | Flag.RD | Flag.RA | (here.length === 0 ? Rcode.NXDOMAIN : 0);
      const question = { name: query.name, type: query.type, dnsClass: Class.IN };
      const octets = encodeMessage({ id: 0, flags, question, answers, authorities: [], additionals: [] })!;
      octets.set(message.subarray(0, 2));
      return Buffer.from(octets);
    }
    name = nameToText(alias.data);
  }
}

async function open(lists: List[], options: ServerOptions = {}, way = 'native'): Promise<void> {
  server = await TestServer.start(answer, {
    udp: way === 'dgram' ? 'dgram' : 'native',
    lists,
    ...options,
  });
}
async function ask(way: string, name: string, shape: QueryShape = {}, from = '127.0.0.1'): Promise<Buffer | undefined> {
  const { udp, tcp } = server!.server.addresses();
  const query = makeQuery(name, shape);
  return way === 'tcp' ? (await askTcp(tcp[0], [query], 3000, from))[0] : askUdp(udp[0], query, 3000, from);
}
/** The data of all answers, or in one word. */
async function told(way: string, name: string, shape?: QueryShape, from?: string): Promise<string> {
  const reply = await ask(way, name, shape, from);
  if (reply === undefined) return 'nothing';
  if (isTruncated(reply)) return 'truncated';
  const answers = (decode(reply).answers as { type: string; data?: unknown }[]).map(one =>
    one.type === 'UNKNOWN_65' ? 'https' : String(one.data),
  );
  const rcode = ['', '', 'servfail', 'nxdomain', '', 'refused'][rcodeOf(reply)];
  return [...answers, rcode || (answers.length === 0 ? 'nodata' : '')].filter(one => one !== '').join(' ');
}
/** As it is told for the first time, and from the cache. */
async function toldTwice(way: string, name: string, shape?: QueryShape): Promise<string> {
  const first = await told(way, name, shape);
  expect(await told(way, name, shape)).toBe(first);
  return first;
}

describe.each(['native', 'dgram', 'tcp'])('over %s', way => {
  test('a name that an alias leads to is blocked as if it were asked for', async () => {
    await open([list('trackers', 'tracker.example\n')], {}, way);
    expect(await toldTwice(way, 'cloaked.example')).toBe('edge.tracker.example nxdomain');
    expect(await toldTwice(way, 'long.example')).toBe('middle.example plain.example 192.0.2.1');
    expect(await toldTwice(way, 'alias.example', { type: 'UNKNOWN_65' })).toBe('nxdomain');
    await server!.server.update({ lists: [list('middle', 'middle.example\n', { action: 'zero' })] });
    const asked = server!.asked;
    expect(await told(way, 'cloaked.example')).toBe('edge.tracker.example 192.0.2.9');
    expect(await told(way, 'long.example')).toBe('middle.example 0.0.0.0');
    expect(server!.asked).toBe(asked);
    expect(server!.server.report().lists.lists[0].hits).toBe(1);
  });

  test('a name that is allowed may lead anywhere', async () => {
    await open(
      [list('trackers', 'tracker.example\n'), list('ours', 'cloaked.example\n', { action: 'allow' })],
      {},
      way,
    );
    expect(await toldTwice(way, 'cloaked.example')).toBe('edge.tracker.example 192.0.2.9');
  });

  test('addresses of answers have rules: of the longest prefix, in hints too', async () => {
    await open(
      [
        zone(
          'zone',
          '24.0.100.51.198.rpz-ip CNAME .\n32.7.100.51.198.rpz-ip A 192.0.2.99\n128.7.zz.db8.2001.rpz-ip CNAME *.\n',
        ),
      ],
      {},
      way,
    );
    expect(await toldTwice(way, 'plain.example')).toBe('192.0.2.1');
    expect(await toldTwice(way, 'two.example')).toBe('192.0.2.99');
    expect(await toldTwice(way, 'six.example', { type: 'AAAA' })).toBe('nodata');
    expect(await toldTwice(way, 'web.example', { type: 'UNKNOWN_65' })).toBe('nodata');
    expect(await toldTwice(way, 'clean.example', { type: 'UNKNOWN_65' })).toBe('https');
  });

  test('a zone that is named first decides, by an address too; in a zone the name does', async () => {
    const first = zone('first', '32.1.2.0.192.rpz-ip CNAME *.\n32.9.2.0.192.rpz-ip CNAME rpz-passthru.\n');
    const second = zone(
      'second',
      'plain.example A 10.0.0.1\nedge.tracker.example CNAME .\n24.0.2.0.192.rpz-ip CNAME .\n',
    );
    await open([first, second], {}, way);
    expect(await toldTwice(way, 'plain.example')).toBe('nodata');
    expect(await toldTwice(way, 'cloaked.example')).toBe('edge.tracker.example 192.0.2.9');
    await server!.server.update({ lists: [second, first] });
    expect(await toldTwice(way, 'plain.example')).toBe('10.0.0.1');
    expect(await toldTwice(way, 'cloaked.example')).toBe('edge.tracker.example nxdomain');
    expect(await toldTwice(way, 'garden.example')).toBe('nxdomain');
  });

  test('an alias of a list is followed, and what it comes to kept until the list changes', async () => {
    await open(
      [zone('zone', 'bad.example 77 CNAME garden.example.\n*.deep.example CNAME *.garden.example.\n')],
      {},
      way,
    );
    expect(await told(way, 'bad.example')).toBe('garden.example 192.0.2.80');
    const asked = server!.asked;
    expect(await told(way, 'bad.example')).toBe('garden.example 192.0.2.80');
    expect(await told(way, 'bad.example', { type: 'CNAME' })).toBe('garden.example');
    expect(server!.asked).toBe(asked);
    expect(await told(way, 'x.deep.example')).toBe('x.deep.example.garden.example nxdomain');
    await server!.server.update({ lists: [zone('zone', 'bad.example CNAME plain.example.\n')] });
    expect(await toldTwice(way, 'bad.example')).toBe('plain.example 192.0.2.1');
  });

  test('so is one in place of what an answer has, behind what leads there', async () => {
    await open(
      [zone('zone', '32.9.2.0.192.rpz-ip CNAME garden.example.\nmiddle.example CNAME *.garden.example.\n')],
      {},
      way,
    );
    expect(await toldTwice(way, 'cloaked.example')).toBe('edge.tracker.example garden.example 192.0.2.80');
    expect(await toldTwice(way, 'long.example')).toBe('middle.example middle.example.garden.example nxdomain');
  });

  test('who has waited for it gets its cookie and the name of the server with it', async () => {
    const lists = [zone('zone', '32.9.2.0.192.rpz-ip CNAME garden.example.\n')];
    await open(lists, { cookies: { enabled: true }, nsid: 'one' }, way);
    const options = [
      { code: 10, data: Buffer.from('0102030405060708', 'hex') },
      { code: 3, data: Buffer.alloc(0) },
    ];
    for (let i = 0; i < 2; i++) {
      const [opt] = decode((await ask(way, 'cloaked.example', { options }))!).additionals as unknown as [
        { options: { code: number; data: Buffer }[] },
      ];
      expect(opt.options.map(({ code, data }) => [code, data.length])).toEqual([
        [10, 24],
        [3, 3],
      ]);
    }
  });

  test('so does one for whom what the list says is in the cache, and what it is said in place of is not', async () => {
    const lists = [zone('zone', '32.9.2.0.192.rpz-ip 300 CNAME garden.example.\n')];
    await open(lists, { cookies: { enabled: true }, nsid: 'one', stale: { enabled: false } }, way);
    expect(await told(way, 'short.example')).toBe('edge.tracker.example garden.example 192.0.2.80');
    server!.advance(2);
    const asked = server!.asked;
    const options = [
      { code: 10, data: Buffer.from('0102030405060708', 'hex') },
      { code: 3, data: Buffer.alloc(0) },
    ];
    const reply = decode((await ask(way, 'short.example', { options }))!);
    // The alias, and not what it leads to, is asked for anew.
    expect(server!.asked).toBe(asked + 1);
    const [opt] = reply.additionals as unknown as [{ options: { code: number; data: Buffer }[] }];
    expect(opt.options.map(({ code, data }) => [code, data.length])).toEqual([
      [10, 24],
      [3, 3],
    ]);
  });

  test('what a list says in place of an answer counts for no rate of the outside', async () => {
    const rateLimit = { enabled: true, nxdomainPerSecond: 1 };
    await open([zone('zone', '32.1.2.0.192.rpz-ip CNAME .\n')], { rateLimit }, way);
    for (let i = 0; i < 30; i++) expect(await told(way, 'plain.example')).toBe('nxdomain');
    const { actions } = server!.server.report().edge;
    expect(actions).toMatchObject({ blocked: 30, allow: 0, refuse: 0 });
  });

  test('what stands behind an alias in place of an answer counts for rates as an answer does, cached or not', async () => {
    const lists = [zone('zone', '32.9.2.0.192.rpz-ip 300 CNAME nothing.example.\n')];
    const seldom = { enabled: true, queriesPerSecond: 1000, burst: 100, provenTimes: 1, action: 'refuse' } as const;
    await open(lists, { rateLimit: { ...seldom, nxdomainPerSecond: 0.01 } }, way);
    expect(await told(way, 'cloaked.example')).toBe('edge.tracker.example nothing.example nxdomain');
    expect(await told(way, 'cloaked.example')).toBe('refused');
    expect(await told(way, 'cloaked.example')).toBe('refused');
    expect(server!.server.report().edge.actions).toMatchObject({ allow: 1, refuse: 2 });
  });

  test('a question that is asked again behind an alias is another miss', async () => {
    const lists = [zone('zone', '32.9.2.0.192.rpz-ip 300 CNAME garden.example.\n')];
    const seldom = { enabled: true, queriesPerSecond: 1000, burst: 100, provenTimes: 1, action: 'refuse' } as const;
    await open(lists, { rateLimit: { ...seldom, missesPerSecond: 0.01 } }, way);
    expect(await told(way, 'cloaked.example')).toBe('refused');
    expect(server!.asked).toBe(1);
  });

  test('what an alias in place of an answer comes to is refreshed before its end, as other answers are', async () => {
    const lists = [zone('zone', '32.9.2.0.192.rpz-ip 300 CNAME brief.example.\n')];
    await open(lists, { prefetch: { minHits: 0, share: 0.1 } }, way);
    for (let i = 0; i < 3; i++)
      expect(await told(way, 'cloaked.example')).toBe('edge.tracker.example brief.example 192.0.2.82');
    const asked = server!.asked;
    server!.advance(59);
    expect(await told(way, 'cloaked.example')).toBe('edge.tracker.example brief.example 192.0.2.82');
    // What was asked for is near its end, too: each of the two is asked for once, and is there afterwards.
    await vi.waitFor(() => expect(server!.asked).toBeGreaterThan(asked), 120_000);
    const refreshed = server!.asked;
    expect(refreshed).toBeLessThanOrEqual(asked + 2);
    server!.advance(30);
    expect(await told(way, 'cloaked.example')).toBe('edge.tracker.example brief.example 192.0.2.82');
    expect(server!.asked).toBe(refreshed);
  });

  test('a list is for its clients alone, in answers too', async () => {
    await open([list('trackers', 'tracker.example\n', { clients: ['127.0.2.0/24'] })], {}, way);
    expect(await told(way, 'cloaked.example')).toBe('edge.tracker.example 192.0.2.9');
    expect(await told(way, 'cloaked.example', {}, '127.0.2.1')).toBe('edge.tracker.example nxdomain');
    expect(await told(way, 'cloaked.example')).toBe('edge.tracker.example 192.0.2.9');
  });

  test('what the operator blocks or allows holds for what aliases lead to', async () => {
    await open([list('trackers', 'tracker.example\n')], {}, way);
    const { lists } = server!.server.clientRules;
    await lists.override('edge.tracker.example', 'allow');
    expect(await toldTwice(way, 'cloaked.example')).toBe('edge.tracker.example 192.0.2.9');
    await lists.override('plain.example', 'block');
    expect(await toldTwice(way, 'long.example')).toBe('middle.example plain.example nxdomain');
  });

  test('nothing is sent, or TC, where an address says so', async () => {
    const text = '32.1.2.0.192.rpz-ip CNAME rpz-drop.\n32.9.2.0.192.rpz-ip CNAME rpz-tcp-only.\n';
    await open([zone('zone', text)], {}, way);
    expect(await told(way, 'plain.example')).toBe('nothing');
    expect(await toldTwice(way, 'cloaked.example')).toBe(
      way === 'tcp' ? 'edge.tracker.example 192.0.2.9' : 'truncated',
    );
  });
});

test('what an alias of a list comes to is not kept where others have the cache', async () => {
  const cache = { file: join(folder, 'cache'), memory: '16MiB' };
  await open([zone('zone', 'bad.example CNAME garden.example.\n')], { cache });
  expect(await toldTwice('udp', 'bad.example')).toBe('garden.example 192.0.2.80');
  expect(await told('udp', 'bad.example', { type: 'CNAME' })).toBe('garden.example');
  expect([...server!.server.engine.list()].filter(one => one.variant.tenant > 0)).toEqual([]);
});

test('every address of an answer is looked at, however many there are', async () => {
  server = await TestServer.start(
    message => {
      const query = new Query(Uint8Array.from(message));
      const record = (i: number): ResourceRecord => ({
        name: query.name,
        type: Type.A,
        dnsClass: Class.IN,
        ttl: 300,
        data: i === 2100 ? Uint8Array.of(10, 1, 2, 3) : Uint8Array.of(192, 0, 2 + (i >> 8), i & 255),
      });
      const answers = Array.from({ length: 2101 }, (_, i) => record(i));
      const flags = Flag.QR | Flag.RD | Flag.RA;
      const question = { name: query.name, type: query.type, dnsClass: Class.IN };
      const octets = encodeMessage({ id: 0, flags, question, answers, authorities: [], additionals: [] })!;
      octets.set(message.subarray(0, 2));
      return Buffer.from(octets);
    },
    { lists: [zone('zone', '8.0.0.0.10.rpz-ip CNAME .\n')] },
  );
  expect(await toldTwice('tcp', 'many.example')).toBe('nxdomain');
});

test('translated addresses (DNS64) have the rules of the IPv4 addresses in them, and those of their own prefix', async () => {
  const dns64 = { prefix: '64:ff9b::/96' };
  await open([zone('zone', '24.0.100.51.198.rpz-ip CNAME *.\n128.201.c000.zz.ff9b.64.rpz-ip CNAME .\n')], { dns64 });
  expect(await toldTwice('udp', 'plain.example', { type: 'AAAA' })).toBe('nxdomain');
  expect(await toldTwice('udp', 'plain.example')).toBe('192.0.2.1');
  expect(await toldTwice('udp', 'two.example')).toBe('nodata');
  expect(await toldTwice('udp', 'two.example', { type: 'AAAA' })).toBe('nxdomain');
  await server!.server.update({ lists: [zone('zone', '24.0.2.0.192.rpz-ip CNAME *.\n')] });
  expect(await toldTwice('udp', 'plain.example', { type: 'AAAA' })).toBe('nodata');
});

test('local data are not judged by their addresses', async () => {
  await open([zone('zone', '8.0.0.0.10.rpz-ip CNAME .\n')], { local: { records: ['nas.home.example A 10.0.0.1'] } });
  expect(await toldTwice('udp', 'nas.home.example')).toBe('10.0.0.1');
});

test('over TCP a query that a list drops leaves the others of its connection alone', async () => {
  await open([
    list('drop', 'plain.example\n', { action: 'drop' }),
    zone('zone', '32.9.2.0.192.rpz-ip CNAME rpz-drop.\n'),
  ]);
  const queries = ['plain.example', 'garden.example', 'cloaked.example', 'two.example'].map((name, id) =>
    makeQuery(name, { id }),
  );
  const replies = await askTcp(server!.server.addresses().tcp[0], queries, 3000);
  expect(replies.map(one => one.readUInt16BE(0)).sort()).toEqual([1, 3]);
});

test('a zone may be let pass as a whole: later ones are not asked', async () => {
  const pass = zone('pass', 'plain.example CNAME .\n', { action: 'passthru' });
  await open([pass, zone('rest', '*.example CNAME .\n')]);
  expect(await toldTwice('udp', 'plain.example')).toBe('192.0.2.1');
  expect(await toldTwice('udp', 'two.example')).toBe('nxdomain');
});

test('addresses of hosts files that block nothing are told as theirs', async () => {
  await open([
    list('hosts', '192.0.2.50 router.example\n2001:db8::50 router.example\n127.0.0.53 bad.example\n', {
      format: 'hosts',
    }),
  ]);
  expect(await toldTwice('udp', 'router.example')).toBe('192.0.2.50');
  expect(await toldTwice('udp', 'router.example', { type: 'AAAA' })).toBe('2001:db8::50');
  expect(await toldTwice('udp', 'bad.example')).toBe('nxdomain');
});
