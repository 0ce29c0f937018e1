// What the instances of a fleet find out for each other: what is shared, what of it is believed, and what it may cost.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { foldName, encodeName } from '../../../lib/wire/name.js';
import { FakeFleet } from '../../support/fleet.js';
import { FakeRedis } from '../../support/fake-redis.js';
import { answerA, decode, makeResponse, type QueryShape, soa, ttlsOf } from '../../support/messages.js';
import { settle } from '../../support/fake-clock.js';

let fleet: FakeFleet;
beforeEach(() => {
  fleet = new FakeFleet();
});
afterEach(() => fleet.close());

const name = (text: string): Uint8Array => foldName(encodeName(text));
const WRITTEN = 10;

describe('an answer that one instance has found', () => {
  test('is there for the others, which ask no upstream', async () => {
    const one = await fleet.member(query => answerA(query, 300));
    const other = await fleet.member(query => answerA(query, 300, '203.0.113.66'));
    expect(await one.told('www.example')).toMatchObject({ data: ['192.0.2.1'] });
    await fleet.advance(WRITTEN);
    expect(await other.told('WWW.example')).toMatchObject({ data: ['192.0.2.1'], kind: 'cached' });
    expect(other.asked).toBe(0);
    // From then on it is its own.
    await other.told('www.example');
    expect(other.fleet.answers.stats).toMatchObject({ reads: 1, hits: 1 });
  });
  test('has the TTL that is left of it, and ends when it would have', async () => {
    const one = await fleet.member(query => answerA(query, 300));
    const other = await fleet.member(query => answerA(query, 300));
    await one.told('www.example');
    await fleet.advance(100_000);
    expect(ttlsOf((await other.told('www.example')).reply)).toEqual([200]);
    await fleet.advance(199_000);
    expect(other.asked).toBe(0);
    expect(ttlsOf((await other.told('www.example')).reply)).toEqual([1]);
    await fleet.advance(2000);
    await other.told('www.example');
    expect(other.asked).toBe(1);
  });
  test('is shared as a denial too, for five minutes at the most', async () => {
    const deny = (query: Uint8Array) => makeResponse(query, { rcode: 3, authorities: [soa('example', 3600, 3600)] });
    const one = await fleet.member(deny);
    const other = await fleet.member(deny);
    expect(await one.told('no.example')).toMatchObject({ rcode: 3 });
    await fleet.advance(WRITTEN);
    expect(await other.told('no.example')).toMatchObject({ rcode: 3, kind: 'cached' });
    expect(other.asked).toBe(0);
    await fleet.advance(301_000);
    await other.told('no.example');
    expect(other.asked).toBe(1);
  });
  test.each<[string, QueryShape, QueryShape]>([
    ['with DO', { dnssecOk: true }, {}],
    ['with CD', { cd: true }, {}],
    ['with neither AD nor DO', {}, { ad: true }],
  ])('is no answer to other forms of its question where it was asked for %s', async (_, asked, after) => {
    const one = await fleet.member(query => answerA(query, 300));
    const other = await fleet.member(query => answerA(query, 300));
    await one.told('www.example', asked);
    await fleet.advance(WRITTEN);
    await other.told('www.example', after);
    expect(other.asked).toBe(1);
  });
  test('shows nothing of what its upstream said of itself: it has no OPT', async () => {
    const one = await fleet.member(query =>
      makeResponse(query, {
        answers: [{ type: 'A', name: 'www.example', ttl: 300, data: '192.0.2.1' }],
        additionals: [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: 1232,
            flags: 0,
            options: [{ code: 3, data: Buffer.from('server-7') }],
          } as never,
        ],
      }),
    );
    await one.told('www.example');
    await fleet.advance(WRITTEN);
    const [{ value }] = fleet.redis.values.values();
    expect(value.includes('server-7')).toBe(false);
    expect(value.includes(Buffer.from('\x03www\x07example'))).toBe(true);
  });
  test('refreshes those of others: who comes second asks no upstream', async () => {
    const one = await fleet.member(query => answerA(query, 100));
    const other = await fleet.member(query => answerA(query, 100));
    await one.told('www.example');
    await fleet.advance(WRITTEN);
    await other.told('www.example');
    await fleet.advance(95_000);
    const { Query } = await import('../../../lib/wire/query.js');
    const { makeQuery } = await import('../../support/messages.js');
    const refresh = (by: typeof one): boolean =>
      by.resolver.prefetch(new Query(makeQuery('www.example', { ad: true })));
    expect(refresh(one)).toBe(true);
    await fleet.advance(WRITTEN);
    expect(one.asked).toBe(2);
    expect(refresh(other)).toBe(true);
    await fleet.advance(WRITTEN);
    expect(other.asked).toBe(0);
  });
});

