// The server that is asked beside this one: what goes there, what is compared, and that no client notices.
import { afterEach, describe, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import { silentLogger } from '../../../lib/base/log.js';
import { CopyRecord } from '../../../lib/native/binding.js';
import { compareReplies, Mirror } from '../../../lib/server/mirror.js';
import { readOptions } from '../../../lib/server/settings/settings.js';
import type { Transports } from '../../../lib/server/transports.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakeTransport, type Handler } from '../../support/fake-transport.js';
import { answerA, decode, makeQuery, makeResponse, type Records, rcodeOf, soa } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';
import { until } from '../../support/until.js';

const query = makeQuery('www.example', { dnssecOk: true });
const a = (data: string, ttl = 300, name = 'www.example'): NonNullable<Records>[number] => ({
  type: 'A',
  name,
  ttl,
  data,
});
const reply = (...answers: NonNullable<Records>): Buffer => makeResponse(query, { answers });

describe('replies', () => {
  test.each([
    [
      'the same in another order, with other TTLs',
      reply(a('192.0.2.1'), a('192.0.2.2')),
      reply(a('192.0.2.2', 7), a('192.0.2.1', 9)),
      'same',
    ],
    [
      'names in other letters',
      reply(a('192.0.2.1', 1, 'WWW.example')),
      reply(a('192.0.2.1', 1, 'www.EXAMPLE')),
      'same',
    ],
    [
      'denials with another SOA',
      makeResponse(query, { rcode: 3, authorities: [soa('example')] }),
      makeResponse(query, { rcode: 3 }),
      'same',
    ],
    ['another address', reply(a('192.0.2.1')), reply(a('192.0.2.9')), 'answers'],
    ['one more', reply(a('192.0.2.1')), reply(a('192.0.2.1'), a('192.0.2.2')), 'answers'],
    ['another rcode', reply(a('192.0.2.1')), makeResponse(query, { rcode: 2 }), 'rcode'],
    ['cut off', reply(a('192.0.2.1')), makeResponse(query, { flags: 0x0200 }), 'truncated'],
    ['no message', reply(a('192.0.2.1')), Buffer.alloc(30, 1), 'unreadable'],
  ] as const)('%s', (_, here, there, verdict) => {
    expect(compareReplies(here, there).verdict).toBe(verdict);
    expect(compareReplies(there, here).verdict).toBe(verdict);
  });
  test('one whose data cannot be read is told so, from either side', () => {
    const broken = Buffer.from(
      makeResponse(query, { answers: [{ type: 'NS', name: 'www.example', ttl: 60, data: 'b' }] }),
    );
    // The name in its data goes on behind the end of the message: its only label, of one octet, has 63.
    const at = broken.lastIndexOf(Buffer.from([1, 0x62, 0]));
    broken[at] = 63;
    expect(compareReplies(broken, reply(a('192.0.2.1'))).verdict).toBe('unreadable');
    expect(compareReplies(reply(a('192.0.2.1')), broken).verdict).toBe('unreadable');
  });
  test('what differs is said', () => {
    expect(compareReplies(reply(a('192.0.2.1')), makeResponse(query, { rcode: 2 })).texts).toEqual([
      'NOERROR',
      'SERVFAIL',
    ]);
    expect(compareReplies(reply(a('192.0.2.1')), reply(a('192.0.2.1'), a('192.0.2.2'))).texts).toEqual([
      '1 records, 0 of them here only',
      '2 records, 1 of them here only',
    ]);
  });
});

/** A plane whose copies a test makes. */
class FakePlane {
  share = -1;
  copies: Buffer[] = [];
  copy(share: number): void {
    this.share = share;
  }
  drainCopies(out: Uint8Array): number {
    const all = Buffer.concat(this.copies.splice(0));
    out.set(all);
    return all.length;
  }
  add(asked: Uint8Array, replied: Uint8Array, tookUs = 100): void {
    const head = Buffer.alloc(CopyRecord.octets);
    head.writeUInt16LE(asked.length, CopyRecord.queryLength);
    head.writeUInt16LE(replied.length, CopyRecord.replyLength);
    head.writeUInt32LE(tookUs, CopyRecord.tookUs);
    const record = Buffer.concat([head, asked, replied]);
    this.copies.push(Buffer.concat([record, Buffer.alloc(-record.length & 3)]));
  }
}

function mirrored(handler: Handler, options: object = {}) {
  const clock = new FakeClock();
  const udp = new FakeTransport(clock, handler);
  const tls = new FakeTransport(clock, handler);
  const planes = [new FakePlane()];
  const parts = { clock, log: silentLogger, transports: { udp, tls } as unknown as Transports };
  const mirror = new Mirror({ ...parts, plane: () => planes.at(-1) as never });
  const use = (more: object | undefined): void =>
    mirror.use(readOptions(more === undefined ? {} : { mirror: { to: '192.0.2.99', share: 1, ...more } }));
  use(options);
  return { clock, udp, tls, planes, mirror, use };
}

describe('the mirror', () => {
  test('asks what was asked, without what is the client’s own, and counts what comes', async () => {
    const { clock, udp, planes, mirror } = mirrored(asked => answerA(asked, 60, '192.0.2.1'));
    const options = [
      { code: 10, data: Buffer.from('0123456789abcdef', 'hex') },
      { code: 8, data: Buffer.from('00011800c00002', 'hex') },
    ];
    const cookie = makeQuery('www.example', { dnssecOk: true, cd: true, options });
    await clock.advance(20);
    expect(planes[0].share).toBe(0xffff_ffff);
    planes[0].add(cookie, reply(a('192.0.2.1')), 700);
    planes[0].add(makeQuery('www.example'), reply(a('192.0.2.2')), 70);
    await clock.advance(20);
    expect(udp.asked.map(one => one.server)).toEqual(['192.0.2.99:53', '192.0.2.99:53']);
    const [first] = udp.asked;
    expect(decode(first.query).questions).toMatchObject([{ name: 'www.example', type: 'A' }]);
    expect(decode(first.query)).toMatchObject({ flag_rd: true, flag_cd: true });
    expect(decode(first.query).additionals).toMatchObject([{ type: 'OPT', flag_do: true, options: [] }]);
    expect(first.options).toMatchObject({ timeoutMs: 2000, letters: 'kept' });
    expect(mirror.report).toMatchObject({
      ...{ to: '192.0.2.99', sampled: 2, answered: 2, late: 0, failed: 0, left: 0, underWay: 0 },
      compared: { same: 1, answers: 1, rcode: 0 },
      durations: { here: { sumSeconds: expect.closeTo(0.00077) as number } },
    });
    expect(mirror.differences).toMatchObject([{ name: 'www.example.', type: 'A', what: 'answers' }]);
  });
  test('has no more under way than it may, and counts what is late, fails or is no question', async () => {
    let handler: Handler = () => undefined;
    const { clock, udp, planes, mirror } = mirrored((...args) => handler(...args), { maxUnderWay: 3, timeoutMs: 500 });
    await clock.advance(20);
    for (let i = 0; i < 5; i++) planes[0].add(makeQuery(`n${i}.example`), reply());
    await clock.advance(20);
    expect(mirror.report).toMatchObject({ sampled: 5, left: 2, underWay: 3 });
    await clock.advance(500);
    expect(mirror.report).toMatchObject({ late: 3, underWay: 0 });
    handler = () => {
      throw new Error('refused');
    };
    planes[0].add(makeQuery('www.example'), reply());
    planes[0].add(Buffer.from('no query'), reply());
    await clock.advance(20);
    expect(mirror.report).toMatchObject({ sampled: 7, failed: 1, left: 3, underWay: 0 });
    expect(udp.asked).toHaveLength(4);
  });
  test('goes on where a question cannot be sent', async () => {
    const { clock, udp, planes, mirror } = mirrored(asked => answerA(asked, 60));
    const { ask } = udp;
    udp.ask = () => {
      throw new Error('no socket');
    };
    await clock.advance(20);
    planes[0].add(query, reply());
    planes[0].add(query, reply());
    await clock.advance(20);
    expect(mirror.report).toMatchObject({ sampled: 2, failed: 2, underWay: 0, answered: 0 });
    udp.ask = ask;
    planes[0].add(query, reply());
    await clock.advance(20);
    expect(mirror.report).toMatchObject({ sampled: 3, failed: 2, underWay: 0, answered: 1 });
  });
  test('goes to another server, compares nothing, or ends, as it is told; another plane is copied as well', async () => {
    const { clock, tls, planes, mirror, use } = mirrored(asked => answerA(asked));
    await clock.advance(20);
    planes[0].add(query, reply(a('192.0.2.9')));
    await clock.advance(20);
    expect(mirror.differences).toHaveLength(1);
    use({ to: 'tls://192.0.2.98#dns.example', share: 0.5, compare: false });
    expect(planes[0].share).toBe(Math.round(0.5 * 0xffff_ffff));
    expect(mirror.report).toMatchObject({ to: 'tls://192.0.2.98#dns.example', sampled: 0 });
    expect(mirror.differences).toEqual([]);
    planes.push(new FakePlane());
    await clock.advance(20);
    expect(planes[1].share).toBe(planes[0].share);
    planes[1].add(query, reply(a('192.0.2.9')));
    await clock.advance(20);
    expect(tls.asked).toHaveLength(1);
    expect(mirror.report).toMatchObject({ answered: 1, compared: { same: 0, answers: 0 } });
    use(undefined);
    expect(planes[1].share).toBe(0);
    expect(mirror.report).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
  });
  test('keeps the last differences only', async () => {
    const { clock, planes, mirror } = mirrored(asked => answerA(asked));
    await clock.advance(20);
    for (let i = 0; i < 130; i++)
      planes[0].add(makeQuery(`n${i}.example`), makeResponse(makeQuery(`n${i}.example`), { rcode: 3 }));
    await clock.advance(20);
    expect(mirror.differences).toHaveLength(100);
    expect(mirror.differences.at(-1)!.name).toBe('n129.example.');
    mirror.close();
    await settle();
  });
});

test.each([
  [{ to: 'dns.example' }, 'mirror.to: expected a server with a numeric address'],
  [{ to: 'quic://192.0.2.1' }, 'mirror.to: expected'],
  [{ to: '192.0.2.1', share: 0 }, 'mirror.share'],
  [{ to: '192.0.2.1', share: 1.5 }, 'mirror.share'],
  [{ share: 0.5 }, 'mirror.to'],
])('mirror: %j is refused', (mirror, message) => {
  expect(() => readOptions({ mirror } as never)).toThrow(message);
});

describe('a server with a mirror', () => {
  let server: TestServer | undefined;
  afterEach(() => server?.close());

  test('mirrors hits and misses, and answers as ever when the other server is silent', async () => {
    const there: string[] = [];
    let silent = false;
    const handler: Handler = (asked, at) => {
      if (!at.startsWith('192.0.2.99')) return answerA(asked);
      there.push(decode(asked).questions![0].name);
      return silent ? undefined : makeResponse(asked, { rcode: 5 });
    };
    server = await TestServer.start(handler, { mirror: { to: '192.0.2.99', share: 1 } });
    // The plane is copied at the first tick.
    for (let i = 0; there.length === 0; i++)
      expect(rcodeOf((await server.ask('udp', makeQuery(`warm${i}.example`)))!)).toBe(0);
    await until(() => server!.server.report().mirror!.underWay === 0);
    const before = there.length;
    for (let i = 0; i < 3; i++) expect(rcodeOf((await server.ask('udp', makeQuery('www.example')))!)).toBe(0);
    await until(() => there.length >= before + 3);
    expect(there.slice(-3)).toEqual(Array(3).fill('www.example'));
    await until(() => server!.server.report().mirror!.compared.rcode >= before + 3);
    const text = await new Metrics(server.server).text();
    expect(text).toMatch(/^shardns_mirror_compared_total\{verdict="rcode"\} [1-9]/m);
    expect(text).toMatch(/^shardns_mirror_questions_total\{outcome="answered"\} [1-9]/m);
    silent = true;
    for (let i = 0; i < 5; i++) expect(rcodeOf((await server.ask('udp', makeQuery(`s${i}.example`)))!)).toBe(0);
    await server.server.update({ threads: 2 });
    const seen = there.length;
    for (let i = 0; there.length === seen; i++) await server.ask('udp', makeQuery(`again${i}.example`));
    await server.server.patch({ mirror: null }, () => {});
    expect(server.server.report().mirror).toBeUndefined();
  });
});
