// Lists of names before every lookup, alike on every way in: what is blocked, for whom, how it is told, and what becomes of
// files that change.
import { mkdirSync, mkdtempSync, renameSync, rmSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import { type Logger, silentLogger } from '../../../lib/base/log.js';
import { statusText } from '../../../lib/cli/status-text.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { isTruncated } from '../../../lib/wire/flags.js';
import { askTcp, askUdp } from '../../support/client.js';
import { answerA, decode, extendedErrorsOf, makeQuery, type QueryShape, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer | undefined;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-lists-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

type List = NonNullable<ServerOptions['lists']>[number];
let time = Date.now() / 1000 - 1000;
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, text);
  // Each version is older than another one by as much as the file system can tell.
  utimesSync(`${path}.new`, (time += 10), time);
  renameSync(`${path}.new`, path);
  return path;
}
const list = (name: string, text: string, more: Partial<List> = {}): List => ({
  name,
  source: file(name, text),
  format: 'domains',
  ...more,
});
const open = async (lists: List[], options: ServerOptions = {}, way = 'native', log?: Logger): Promise<void> => {
  const udp = way === 'dgram' ? 'dgram' : 'native';
  const answer = (query: Uint8Array): Uint8Array => answerA(query, 300, '192.0.2.1');
  server = await TestServer.start(answer, { udp, lists, ...options }, answer, { log });
};
async function ask(way: string, name: string, from = '127.0.0.1', shape: QueryShape = {}): Promise<Buffer | undefined> {
  const { udp, tcp } = server!.server.addresses();
  const query = makeQuery(name, shape);
  return way === 'tcp' ? (await askTcp(tcp[0], [query], 3000, from))[0] : askUdp(udp[0], query, 3000, from);
}
/** In one word. */
async function told(way: string, name: string, from?: string, shape?: QueryShape): Promise<string> {
  const reply = await ask(way, name, from, shape);
  if (reply === undefined) return 'nothing';
  if (isTruncated(reply)) return 'truncated';
  const [answer] = decode(reply).answers as { data?: unknown }[];
  return ['', '', '', 'nxdomain', '', 'refused'][rcodeOf(reply)] || String(answer?.data ?? 'nodata');
}
/** Two looks: a file is read when it stays as it is. */
async function look(): Promise<void> {
  await server!.server.clientRules.lists.look();
  await server!.server.clientRules.lists.look();
}

