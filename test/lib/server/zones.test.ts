// Zones from files as a server answers from them: on every way in, from the cache, after changes, for views.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { Flag } from '../../../lib/wire/iana.js';
import { decodeMessage } from '../../../lib/wire/message.js';
import { encodeName } from '../../../lib/wire/name.js';
import { appendOption, OptionCode } from '../../../lib/wire/opt.js';
import { recordText } from '../../../lib/wire/record-text.js';
import { changeZone } from '../../../lib/zone/changes.js';
import { withSerial } from '../../../lib/zone/soa.js';
import { toldExpire } from '../../../lib/zone/transfer/expire.js';
import { askUdp } from '../../support/client.js';
import { answerA, makeQuery, rcodeOf } from '../../support/messages.js';
import { PATHS, TestServer } from '../../support/test-server.js';
import { record } from '../../support/zone-records.js';

let folder: string;
let server: TestServer | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-zones-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const HEAD = (serial: number): string => `$TTL 86400
@ SOA ns1 hostmaster ${serial} 3600 600 604800 300
@ NS ns1
ns1 A 192.0.2.1
`;
function write(text: string, name = 'example'): string {
  const file = join(folder, `${name}.zone`);
  writeFileSync(file, text);
  return file;
}
const start = async (options: ServerOptions = {}): Promise<TestServer> =>
  (server = await TestServer.start(query => answerA(query, 300, '203.0.113.1'), options));
const sections = (reply: Buffer | undefined) => {
  const { flags, answers, authorities, additionals } = decodeMessage(reply!);
  return {
    aa: (flags & Flag.AA) !== 0,
    ra: (flags & Flag.RA) !== 0,
    answers: answers.map(recordText),
    authorities: authorities.map(recordText),
    additionals: additionals.filter(one => one.type !== 41).map(recordText),
  };
};

