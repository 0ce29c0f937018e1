// A server that validates: what its clients see, of recursion and of upstreams.
import { afterEach, describe, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import { silentLogger } from '../../../lib/base/log.js';
import type { Hooks } from '../../../lib/resolve/hooks.js';
import { Server } from '../../../lib/server/server.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { headerRcode } from '../../../lib/wire/flags.js';
import { ExtendedError, Flag, Rcode, Type } from '../../../lib/wire/iana.js';
import { decodeMessage } from '../../../lib/wire/message.js';
import { encodeName } from '../../../lib/wire/name.js';
import { Query } from '../../../lib/wire/query.js';
import type { Rrset } from '../../../lib/wire/rrset.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { extendedTextsOf, makeQuery } from '../../support/messages.js';
import { answerOf, type Said, tampered } from '../../support/signed-internet.js';
import { NOW, SignedTree } from '../../support/signed-tree.js';

let server: Server | undefined;
/** What the log has but for its debug lines. */
let lines: string[];
afterEach(() => server?.close());

/** Upstreams that answer from signed zones, with `lies` in the place of some answers. */
function start(options: ServerOptions, lies = false, hooks: Hooks = {}) {
  lines = [];
  const tree = new SignedTree({
    '.': {},
    'shop.': {
      lines: ['www.shop. 300 A 192.0.2.80', 'svc.shop. 300 HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1'],
    },
    'plain.': { unsigned: true, lines: ['www.plain. 300 A 192.0.2.81'] },
  });
  const clock = new FakeClock();
  clock.wall = NOW;
  const asked: Query[] = [];
  const net = { lies, keys: true };
  const transport = new FakeTransport(clock, octets => {
    const query = new Query(octets);
    asked.push(query);
    const lie = (truth: Said): Said => {
      const said = net.lies ? tampered(truth) : truth;
      const unsigned = (one: Rrset): Rrset => ({ ...one, signatures: [] });
      return net.keys || query.type !== Type.DNSKEY ? said : { ...said, answer: said.answer.map(unsigned) };
    };
    return answerOf(tree, query, { lie });
  });
  const note = (_: object, message: string): void => void lines.push(message);
  const root = tree.signed('.').anchor;
  server = new Server(
    {
      listen: ['127.0.0.1:0'],
      udp: 'dgram',
      cache: { memory: '1MiB' },
      ...options,
      dnssec: { trustAnchors: [root], ...options.dnssec },
    },
    hooks,
    {
      clock,
      log: { ...silentLogger, info: note, warn: note, error: note },
      udpTransport: transport,
      tcpTransport: transport,
    },
  );
  const { resolver, engine } = server;
  let shiftMs = 0;
  const ask = async (name: string, flags: Parameters<typeof makeQuery>[1] = {}) => {
    const query = new Query(makeQuery(name.slice(0, -1), flags));
    const length = resolver.finish(query, await resolver.resolve(query, { protocol: 'internal' }), false);
    return decodeMessage(server!.engine.reply.slice(0, length));
  };
  /** Moves the caches' time too. */
  const pass = async (seconds: number): Promise<void> => {
    clock.wall += seconds;
    shiftMs += seconds * 1000;
    engine.native.shiftClock(shiftMs);
    server!.recursor!.rrsets.bytes.native.shiftClock(shiftMs);
    await clock.advance(seconds * 1000);
  };
  return { ask, asked, clock, net, pass };
}

const FORWARDER: ServerOptions = { upstreams: ['192.0.2.1'], dnssec: { validate: true } };

test('a forwarder that validates tells with AD what is secure, and asks upstreams with DO and CD', async () => {
  const { ask, asked } = start(FORWARDER);
  const secure = await ask('www.shop.', { dnssecOk: true });
  expect(secure.flags & Flag.AD).toBe(Flag.AD);
  expect(secure.answers.map(one => one.type)).toEqual([Type.A, Type.RRSIG]);
  expect(asked.every(one => one.dnssecOk && one.checkingDisabled && one.recursionDesired)).toBe(true);
  const plain = await ask('www.plain.', { dnssecOk: true });
  expect(plain.flags & Flag.AD).toBe(0);
  expect(plain.answers.map(one => one.type)).toEqual([Type.A]);
});

test('what was told before anything was validated is told no more when that begins, by default too', async () => {
  const { ask, net } = start({ upstreams: ['192.0.2.1'] }, true);
  expect([...(await ask('www.shop.')).answers[0].data]).toEqual([6, 6, 6, 6]);
  net.lies = false;
  await server!.update({ resolver: { recursive: true } });
  expect((await ask('www.shop.', { dnssecOk: true })).answers[0]?.data ?? []).not.toEqual(Uint8Array.of(6, 6, 6, 6));
});

test('what upstreams tell that does not prove itself is SERVFAIL, but for those who set CD', async () => {
  const { ask } = start(FORWARDER, true);
  expect((await ask('www.shop.')).flags & 15).toBe(Rcode.SERVFAIL);
  const unchecked = await ask('www.shop.', { cd: true });
  expect(unchecked.flags & (15 | Flag.AD)).toBe(Rcode.NOERROR);
  expect([...unchecked.answers[0].data]).toEqual([6, 6, 6, 6]);
});

test('an answer that has time left outlasts a refresh of it that is bogus', async () => {
  const { ask, asked, clock, net, pass } = start(FORWARDER);
  await ask('www.shop.', {});
  await pass(250);
  net.lies = true;
  const before = asked.length;
  expect(server!.resolver!.prefetch(new Query(makeQuery('www.shop')))).toBe(true);
  for (let i = 0; i < 100; i++) await clock.advance(50);
  expect(asked.length).toBeGreaterThan(before);
  const { flags, answers } = await ask('www.shop.');
  expect(flags & 15).toBe(Rcode.NOERROR);
  expect([...answers[0].data]).toEqual([192, 0, 2, 80]);
  expect(answers[0].ttl).toBe(50);
});

test('why an answer is bogus is told in words beside the extended error, from the cache too (RFC 8914)', async () => {
  start(FORWARDER, true);
  const { resolver, engine } = server!;
  const query = new Query(makeQuery('www.shop', { udpSize: 1232 }));
  const extra = (length: number): string | undefined => extendedTextsOf(engine.reply.slice(0, length))[0];
  const resolution = await resolver.resolve(query, { protocol: 'internal' });
  const first = extra(resolver.finish(query, resolution, true));
  expect(first).toMatch(/^6 www\.shop\. A: .*does not verify.*\(key \d+.*\)$/);
  expect(extra(engine.answer(query.message, { udp: true }))).toBe(first);
  const plain = makeQuery('www.shop');
  expect(extra(engine.answer(plain, { udp: true }))).toBeUndefined();
});

describe.each(['keys', 'lies'] as const)('a zone that is bogus for a while (%s)', what => {
  test('is asked again once a minute, however long that was, and told when it proves itself (RFC 9520)', async () => {
    const { asked, net, pass } = start(FORWARDER);
    const { resolver, engine } = server!;
    /** As a client: the cache is asked first. */
    const rcode = async (name: string): Promise<number> => {
      const query = new Query(makeQuery(name));
      if (engine.answer(query.message, {}) <= 0) {
        resolver.finish(query, await resolver.resolve(query, { protocol: 'internal' }), false);
      }
      return headerRcode(engine.reply);
    };
    const turn = (broken: boolean): void => {
      if (what === 'keys') net.keys = !broken;
      else net.lies = broken;
    };
    const waits: number[] = [];
    let second = 0;
    for (const healedAfter of [3, 70, 331, 1000]) {
      // Keys and answers of the time before are over.
      await pass(3601);
      turn(true);
      const before = asked.length;
      for (second = 0; second < healedAfter; second++) {
        expect(await rcode('www.shop')).toBe(Rcode.SERVFAIL);
        await pass(1);
      }
      const minutes = Math.ceil(healedAfter / 60);
      // Each time it is asked for again, of others where there are any, and so are its keys: up to four times each.
      expect(asked.length - before).toBeLessThanOrEqual(16 * minutes + 8);
      turn(false);
      let wait = 0;
      while ((await rcode('www.shop')) !== Rcode.NOERROR && ++wait < 300) await pass(1);
      waits.push(wait);
    }
    expect(Math.max(...waits)).toBeLessThanOrEqual(60);
  });
});

test('what was told below a negative trust anchor is forgotten when that ends (RFC 7646 section 2)', async () => {
  const at = (seconds: number): string => new Date((NOW + seconds) * 1000).toISOString();
  const negativeTrustAnchors = ['plain', { name: 'SHOP', until: at(90) }, { name: 'gone.example', until: at(-9) }];
  const { ask, asked, pass } = start({ ...FORWARDER, dnssec: { validate: true, negativeTrustAnchors } }, true);
  const ended = (): string[] => lines.filter(one => one.includes('negative trust anchor has ended'));
  const report = () => server!.report().anchors.negative;
  expect(report()).toEqual([
    { name: 'plain', hasEnded: false },
    { name: 'SHOP', untilSeconds: NOW + 90, hasEnded: false },
    { name: 'gone.example', untilSeconds: NOW - 9, hasEnded: true },
  ]);
  expect([...(await ask('www.shop.')).answers[0].data]).toEqual([6, 6, 6, 6]);
  await pass(89);
  const before = asked.length;
  expect([...(await ask('www.shop.')).answers[0].data]).toEqual([6, 6, 6, 6]);
  expect(asked.length).toBe(before);
  expect(ended()).toEqual([]);
  await pass(2);
  expect(ended()).toHaveLength(1);
  expect((await ask('www.shop.')).flags & 15).toBe(Rcode.SERVFAIL);
  expect(report()[1].hasEnded).toBe(true);
  await pass(200);
  expect(ended()).toHaveLength(1);
});

test('an end that options bring while the server lives counts, too, and one that they take away does not', async () => {
  const until = new Date((NOW + 90) * 1000).toISOString();
  const withEnd = { validate: true, negativeTrustAnchors: [{ name: 'shop', until }] };
  const { pass } = start(FORWARDER);
  const { trustAnchors } = server!.settings.dnssec;
  await server!.update({ dnssec: { trustAnchors, ...withEnd } });
  await pass(10);
  await server!.update({ dnssec: { trustAnchors, negativeTrustAnchors: [] } });
  await pass(100);
  expect(lines).not.toContainEqual(expect.stringContaining('has ended'));
  await server!.update({
    dnssec: {
      trustAnchors,
      ...withEnd,
      negativeTrustAnchors: [{ name: 'shop', until: new Date((NOW + 200) * 1000).toISOString() }],
    },
  });
  await pass(95);
  expect(lines).toContainEqual(expect.stringContaining('has ended'));
});

test('a forwarder that does not say so validates nothing', async () => {
  const { ask } = start({ upstreams: ['192.0.2.1'], dnssec: {} }, true);
  expect((await ask('www.shop.')).flags & 15).toBe(Rcode.NOERROR);
});

test.each([
  [
    'behind',
    -10 * 86_400,
    ExtendedError.signatureNotYetValid,
    "the machine's clock seems wrong: it says 2027-01-05T08:00:00Z, and the signatures of a trust anchor's keys begin no earlier than 2027-01-14T08:00:00Z",
  ],
  [
    'ahead',
    10 * 86_400,
    ExtendedError.signatureExpired,
    "the machine's clock seems wrong: it says 2027-01-25T08:00:00Z, and the signatures of a trust anchor's keys were over by 2027-01-16T08:00:00Z",
  ],
] as const)('a clock that is %s is told once, and makes nothing believed', async (_, seconds, ede, told) => {
  const { ask, clock } = start(FORWARDER);
  clock.wall = NOW + seconds;
  for (const name of ['www.shop.', 'a.shop.', 'b.shop.', 'www.plain.']) {
    const reply = await ask(name, { edns: true });
    expect([name, reply.flags & 15]).toEqual([name, Rcode.SERVFAIL]);
  }
  expect(
    await server!.recursor!.resolve(encodeName('c.shop'), Type.A, {}).catch((error: unknown) => error),
  ).toMatchObject({
    isBogus: true,
    extendedError: ede,
  });
  expect(lines).toEqual([`${told}; until it is right, what is signed does not prove itself and is SERVFAIL`]);
  expect(server!.report().clockDoubt).toBe(told);
  expect(await new Metrics(server!).text()).toContain('shardns_dnssec_clock_doubted 1');
  clock.wall = NOW;
  server!.invalidate('all');
  expect((await ask('www.shop.')).flags & 15).toBe(Rcode.NOERROR);
  expect(lines.slice(1)).toEqual(["signatures of a trust anchor's keys are valid by the machine's clock again"]);
  expect(server!.report().clockDoubt).toBeUndefined();
});

test("roots of one's own are validated by the keys that are given for them, or not at all", () => {
  const of = (options: ServerOptions): boolean => {
    const one = new Server({ listen: ['127.0.0.1:0'], udp: 'dgram', cache: { memory: '1MiB' }, ...options }, {}, {});
    const validating = one.recursor?.options.validation !== undefined;
    void one.close();
    return validating;
  };
  expect(of({ resolver: { recursive: true } })).toBe(true);
  const resolver = { recursive: true, rootHints: ['192.0.2.1'] };
  expect(of({ resolver })).toBe(false);
  const root = [{ name: '.', servers: ['192.0.2.1'] }];
  expect(of({ resolver: { recursive: true }, stubZones: root })).toBe(false);
  expect(of({ resolver: { recursive: true }, forwardZones: root })).toBe(false);
  expect(of({ resolver, dnssec: { trustAnchors: [`. DS 20326 8 2 ${'AA'.repeat(32)}`] } })).toBe(true);
  expect(of({ resolver, dnssec: { validate: true } })).toBe(true);
});

test('what was secure and has expired stands in for what does not prove itself only where that is wanted', async () => {
  for (const forBogus of [false, true]) {
    const { ask, asked, net, pass } = start({ ...FORWARDER, stale: { forBogus, clientTimeoutMs: 5000 } });
    await ask('www.shop.', { dnssecOk: true });
    await ask('www.plain.', { dnssecOk: true });
    net.lies = true;
    await pass(301);
    const reply = await ask('www.shop.', { dnssecOk: true });
    expect(reply.flags & 15).toBe(forBogus ? Rcode.NOERROR : Rcode.SERVFAIL);
    if (forBogus) {
      expect([...reply.answers[0].data]).toEqual([192, 0, 2, 80]);
      expect(reply.answers[0].ttl).toBe(30);
      // Not before 30 s (RFC 8767 section 5), and then at once, though it was bogus.
      const before = asked.length;
      await ask('www.shop.', { dnssecOk: true });
      expect(asked.length).toBe(before);
      net.lies = false;
      await pass(30);
      const fresh = await ask('www.shop.', { dnssecOk: true });
      expect(asked.length).toBeGreaterThan(before);
      expect(fresh.answers[0].ttl).toBe(300);
    }
    await server!.close();
  }
});

test('an expired answer that nobody had validated stands in for nothing bogus', async () => {
  const { ask, net, pass } = start({ ...FORWARDER, stale: { forBogus: true, clientTimeoutMs: 5000 } });
  await ask('www.shop.', { dnssecOk: true, cd: true });
  net.lies = true;
  await pass(301);
  expect((await ask('www.shop.', { dnssecOk: true })).flags & 15).toBe(Rcode.SERVFAIL);
});

test('of a zone that needs no signatures too, where the way to it does not prove itself', async () => {
  for (const forBogus of [false, true]) {
    const { ask, net, pass } = start({ ...FORWARDER, stale: { forBogus, clientTimeoutMs: 5000 } });
    expect((await ask('www.plain.', { dnssecOk: true })).flags & 15).toBe(Rcode.NOERROR);
    net.keys = false;
    await pass(3601);
    const { flags } = await ask('www.plain.', { dnssecOk: true });
    expect(flags & (15 | Flag.AD)).toBe(forBogus ? Rcode.NOERROR : Rcode.SERVFAIL);
    await server!.close();
  }
});

test('what stands in is not called secure, and with its signatures told until they end', async () => {
  for (const dnssecOk of [true, false]) {
    const { ask, net, pass } = start({ ...FORWARDER, stale: { forBogus: true, clientTimeoutMs: 5000 } });
    const asked = async (): Promise<number> => (await ask('www.shop.', { dnssecOk, ad: true })).flags & (15 | Flag.AD);
    expect(await asked()).toBe(Flag.AD);
    net.lies = true;
    await pass(301);
    expect(await asked()).toBe(Rcode.NOERROR);
    // All of the zone's signatures end a day after the test begins: it is bogus by itself then.
    net.lies = false;
    await pass(86_200);
    expect(await asked()).toBe(dnssecOk ? Rcode.SERVFAIL : 0);
    await server!.close();
  }
});

test('what is made or changed here is not told as validated, whatever it leads to (RFC 4035 section 3.2.3)', async () => {
  const local = {
    records: ['local.example CNAME www.shop'],
    zones: [{ name: 'svc.shop', kind: 'blockA' }],
  } satisfies ServerOptions['local'];
  const onQuery = ({ name }: { name: string }) => (name.startsWith('hook.') ? { rewrite: 'www.shop' } : undefined);
  const { ask } = start({ upstreams: ['192.0.2.1'], dnssec: { validate: true }, local }, false, { onQuery });
  const isSecure = async (name: string, type = 'A'): Promise<boolean> => {
    const { flags, answers } = await ask(name, { dnssecOk: true, type });
    expect(answers).not.toHaveLength(0);
    return (flags & Flag.AD) !== 0;
  };
  expect(await isSecure('www.shop.')).toBe(true);
  expect(await isSecure('local.example.')).toBe(false);
  expect(await isSecure('local.example.')).toBe(false);
  expect(await isSecure('hook.example.')).toBe(false);
  expect(await isSecure('svc.shop.', `UNKNOWN_${Type.HTTPS}`)).toBe(false);
  expect(await isSecure('svc.shop.', `UNKNOWN_${Type.HTTPS}`)).toBe(false);
});