describe.each(['native', 'dgram', 'tcp'])('over %s', way => {
  test('a name is blocked by each action, whether it is in the cache or not, and takes no place there', async () => {
    await open([], {}, way);
    const names = ['x', 'n', 'z', 'r', 'd', 't', 'a'].map(one => `${one}.example`);
    for (const name of names) expect(await told(way, name)).toBe('192.0.2.1');
    const { entries } = server!.server.report().cache;
    await server!.server.update({
      lists: [
        list('one', 'x.example\n'),
        list('two', 'n.example\n', { action: 'nodata' }),
        list('three', 'z.example\n', { action: 'zero' }),
        list('four', 'r.example\n', { action: 'refuse' }),
        list('five', 'd.example\n', { action: 'drop' }),
        list('six', 't.example\n', { action: 'truncate' }),
        list('seven', '||a.example^\n||b.example^\n', { format: 'adblock' }),
        list('eight', 'a.example\n', { action: 'allow' }),
      ],
    });
    expect(await told(way, 'X.example')).toBe('nxdomain');
    expect(await told(way, 'sub.x.example')).toBe('nxdomain');
    expect(await told(way, 'n.example')).toBe('nodata');
    expect(await told(way, 'z.example')).toBe('0.0.0.0');
    expect(await told(way, 'z.example', undefined, { type: 'AAAA' })).toBe('::');
    expect(await told(way, 'z.example', undefined, { type: 'MX' })).toBe('nodata');
    expect(await told(way, 'r.example')).toBe('refused');
    expect(await told(way, 'd.example')).toBe('nothing');
    expect(await told(way, 't.example')).toBe(way === 'tcp' ? '192.0.2.1' : 'truncated');
    expect(await told(way, 'b.example')).toBe('nxdomain');
    expect(await told(way, 'a.example')).toBe('192.0.2.1');
    expect(server!.server.report().cache.entries).toBe(entries);
    await server!.server.update({ lists: [] });
    for (const name of names) expect(await told(way, name)).toBe('192.0.2.1');
  });

  test('views and prefixes say whose lists they are', async () => {
    await open(
      [
        list('all', 'all.example\n'),
        list('kids', 'games.example\n', { views: ['kids'] }),
        list('lab', 'games.example\nlab.example\n', { clients: ['127.0.3.0/24', '127.0.2.7'] }),
      ],
      { views: [{ name: 'kids', clients: ['127.0.2.0/24'] }] },
      way,
    );
    const said = async (from: string): Promise<string> =>
      (await Promise.all(['all', 'games', 'lab'].map(name => told(way, `${name}.example`, from))))
        .map(one => (one === 'nxdomain' ? 'no' : 'yes'))
        .join(' ');
    expect(await said('127.0.0.1')).toBe('no yes yes');
    expect(await said('127.0.2.1')).toBe('no no yes');
    expect(await said('127.0.2.7')).toBe('no no no');
    expect(await said('127.0.3.1')).toBe('no no no');
  });

  test('the reply says why: its extended error, and list and line where that may be known', async () => {
    await open(
      [list('ads', 'a.example\nb.example\n', { extendedError: 'filtered' })],
      { blocking: { ttlSeconds: 77 } },
      way,
    );
    const reply = (await ask(way, 'b.example', undefined, { edns: true }))!;
    expect(extendedErrorsOf(reply)).toEqual([17]);
    expect(reply.includes('ads')).toBe(false);
    const [soa] = decode(reply).authorities as { type: string; ttl: number }[];
    expect([soa.type, soa.ttl]).toEqual(['SOA', 77]);
    await server!.server.update({ blocking: { explain: true } });
    expect((await ask(way, 'b.example', undefined, { edns: true }))!.includes('list ads, line 2')).toBe(true);
    expect(decode((await ask(way, 'b.example'))!).additionals).toEqual([]);
  });

  test('a response policy zone answers with records of its own, and its order among the lists counts', async () => {
    const zone =
      '@ SOA a. b. 1 2 3 4 5\nwalled.example 60 A 192.0.2.80\nwalled.example TXT "go away"\n*.pass.example CNAME rpz-passthru.\n';
    await open([list('zone', zone, { format: 'rpz' }), list('rest', 'example\n')], {}, way);
    expect(await told(way, 'walled.example')).toBe('192.0.2.80');
    expect(await told(way, 'walled.example', undefined, { type: 'TXT' })).toContain('go away');
    expect(await told(way, 'walled.example', undefined, { type: 'MX' })).toBe('nodata');
    expect(await told(way, 'x.pass.example')).toBe('192.0.2.1');
    expect(await told(way, 'pass.example')).toBe('nxdomain');
  });
});

test('a file that changes is read again, and not while it is written', async () => {
  const one = list('one', 'a.example\n');
  await open([one]);
  file('one', 'b.example\n');
  await server!.server.clientRules.lists.look();
  expect(await told('udp', 'a.example')).toBe('nxdomain');
  await server!.server.clientRules.lists.look();
  expect(await told('udp', 'a.example')).toBe('192.0.2.1');
  expect(await told('udp', 'b.example')).toBe('nxdomain');
});

test('a file that is gone, or has too much, leaves the lists as they are', async () => {
  const one = list('one', 'a.example\n');
  await open([one], { blocking: { maxNames: 1000 } });
  unlinkSync(one.source);
  await look();
  expect(await told('udp', 'a.example')).toBe('nxdomain');
  file('one', Array.from({ length: 1001 }, (_, i) => `n${i}.example\n`).join(''));
  await look();
  expect(await told('udp', 'a.example')).toBe('nxdomain');
  expect(server!.server.report().lists.failures).toBe(2);
  file('one', 'b.example\n');
  await look();
  expect(await told('udp', 'b.example')).toBe('nxdomain');
});