describe('nothing is shared', () => {
  const isShared = async (): Promise<boolean> => {
    await fleet.advance(WRITTEN);
    return fleet.redis.commands.includes('SET');
  };
  test('that lives for less than five seconds', async () => {
    const one = await fleet.member(query => answerA(query, 4));
    await one.told('www.example');
    expect(await isShared()).toBe(false);
  });
  test.each([2, 5])('that failed with rcode %i', async rcode => {
    const one = await fleet.member(query => makeResponse(query, { rcode }));
    await one.told('www.example');
    expect(await isShared()).toBe(false);
  });
  test('of local data, and of built-in zones', async () => {
    const one = await fleet.member(query => answerA(query), {
      local: { records: ['printer.home 300 A 192.0.2.9'] },
    });
    await one.told('printer.home');
    await one.told('localhost');
    await one.told('1.0.0.127.in-addr.arpa', { type: 'PTR' });
    expect(await isShared()).toBe(false);
    expect(fleet.redis.commands).not.toContain('GET');
  });
  test('of a tenant', async () => {
    const one = await fleet.member(query => answerA(query));
    await one.told('www.example', {}, { tenant: 7 });
    expect(await isShared()).toBe(false);
    expect(fleet.redis.commands).not.toContain('GET');
  });
  test('of a group of upstreams that a hook has named, nor what a hook keeps out of the cache', async () => {
    const one = await fleet.member(
      query => answerA(query),
      {},
      {
        onQuery: ({ name: asked }) => (asked.startsWith('other.') ? { group: 'other' } : undefined),
        onResponse: ({ name: asked }) => (asked.startsWith('secret.') ? 'drop' : undefined),
      },
    );
    await one.told('other.example');
    await one.told('secret.example');
    expect(await isShared()).toBe(false);
  });
  test('that was asked for with the subnet of a client', async () => {
    const one = await fleet.member(query => answerA(query), { upstream: { clientSubnet: 'forward' } });
    const subnet = { code: 8, data: Buffer.from([0, 1, 24, 0, 198, 51, 100]) };
    await one.told('www.example', { options: [subnet] } as never);
    expect(await isShared()).toBe(false);
  });
  test('with those who judge by other rules', async () => {
    const one = await fleet.member(query => answerA(query));
    const other = await fleet.member(query => answerA(query), { any: 'all' });
    await one.told('www.example');
    await fleet.advance(WRITTEN);
    await other.told('www.example');
    expect(other.asked).toBe(1);
  });
});