describe('a zone', () => {
  test.each(PATHS)('is answered with AA, without RA, and with TTLs that stay, over %s', async path => {
    const file = write(`${HEAD(1)}www A 192.0.2.7\n`);
    await start({ zones: [{ name: 'example', file }], udp: path === 'dgram' ? 'dgram' : 'native' });
    for (const seconds of [0, 100, 3000]) {
      server!.advance(seconds);
      const told = sections(await server!.ask(path, makeQuery('WWW.example')));
      expect(told).toMatchObject({
        aa: true,
        ra: false,
        answers: [expect.stringMatching(/^www.example. 86400 A 192/i)],
      });
    }
    const denied = await server!.ask(path, makeQuery('nothing.example'));
    expect(rcodeOf(denied!)).toBe(3);
    expect(sections(denied)).toMatchObject({
      aa: true,
      ra: false,
      authorities: ['example. 300 SOA ns1.example. hostmaster.example. 1 3600 600 604800 300'],
    });
    expect(server!.asked).toBe(0);
    expect(rcodeOf((await server!.ask(path, makeQuery('elsewhere.test.org')))!)).toBe(0);
    expect(server!.asked).toBe(1);
  });

  test.each(['udp', 'dgram', 'tcp'] as const)(
    'says how long it lives to those who ask (EXPIRE, RFC 7314), cached or not, over %s',
    async path => {
      const file = write(HEAD(1));
      await start({ zones: [{ name: 'example', file }], udp: path === 'dgram' ? 'dgram' : 'native' });
      const query = makeQuery('example', { type: 'SOA', edns: true });
      const asking = appendOption(query, OptionCode.expire, new Uint8Array(0));
      const malformed = appendOption(query, OptionCode.expire, Uint8Array.of(1, 2));
      for (const one of [query, asking, malformed, query, asking]) {
        const reply = await server!.ask(path, one);
        expect(sections(reply)).toMatchObject({ aa: true, answers: [expect.stringContaining('SOA')] });
        expect(toldExpire(reply!)).toBe(one === asking ? 604_800 : undefined);
      }
    },
  );

  test('that is not there is SERVFAIL, or, where it falls back, resolved as if there was no such zone', async () => {
    const file = join(folder, 'example.zone');
    await start({ zones: [{ name: 'example', file }] });
    const told = async (): Promise<unknown> => {
      const reply = await server!.ask('udp', makeQuery('www.example'));
      return rcodeOf(reply!) === 0 ? sections(reply).answers[0].split(' ').at(-1) : rcodeOf(reply!);
    };
    expect(await told()).toBe(2);
    await server!.server.update({ zones: [{ name: 'example', file, fallback: true }] });
    expect(await told()).toBe('203.0.113.1');
    await server!.server.update({ zones: [{ name: 'example', file }] });
    expect(await told()).toBe(2);
    await server!.server.update({ zones: [{ name: 'example', file, fallback: true }] });
    expect(await told()).toBe('203.0.113.1');
    write(`${HEAD(1)}www A 192.0.2.7\n`);
    await server!.server.zones.reload('example');
    expect(await told()).toBe('192.0.2.7');
  });
  test('that serves recursion is answered to nobody, and neither is it when that changes', async () => {
    const file = write(`${HEAD(1)}www A 192.0.2.7\n`);
    await start({ zones: [{ name: 'example', file, serves: 'recursion' }] });
    const told = async (): Promise<string> =>
      sections(await server!.ask('udp', makeQuery('www.example')))
        .answers[0].split(' ')
        .at(-1)!;
    expect(await told()).toBe('203.0.113.1');
    await server!.server.update({ zones: [{ name: 'example', file }] });
    expect(await told()).toBe('192.0.2.7');
    await server!.server.update({ zones: [{ name: 'example', file, serves: 'recursion' }] });
    expect(await told()).toBe('203.0.113.1');
    expect([...server!.server.zones.export('example')].join('')).toContain('www');
  });

  test('is answered natively once it was asked for', async () => {
    const file = write(`${HEAD(1)}www A 192.0.2.7\n`);
    await start({ zones: [{ name: 'example', file }] });
    for (let i = 0; i < 5; i++) await server!.ask('udp', makeQuery('www.example'));
    expect(server!.server.engine.stats().hitsPositive).toBe(4);
  });

  test.each(PATHS)('answers names that it has not without JavaScript or room in the cache, over %s', async path => {
    const file = write(`${HEAD(1)}*.w A 192.0.2.7\nsub NS ns.sub\nns.sub A 192.0.2.8\n`);
    await start({ zones: [{ name: 'example', file }], udp: path === 'dgram' ? 'dgram' : 'native' });
    const ask = async (name: string) => (await server!.ask(path, makeQuery(name)))!;
    for (let i = 0; i < 5; i++) {
      expect(rcodeOf(await ask(`x${i}.example`))).toBe(3);
      expect(sections(await ask(`x${i}.w.example`)).answers).toEqual([`x${i}.w.example. 86400 A 192.0.2.7`]);
      expect(sections(await ask(`x${i}.sub.example`)).additionals).toEqual(['ns.sub.example. 86400 A 192.0.2.8']);
    }
    const { engine } = server!.server;
    expect(engine.stats().inserts).toBe(0);
    expect(server!.server.report().zones.native).toEqual({ denials: 5, wildcards: 5, referrals: 5 });
    write(`${HEAD(2)}x1 A 192.0.2.9\n`);
    await server!.server.update({ zones: [{ name: 'example', file }] });
    expect(sections(await ask('x1.example')).answers).toEqual(['x1.example. 86400 A 192.0.2.9']);
    expect(rcodeOf(await ask('x2.w.example'))).toBe(3);
  });

  test('forgets what a new file changes, and only that', async () => {
    const file = write(`${HEAD(1)}a A 192.0.2.1\nb A 192.0.2.2\nc CNAME a\n`);
    await start({ zones: [{ name: 'example', file }] });
    const ask = async (name: string) => sections(await server!.ask('udp', makeQuery(name))).answers;
    for (const name of ['a.example', 'b.example', 'c.example', 'new.example']) await ask(name);
    write(`${HEAD(2)}a A 192.0.2.11\nb A 192.0.2.2\nc CNAME a\nnew A 192.0.2.3\n`);
    await server!.server.update({ zones: [{ name: 'example', file }] });
    const { hitsPositive } = server!.server.engine.stats();
    expect(await ask('b.example')).toEqual(['b.example. 86400 A 192.0.2.2']);
    expect(server!.server.engine.stats().hitsPositive).toBe(hitsPositive + 1);
    expect(await ask('a.example')).toEqual(['a.example. 86400 A 192.0.2.11']);
    expect(await ask('c.example')).toEqual(['c.example. 86400 CNAME a.example.', 'a.example. 86400 A 192.0.2.11']);
    expect(await ask('new.example')).toEqual(['new.example. 86400 A 192.0.2.3']);
    expect(server!.server.engine.stats().hitsPositive).toBe(hitsPositive + 1);
  });

  test('is served as it was where its new file is broken, and is SERVFAIL where it never was good', async () => {
    const file = write(`${HEAD(1)}a A 192.0.2.1\n`);
    await start({ zones: [{ name: 'example', file }] });
    write(`${HEAD(2)}a A 192.0.2.300\n`);
    await server!.server.update({ zones: [{ name: 'example', file }] });
    expect(sections(await server!.ask('udp', makeQuery('a.example'))).answers).toEqual([
      'a.example. 86400 A 192.0.2.1',
    ]);
    expect(server!.server.report().zones.first).toMatchObject([
      { name: 'example', serial: 1, problem: expect.stringMatching(/example\.zone:5:5: error: .*192\.0\.2\.300/) },
    ]);
    const bad = write('nothing of a zone', 'bad');
    await server!.server.update({ zones: [{ name: 'bad', file: bad }] });
    expect(rcodeOf((await server!.ask('udp', makeQuery('a.bad')))!)).toBe(2);
    expect(rcodeOf((await server!.ask('udp', makeQuery('a.example')))!)).toBe(0);
    expect(server!.asked).toBe(1);
  });

  test('is read again where only a file that it includes has changed', async () => {
    writeFileSync(join(folder, 'more'), 'a A 192.0.2.1\n');
    const file = write(`${HEAD(1)}$INCLUDE more\n`);
    await start({ zones: [{ name: 'example', file }] });
    const ask = async () => sections(await server!.ask('udp', makeQuery('a.example'))).answers;
    expect(await ask()).toEqual(['a.example. 86400 A 192.0.2.1']);
    writeFileSync(join(folder, 'more'), 'a A 192.0.2.22\n');
    await server!.server.update({ zones: [{ name: 'example', file }] });
    expect(await ask()).toEqual(['a.example. 86400 A 192.0.2.22']);
    expect(server!.server.zones.loads).toBe(2);
    await server!.server.update({ zones: [{ name: 'example', file }] });
    expect(server!.server.zones.loads).toBe(2);
  });

  test('that was updated is told as it is served, and stays so where its file has not changed', async () => {
    const file = write(`${HEAD(1)}a A 192.0.2.1\n`);
    const zones = [{ name: 'example', file }];
    await start({ zones });
    const { everyone } = server!.server.zones.served;
    const before = everyone.get(encodeName('example'))!;
    // As an update does it (RFC 2136).
    const added = record('b.example', 'A', '192.0.2.2');
    const after = changeZone(before, { removed: [before.soa], added: [withSerial(before.soa, 2), added] });
    everyone.replace(after);
    const served = () => everyone.get(encodeName('example')) === after;
    const told = () => server!.server.report().zones;
    expect(told()).toMatchObject({ first: [{ serial: 2, records: 5 }], totals: { records: 5 } });
    await server!.server.update({ zones });
    expect(served()).toBe(true);
    expect(await server!.server.zones.reload('example')).toMatchObject([{ serial: 2, records: 5 }]);
    expect(served()).toBe(true);
    write('broken');
    expect(await server!.server.zones.reload('example')).toMatchObject([{ serial: 2, problem: expect.anything() }]);
    expect(served()).toBe(true);
    write(`${HEAD(3)}c A 192.0.2.3\n`);
    expect(await server!.server.zones.reload('example')).toMatchObject([{ serial: 3, records: 4 }]);
  });

  test('has a digest once its settings ask for one, though its file is as it was', async () => {
    const file = write(HEAD(1));
    await start({ zones: [{ name: 'example', file }] });
    const records = () => server!.server.report().zones.totals.records;
    expect(records()).toBe(3);
    await server!.server.update({ zones: [{ name: 'example', file, makeDigest: true }] });
    expect(records()).toBe(4);
    await server!.server.update({ zones: [{ name: 'example', file }] });
    expect(records()).toBe(3);
  });

  test('is for the clients of its views', async () => {
    mkdirSync(join(folder, 'home'));
    const everybody = write(`${HEAD(1)}www A 192.0.2.7\n`);
    const home = write(`${HEAD(1)}www A 10.0.0.7\n`, 'home/example');
    await start({
      views: [{ name: 'home', clients: ['127.0.0.2'] }],
      zones: [
        { name: 'example', file: everybody },
        { name: 'example', file: home, views: ['home'] },
      ],
    });
    for (let i = 0; i < 2; i++) {
      for (const [from, address] of [
        ['127.0.0.1', '192.0.2.7'],
        ['127.0.0.2', '10.0.0.7'],
      ]) {
        const reply = await askUdp(server!.address, makeQuery('www.example'), 60_000, from);
        expect(sections(reply).answers).toEqual([`www.example. 86400 A ${address}`]);
      }
    }
  });

  test('follows aliases out of it for those who want recursion, and refuses other names where zones are all', async () => {
    const file = write(`${HEAD(1)}www CNAME elsewhere.test.org.\n`);
    await start({ zones: [{ name: 'example', file }] });
    const told = sections(await server!.ask('udp', makeQuery('www.example')));
    expect(told.answers).toEqual([
      'www.example. 86400 CNAME elsewhere.test.org.',
      expect.stringMatching(/^elsewhere\.test\.org\. \d+ A 203\.0\.113\.1$/),
    ]);
    await server!.server.update({ zonesOnly: true });
    expect(rcodeOf((await server!.ask('udp', makeQuery('elsewhere.test.org')))!)).toBe(5);
    expect(sections(await server!.ask('udp', makeQuery('www.example'))).answers).toHaveLength(1);
  });

  test('refers with the addresses that are needed, and says TC where they do not fit', async () => {
    const servers = Array.from({ length: 40 }, (_, i) => `sub NS ns${i}.sub\nns${i}.sub A 192.0.2.${i}\n`).join('');
    const file = write(`${HEAD(1)}${servers}`);
    await start({ zones: [{ name: 'example', file }] });
    const udp = await server!.ask('udp', makeQuery('a.sub.example'));
    expect(decodeMessage(udp!).flags & Flag.TC).not.toBe(0);
    const tcp = sections(await server!.ask('tcp', makeQuery('a.sub.example')));
    expect(tcp).toMatchObject({ aa: false, ra: false, answers: [] });
    expect(tcp.authorities).toHaveLength(40);
    expect(tcp.additionals).toHaveLength(40);
  });

  test('is checked, read again and exported when asked to', async () => {
    const file = write(`${HEAD(1)}a A 192.0.2.1\n`);
    await start({ zones: [{ name: 'example', file }] });
    const { zones } = server!.server;
    await expect(zones.check('EXAMPLE.')).resolves.toEqual([{ file, good: true, problems: [] }]);
    write(`${HEAD(2)}a A 192.0.2.2\n`);
    await expect(zones.reload('example')).resolves.toMatchObject([{ serial: 2, records: 4 }]);
    expect([...zones.export('example')].join('')).toContain('a.example.\t86400\tIN\tA\t192.0.2.2\n');
    await expect(zones.check('other')).rejects.toThrow(/zone: expected one that is served from a file, got "other"/);
    expect(zones.totals()).toMatchObject({ zones: 1, broken: 0, records: 4 });
  });
});

test('a zone is there once for the same clients, and for views that there are', async () => {
  const file = write(HEAD(1));
  const twice = {
    zones: [
      { name: 'example', file },
      { name: 'EXAMPLE.', file },
    ],
  };
  await expect(start(twice)).rejects.toThrow(/zones\[1\]\.name: expected each zone once/);
  await expect(start({ zones: [{ name: 'example', file, views: ['home'] }] })).rejects.toThrow(
    /zones\[0\]\.views\[0\]: expected the name of a view/,
  );
});