test('a list that cannot be read again keeps its last good copy, and the others are renewed', async () => {
  const [one, two] = [list('one', 'a.example\n'), list('two', 'b.example\n')];
  const lines: string[] = [];
  const note = (fields: object, text: string): void => void lines.push(`${text} ${JSON.stringify(fields)}`);
  await open([one, two], {}, 'native', { ...silentLogger, warn: note });
  const stale = (): (string | null)[] => server!.server.report().lists.lists.map(one => one.stale);
  unlinkSync(one.source);
  file('two', 'c.example\n');
  await look();
  for (const name of ['a', 'c']) expect(await told('udp', `${name}.example`)).toBe('nxdomain');
  expect(await told('udp', 'b.example')).toBe('192.0.2.1');
  expect(stale()).toEqual([expect.stringContaining('one: cannot be read: ENOENT'), null]);
  expect(await new Metrics(server!.server).text()).toContain('shardns_list_stale{list="one"} 1');
  expect(statusText(JSON.stringify(server!.server.report()))).toContain('list       one: its last good copy');
  // Told once, however often others change.
  file('two', 'd.example\n');
  await look();
  expect(await told('udp', 'a.example')).toBe('nxdomain');
  expect(await told('udp', 'd.example')).toBe('nxdomain');
  expect(lines.filter(line => line.includes('last good copy'))).toHaveLength(1);
  // So do other settings.
  await server!.server.update({ lists: [two, one, list('three', 'e.example\n')] });
  for (const name of ['a', 'd', 'e']) expect(await told('udp', `${name}.example`)).toBe('nxdomain');
  mkdirSync(one.source);
  await look();
  expect(stale()).toEqual([null, expect.stringContaining('not a regular file'), null]);
  rmSync(one.source, { recursive: true });
  file('one', 'f.example\n');
  await look();
  expect(await told('udp', 'f.example')).toBe('nxdomain');
  expect(await told('udp', 'a.example')).toBe('192.0.2.1');
  expect(stale()).toEqual([null, null, null]);
});

test('a list that has too much keeps its last good copy, and the others are renewed', async () => {
  const [one, two] = [list('one', 'a.example\n'), list('two', 'b.example\n')];
  await open([one, two], { blocking: { maxNames: 1000 } });
  file('one', Array.from({ length: 1001 }, (_, i) => `n${i}.example\n`).join(''));
  await look();
  file('two', 'c.example\n');
  await look();
  for (const name of ['a', 'c']) expect(await told('udp', `${name}.example`)).toBe('nxdomain');
  expect(server!.server.report().lists.lists[0].stale).toContain('at most 1000 names');
});

test('a list without rules is told, with the format that its lines look like', async () => {
  const lines: Record<string, unknown>[] = [];
  const warn = (fields: object, text: string): void => void lines.push({ ...fields, text });
  await open(
    [
      list('hosts', '# hosts\n0.0.0.0 a.example\n0.0.0.0 b.example\n', { format: 'rpz' }),
      list('names', 'a.example\nb.example\n', { format: 'rpz' }),
      list('ads', '! ads\n||a.example^\n||b.example^\n'),
      list('page', '<!DOCTYPE html>\n<html><body>\nLog in</body></html>\n'),
      list('notes', '# nothing here\n'),
      list('empty', ''),
      list('good', 'a.example\n'),
    ],
    {},
    'native',
    { ...silentLogger, warn },
  );
  const wrong = lines.filter(one => String(one.text).includes('its format is most likely another one'));
  expect(wrong.map(({ list, looksLike }) => [list, looksLike])).toEqual([
    ['hosts', 'a hosts file (format hosts)'],
    ['names', 'a list of names (format domains)'],
    ['ads', 'rules of ad blockers (format adblock)'],
    ['page', 'a web page, not a list: look at what its source leads to'],
    ['notes', undefined],
  ]);
});