describe('a second level', () => {
  test('that has stopped holds a question up for five milliseconds, until it is not asked any more', async () => {
    const one = await fleet.member(query => answerA(query, 300));
    fleet.redis.stopped = true;
    for (let i = 0; i < 8; i++) {
      let told = false;
      const asking = one.told(`${i}.example`).then(() => (told = true));
      await fleet.advance(5);
      await settle();
      expect(told).toBe(true);
      await asking;
      await fleet.advance(20);
    }
    const before = fleet.clock.nowMs();
    expect(await one.told('last.example')).toMatchObject({ data: ['192.0.2.1'] });
    expect(fleet.clock.nowMs()).toBe(before);
    expect(one.fleet.report().redis[0]).toMatchObject({ connected: false });
  });
  test('that is not there costs nothing', async () => {
    fleet.redis.down = true;
    const one = await fleet.member(query => answerA(query, 300));
    const before = fleet.clock.nowMs();
    expect(await one.told('www.example')).toMatchObject({ data: ['192.0.2.1'] });
    expect(fleet.clock.nowMs()).toBe(before);
  });
  test('that is late is still listened to, if its answer comes first', async () => {
    const one = await fleet.member(query => answerA(query, 300));
    const other = await fleet.member(() => undefined);
    await one.told('www.example');
    await fleet.advance(WRITTEN);
    fleet.redis.delayMs = 12;
    const asking = other.told('www.example');
    await fleet.advance(12);
    expect(await asking).toMatchObject({ data: ['192.0.2.1'] });
    expect(other.asked).toBe(1);
  });
  test('that loses against the upstream changes nothing any more', async () => {
    const one = await fleet.member(query => answerA(query, 300));
    const other = await fleet.member(query => answerA(query, 300, '192.0.2.2'));
    await one.told('www.example');
    await fleet.advance(WRITTEN);
    fleet.redis.delayMs = 12;
    const asking = other.told('www.example');
    await fleet.advance(6);
    expect(await asking).toMatchObject({ data: ['192.0.2.2'] });
    await fleet.advance(20);
    expect(await other.told('www.example')).toMatchObject({ data: ['192.0.2.2'] });
  });
  test('with an answer that has expired is of use when upstreams fail', async () => {
    let down = false;
    const upstream = (query: Uint8Array) => (down ? makeResponse(query, { rcode: 2 }) : answerA(query, 60));
    const one = await fleet.member(upstream);
    const other = await fleet.member(upstream);
    await one.told('www.example');
    await fleet.advance(90_000);
    down = true;
    const { rcode, data, reply } = await other.told('www.example');
    expect({ rcode, data }).toEqual({ rcode: 0, data: ['192.0.2.1'] });
    expect(ttlsOf(reply)).toEqual([30]);
    expect(other.asked).toBeGreaterThan(0);
  });

  const poison = (change: (value: Buffer) => Buffer): void => {
    for (const stored of fleet.redis.values.values()) stored.value = change(Buffer.from(stored.value));
  };
  test.each<[string, (value: Buffer) => Buffer]>([
    ['cut', value => value.subarray(0, value.length - 20)],
    ['changed', value => (value.writeUInt8(value[60] ^ 1, 60), value)],
    ['not one of ours', () => Buffer.from('x'.repeat(200))],
    ['empty', () => Buffer.alloc(0)],
  ])('whose value is %s is asked in vain', async (_, change) => {
    const one = await fleet.member(query => answerA(query, 300));
    const other = await fleet.member(query => answerA(query, 300, '192.0.2.2'));
    await one.told('www.example');
    await fleet.advance(WRITTEN);
    poison(change);
    expect(await other.told('www.example')).toMatchObject({ data: ['192.0.2.2'] });
    expect(other.fleet.answers.stats.hits).toBe(0);
  });
  test('in which values have changed places is asked in vain', async () => {
    const one = await fleet.member(query => answerA(query, 300));
    const other = await fleet.member(query => answerA(query, 300, '192.0.2.2'));
    await one.told('a.example');
    await one.told('b.example');
    await fleet.advance(WRITTEN);
    const [a, b] = [...fleet.redis.values.values()];
    [a.value, b.value] = [b.value, a.value];
    expect(await other.told('a.example')).toMatchObject({ data: ['192.0.2.2'] });
    expect(await other.told('b.example')).toMatchObject({ data: ['192.0.2.2'] });
  });
  test('without a secret is not believed by those who validate', async () => {
    const options = { secondLevel: { redis: ['redis://fake'], secretFiles: [] } };
    const one = await fleet.member(query => answerA(query, 300), options);
    const other = await fleet.member(query => answerA(query, 300, '192.0.2.2'), options);
    await one.told('www.example');
    await fleet.advance(WRITTEN);
    expect(await other.told('www.example')).toMatchObject({ data: ['192.0.2.2'] });
    expect(other.fleet.answers.refused.untrusted).toBe(1);
  });
  test('without a secret is believed only what is about the question, and is a sound answer', async () => {
    const options = { upstreams: ['192.0.2.1'], secondLevel: { redis: ['redis://fake'], secretFiles: [] } };
    const one = await fleet.member(query => answerA(query, 300), options);
    const other = await fleet.member(query => answerA(query, 300, '192.0.2.2'), options);
    await one.told('a.example');
    await fleet.advance(WRITTEN);
    const [stored] = fleet.redis.values.values();
    const whole = stored.value;
    // Another name in the question, then a record that is cut.
    stored.value = Buffer.from(whole);
    stored.value.writeUInt8(0x62, 48 + 13);
    expect(await other.told('a.example')).toMatchObject({ data: ['192.0.2.2'] });
    expect(other.fleet.answers.refused.question).toBe(1);
    const third = await fleet.member(query => answerA(query, 300, '192.0.2.3'), options);
    await fleet.advance(WRITTEN);
    const [key] = fleet.redis.values.keys();
    fleet.redis.values.set(key, { value: whole.subarray(0, whole.length - 2), untilMs: Infinity });
    expect(await third.told('a.example')).toMatchObject({ data: ['192.0.2.3'] });
    expect(third.fleet.answers.refused.unusable).toBe(1);
  });
});

describe('what one instance invalidates for the fleet', () => {
  test('the others forget at once, and take from nowhere any more', async () => {
    let address = '192.0.2.1';
    const upstream = (query: Uint8Array) => answerA(query, 300, address);
    const [one, other, third] = [
      await fleet.member(upstream),
      await fleet.member(upstream),
      await fleet.member(upstream),
    ];
    await one.told('www.example');
    await fleet.advance(WRITTEN);
    await other.told('www.example');
    address = '192.0.2.2';
    one.invalidate({ name: name('www.example') });
    await fleet.advance(WRITTEN);
    expect(other.forgotten).toEqual([{ name: name('www.example') }]);
    expect(one.forgotten).toEqual([]);
    for (const member of [other, third, one]) {
      expect(await member.told('www.example')).toMatchObject({ data: ['192.0.2.2'] });
      await fleet.advance(WRITTEN);
    }
    // The first of them has asked, and shared it anew.
    expect([one.asked, other.asked, third.asked]).toEqual([1, 1, 0]);
  });
  test.each<[string, object, boolean]>([
    ['a suffix', { suffix: name('example') }, true],
    ['everything', 'all' as never, true],
    ['another suffix', { suffix: name('test') }, false],
    ['another name', { name: name('ftp.example') }, false],
    ['a tenant', { tenant: 3 }, false],
  ])('may be %s', async (_, what, isForgotten) => {
    const upstream = (query: Uint8Array) => answerA(query, 300);
    const [one, other] = [await fleet.member(upstream), await fleet.member(upstream)];
    await one.told('www.example');
    await fleet.advance(WRITTEN);
    other.invalidate(what as never);
    await fleet.advance(WRITTEN);
    await one.told('www.example');
    expect(one.asked).toBe(isForgotten ? 2 : 1);
    expect(one.fleet.answers.invalidated.size).toBe('tenant' in Object(what) || what === ('all' as never) ? 0 : 1);
  });
  test('holds for an answer that was being asked for', async () => {
    let answer: (() => void) | undefined;
    const slow = (query: Uint8Array) => new Promise<Buffer>(resolve => (answer = () => resolve(answerA(query, 300))));
    const one = await fleet.member(slow);
    const other = await fleet.member(query => answerA(query, 300, '192.0.2.2'));
    const asking = one.told('www.example');
    await settle();
    await fleet.advance(10);
    other.invalidate({ name: name('www.example') });
    await fleet.advance(WRITTEN);
    answer!();
    await asking;
    await fleet.advance(WRITTEN);
    // It was told to who waited, and is neither kept nor shared.
    expect(await other.told('www.example')).toMatchObject({ data: ['192.0.2.2'] });
  });
  test('while they were away they forget when they are back', async () => {
    const upstream = (query: Uint8Array) => answerA(query, 3000);
    const [one, other] = [await fleet.member(upstream), await fleet.member(upstream)];
    await one.told('www.example');
    fleet.redis.down = true;
    fleet.redis.cut();
    await settle();
    other.invalidate({ name: name('www.example') });
    await fleet.advance(10_000);
    await one.told('www.example');
    expect(one.asked).toBe(1);
    fleet.redis.down = false;
    await fleet.advance(6000);
    await one.told('www.example');
    expect(one.asked).toBe(2);
    expect(one.fleet.report().redis[0].log.gaps).toBe(0);
  });
  test('before it was started is not in its cache, and refused where others have it', async () => {
    const upstream = (query: Uint8Array) => answerA(query, 300);
    const one = await fleet.member(upstream);
    await one.told('www.example');
    await fleet.advance(WRITTEN);
    one.invalidate({ name: name('www.example') });
    await fleet.advance(WRITTEN);
    const late = await fleet.member(upstream);
    expect(late.forgotten).toEqual([]);
    await late.told('www.example');
    expect(late.asked).toBe(1);
    expect(late.fleet.answers.refused.invalidated).toBe(1);
  });
  test('is too much to be remembered by name at some time: then everything older is refused', async () => {
    const { Invalidated } = await import('../../../lib/cache/answers/invalidated.js');
    const few = new Invalidated(2);
    few.note({ name: name('a.example') }, 10);
    few.note({ name: name('b.example') }, 20);
    expect(few.covers(name('c.example'), 5)).toBe(false);
    few.note({ name: name('c.example') }, 30);
    expect(few.covers(name('d.example'), 10)).toBe(true);
    expect(few.covers(name('d.example'), 11)).toBe(false);
    expect(few.covers(name('b.example'), 20)).toBe(true);
    expect(few.covers(name('b.example'), 21)).toBe(false);
    expect(few.size).toBe(2);
  });
});