test('a change of settings with a list that cannot be read is refused, and changes nothing', async () => {
  await open([list('one', 'a.example\n')]);
  const gone: List = { name: 'gone', source: join(folder, 'gone'), format: 'hosts' };
  await expect(server!.server.update({ lists: [gone] })).rejects.toThrow(/gone: cannot be read/);
  expect(await told('udp', 'a.example')).toBe('nxdomain');
  await expect(TestServer.start(query => answerA(query), { lists: [gone] })).rejects.toThrow(/gone: cannot be read/);
});

test('lines that are broken or not supported are counted and told, and queries by list', async () => {
  await open([
    list('ads', '||a.example^\n||b.example^$script\n!comment\n||bad..name^\n@@||ok.example^\n', { format: 'adblock' }),
  ]);
  await told('udp', 'a.example');
  await told('udp', 'ok.example');
  const [report] = server!.server.report().lists.lists;
  expect(report).toMatchObject({ name: 'ads', rules: 2, hits: 2 });
  expect(report.broken + report.unsupported).toBe(2);
  const text = await new Metrics(server!.server).text();
  expect(text).toContain('shardns_list_hits_total{list="ads"} 2');
  expect(text).toContain('shardns_edge_total{action="blocked"} 1');
  // Counts stay with the name where lists change places.
  await server!.server.update({ lists: [list('new', 'c.example\n'), ...server!.server.settings.lists] });
  await told('udp', 'c.example');
  const hits = server!.server.report().lists.lists.map(one => [one.name, one.hits]);
  expect(hits).toEqual([
    ['new', 1],
    ['ads', 2],
  ]);
});

test('the operator blocks and allows names beside the lists, takes that back, and pauses all of it', async () => {
  await open([list('one', 'a.example\n')]);
  const { lists } = server!.server.clientRules;
  await Promise.all([lists.override('A.example', 'allow'), lists.override('c.example', 'block')]);
  expect(await told('udp', 'a.example')).toBe('192.0.2.1');
  expect(await told('udp', 'x.c.example')).toBe('nxdomain');
  expect(server!.server.report().lists.overrideHits).toBe(2);
  lists.pause(5);
  expect(await told('udp', 'c.example')).toBe('192.0.2.1');
  expect(server!.server.report().lists.pausedSeconds).toBeGreaterThan(290);
  lists.pause(0);
  expect(await told('udp', 'c.example')).toBe('nxdomain');
  await lists.override('a.example', undefined);
  expect(await told('udp', 'a.example')).toBe('nxdomain');
  await expect(lists.override('a b', 'block')).rejects.toThrow(/not a domain name: "a b"/);
  await expect(lists.override('a\\032b', 'block')).rejects.toThrow(/name: expected one that a list can have, got/);
  expect(() => lists.pause(-1)).toThrow(/minutes: expected a number from 0 to 1440, got -1/);
});

const RIGHT = { name: 'a', source: '/a', format: 'hosts' } as const;
test.each<[ServerOptions, RegExp]>([
  [{ lists: [{ ...RIGHT, source: 'a' }] }, /lists\[0\]\.source: expected the absolute path of a file.*got "a"/],
  [{ lists: [RIGHT, RIGHT] }, /lists\[1\]\.name: expected a name that no other list has, got "a"/],
  [{ lists: [{ ...RIGHT, views: ['x'] }] }, /lists\[0\]\.views\[0\]: expected the name of a view, got "x"/],
  [{ lists: [{ ...RIGHT, format: 'adblock', action: 'allow' }] }, /lists\[0\]\.action: expected another action/],
  [{ lists: [{ ...RIGHT, matches: 'exact' }] }, /lists\[0\]\.matches: expected none/],
  [{ lists: [{ ...RIGHT, clients: ['x'] }] }, /lists\[0\]\.clients\[0\]: expected an address or a prefix/],
])('what is no list is named: %j', async (options, message) => {
  await expect(TestServer.start(query => answerA(query), options)).rejects.toThrow(message);
});