describe('while the log is not read', () => {
  test('what comes into the cache lives for thirty seconds at the most', async () => {
    const one = await fleet.member(query => answerA(query, 3000));
    fleet.redis.down = true;
    fleet.redis.cut();
    await settle();
    await one.told('www.example');
    await fleet.advance(31_000);
    await one.told('www.example');
    expect(one.asked).toBe(2);
    fleet.redis.down = false;
    await fleet.advance(6000);
    await one.told('other.example');
    await fleet.advance(31_000);
    await one.told('other.example');
    expect(one.asked).toBe(3);
  });
});

describe('regions', () => {
  const far = { regions: [{ name: 'far', redis: ['redis://far'] }] };
  const members = async (upstreamMs = 100) => {
    const remote = new FakeRedis(fleet.clock);
    fleet.others.set('far', remote);
    const there = await fleet.member(query => answerA(query, 300), {
      secondLevel: { redis: ['redis://far'], regions: [{ name: 'home', redis: ['redis://fake'] }] },
    } as never);
    const here = await fleet.member(query => answerA(query, 300, '192.0.2.2'), { secondLevel: far } as never);
    here.upstreams[0].succeeded(upstreamMs);
    await settle();
    return { remote, there, here };
  };
  test('what another one has is taken over, and kept at home', async () => {
    const { remote, there, here } = await members();
    await there.told('www.example');
    await fleet.advance(WRITTEN);
    expect(await here.told('www.example')).toMatchObject({ data: ['192.0.2.1'] });
    expect(here.fleet.answers.stats).toMatchObject({ hits: 0, regionHits: 1 });
    await fleet.advance(WRITTEN);
    expect([...fleet.redis.values.keys()]).toEqual([...remote.values.keys()]);
    expect(here.asked).toBe(0);
  });
  test('one that is as far as the upstream is not asked', async () => {
    const { there, here } = await members(1);
    for (let i = 0; i < 50; i++) here.upstreams[0].succeeded(0.001);
    here.fleet.answers.regions[0].level.clock.roundTripMs = 10;
    await there.told('www.example');
    await fleet.advance(WRITTEN);
    await here.told('www.example');
    expect(here.asked).toBe(1);
  });
  test('what one invalidates all forget, whichever clock it has', async () => {
    const { remote, there, here } = await members();
    remote.aheadMs = 60_000;
    await fleet.advance(61_000);
    await there.told('www.example');
    await fleet.advance(WRITTEN);
    await here.told('www.example');
    here.invalidate({ name: name('www.example') });
    await fleet.advance(WRITTEN);
    expect(there.forgotten).toEqual([{ name: name('www.example') }]);
    await here.told('www.example');
    expect(here.asked).toBe(1);
    await fleet.advance(WRITTEN);
    there.invalidate({ name: name('www.example') });
    await fleet.advance(WRITTEN);
    expect(here.forgotten).toEqual([{ name: name('www.example') }]);
  });
  test('one that has stopped holds nothing up for longer than its own time', async () => {
    const { remote, here } = await members();
    remote.stopped = true;
    let told = false;
    void here.told('www.example').then(() => (told = true));
    await fleet.advance(15);
    await settle();
    expect(told).toBe(true);
    expect(decode((await here.told('www.example')).reply).answers).toHaveLength(1);
  });
});
