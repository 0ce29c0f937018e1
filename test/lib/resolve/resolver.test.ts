// The slow path on a fake clock and a fake network.
import { expect, test } from 'vitest';
import type { Hooks, ResponseInfo } from '../../../lib/resolve/hooks.js';
import type { Resolution } from '../../../lib/resolve/resolver.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeMessage } from '../../../lib/wire/message.js';
import { encodeName } from '../../../lib/wire/name.js';
import { Query } from '../../../lib/wire/query.js';
import { encodeRdata } from '../../../lib/wire/rdata.js';
import { findOption } from '../../../lib/wire/opt.js';
import { settle } from '../../support/fake-clock.js';
import type { Handler } from '../../support/fake-transport.js';
import { answerA, decode, makeQuery, makeResponse, rcodeOf, soa } from '../../support/messages.js';
import { slowPath } from '../../support/slow-path.js';

const build = (handler: Handler, options: ServerOptions = {}, hooks: Hooks = {}, servers?: string[]) =>
  slowPath(handler, options, hooks, { servers });

test('ten thousand askers of one missing name cause one upstream query', async () => {
  const t = build(query => answerA(query));
  const all = await Promise.all(Array.from({ length: 10_000 }, () => t.resolve('stampede.example')));
  expect(all.every(one => one.kind === 'message')).toBe(true);
  expect(t.udp.asked).toHaveLength(1);
  expect(t.resolver.stats.coalesced).toBe(9999);
  expect(t.resolver.inFlight).toBe(0);
});

test('the table of flights is bounded; beyond it SERVFAIL at once', async () => {
  const t = build(() => undefined, { upstream: { maxTotal: 10 }, missRing: { clientShare: 1 } });
  for (let i = 0; i < 10; i++) void t.resolve(`n${i}.example`);
  expect(await t.resolve('one-more.example')).toMatchObject({ kind: 'error', rcode: 2 });
  expect(t.resolver.stats.overloaded).toBe(1);
});

test('what the upstreams say of a question that they will not answer is passed on', async () => {
  const rcodes: Record<string, number> = {
    'odd.example.': 1,
    'broken.example.': 2,
    'new.example.': 4,
    'no.example.': 5,
    'not-mine.example.': 9,
  };
  const t = build(query => makeResponse(query, { rcode: rcodes[new Query(query).nameText] }));
  for (const [name, rcode] of Object.entries(rcodes)) {
    expect(await t.resolve(name)).toMatchObject({ kind: 'error', rcode });
  }
});

test('extended rcodes are read with their OPT (RFC 6891 section 6.1.3): BADVERS is no answer', async () => {
  const t = build(query =>
    Buffer.concat([
      // With an answer of one record, and an OPT whose upper rcode bits are 1.
      ((octets: Buffer) => (octets.writeUInt16BE(1, 10), octets))(answerA(query)),
      Buffer.from([0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0]),
    ]),
  );
  expect(await t.resolve('a.example')).toMatchObject({ kind: 'error', rcode: 2 });
});

test('YXDOMAIN comes with the DNAME that makes the name too long (RFC 6672 section 2.2), and is asked for anew', async () => {
  const t = build(query =>
    makeResponse(query, { rcode: 6, answers: [{ type: 'DNAME', name: 'example', data: 'long.test' }] }),
  );
  for (let i = 0; i < 2; i++) {
    const resolution = await t.resolve('a.example');
    expect(resolution.kind).toBe('message');
    if (resolution.kind !== 'message') return;
    expect(rcodeOf(resolution.message)).toBe(6);
    expect(decode(resolution.message).answers).toHaveLength(1);
  }
  expect(t.udp.asked).toHaveLength(2);
});

test('a record that comes twice goes out once (RFC 2181 section 5), and octets behind the last not at all', async () => {
  const t = build(query => {
    const { questions } = decode(query);
    const a = (data: string, ttl: number) => ({ type: 'A' as const, name: questions![0].name, data, ttl });
    const octets = makeResponse(query, { answers: [a('192.0.2.1', 60), a('192.0.2.2', 60), a('192.0.2.1', 50)] });
    return Buffer.concat([octets, Buffer.alloc(7, 0xab)]);
  });
  await t.resolve('twice.example');
  const query = new Query(makeQuery('twice.example'));
  const length = t.resolver.finish(query, await t.resolve('twice.example'), true);
  expect(decode(t.engine.reply.slice(0, length)).answers).toMatchObject([
    { data: '192.0.2.1', ttl: 50 },
    { data: '192.0.2.2', ttl: 50 },
  ]);
  expect(length).toBe(12 + 15 + 4 + 2 * 16);
  expect(t.udp.asked).toHaveLength(1);
});

test('a name compressed where no sender may is expanded before others get it (RFC 3597 section 4)', async () => {
  const pointer = [0xc0, 12];
  const t = build(query => {
    const { name } = new Query(query);
    const data = [0, 1, 0, 2, 1, 0x75, 0, 0, ...pointer];
    return Buffer.from([
      ...query.subarray(0, 2),
      ...[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0],
      ...query.subarray(12, 12 + name.length + 4),
      ...[...pointer, 0, Type.NAPTR, 0, 1, 0, 0, 1, 44, 0, data.length, ...data],
    ]);
  });
  const resolution = await t.resolve('n.example', { type: 'NAPTR' });
  expect(resolution.kind).toBe('message');
  if (resolution.kind !== 'message') return;
  expect(Buffer.from(resolution.message).toString('latin1').toLowerCase().endsWith('\x01n\x07example\0')).toBe(true);
});

test('an answer with signatures serves those who did not ask for them, without; signatures themselves it does not', async () => {
  const record = (type: number, data: string) => ({
    name: encodeName('signed.example'),
    type,
    dnsClass: 1,
    ttl: 300,
    data: encodeRdata(type, data, '.'),
  });
  const signature = 'A 13 2 300 20500101000000 20200101000000 1 example. AAAA';
  const t = build(query => {
    const { name, type } = new Query(query);
    const answers = [record(Type.A, '192.0.2.1'), record(Type.RRSIG, signature)].filter(
      one => type === Type.A || one.type === type,
    );
    const octets = encodeMessage({
      id: 0,
      flags: 0x8180,
      question: { name, type, dnsClass: 1 },
      answers,
      authorities: [],
      additionals: [],
    })!;
    octets.set(query.subarray(0, 2));
    return Buffer.from(octets);
  });
  await t.resolve('signed.example', { dnssecOk: true });
  expect(await t.resolve('signed.example')).toMatchObject({ kind: 'cached' });
  expect(t.udp.asked).toHaveLength(1);
  const length = t.engine.answer(makeQuery('signed.example'));
  expect(decode(t.engine.reply.subarray(0, length)).answers).toHaveLength(1);
  await t.resolve('signed.example', { type: 'RRSIG', dnssecOk: true });
  await t.resolve('signed.example', { type: 'RRSIG' });
  expect(t.udp.asked).toHaveLength(3);
});

test('who wants to know of validation is told without it where nobody can say', async () => {
  let down = false;
  const t = build(query => (down ? undefined : answerA(query)), { upstream: { deadlineMs: 3000 } });
  await t.resolve('plain.example');
  down = true;
  const outcome = t.resolve('plain.example', { ad: true });
  await t.advance(4000);
  expect(await outcome).toMatchObject({ kind: 'cached' });
  expect(t.udp.asked.length).toBeGreaterThan(1);
});

test('silence ends in SERVFAIL within the deadline', async () => {
  const t = build(() => undefined, { upstream: { deadlineMs: 3000 } });
  let outcome: Resolution | undefined;
  void t.resolve('silent.example').then(resolution => {
    outcome = resolution;
  });
  await t.advance(2900);
  expect(outcome).toBeUndefined();
  await t.advance(101);
  expect(outcome).toMatchObject({ kind: 'error', rcode: 2, extendedError: 22 });
});

test('a late upstream: the stale answer after 1.8 s, the fresh one into the cache afterwards (RFC 8767 section 5)', async () => {
  let late = false;
  const t = build(query => {
    if (!late) return answerA(query, 60);
    return new Promise(resolve => t.clock.after(2500, () => resolve(answerA(query, 60, '192.0.2.99'))));
  });
  t.upstreams[0].succeeded(900); // a server known to be slow is given the time
  await t.resolve('a.example');
  late = true;
  await t.advance(61_000);
  let outcome: Resolution | undefined;
  void t.resolve('a.example').then(resolution => {
    outcome = resolution;
  });
  await t.advance(1790);
  expect(outcome).toBeUndefined();
  await t.advance(20);
  expect(outcome).toEqual({ kind: 'cached', tenant: 0 });
  await t.advance(3000);
  const length = t.engine.answer(makeQuery('a.example'));
  expect(decode(t.engine.reply.slice(0, length)).answers![0]).toMatchObject({ data: '192.0.2.99' });
});

test('failures back off: 5 s, 10 s, 20 s ... and success forgets them (RFC 9520 section 3.2)', async () => {
  let broken = true;
  const t = build(query => (broken ? makeResponse(query, { rcode: 2 }) : answerA(query)));
  const askedAfter = async (ms: number): Promise<number> => {
    const before = t.udp.asked.length;
    await t.advance(ms);
    await t.resolve('a.example');
    return t.udp.asked.length - before;
  };
  expect(await askedAfter(0)).toBe(1);
  expect(await askedAfter(4000)).toBe(0);
  expect(await askedAfter(1100)).toBe(1);
  expect(await askedAfter(9000)).toBe(0);
  expect(await askedAfter(1100)).toBe(1);
  broken = false;
  await t.advance(20_100);
  expect(await t.resolve('a.example')).toMatchObject({ kind: 'message' });
});

test('a bogus first server does not matter when another answers', async () => {
  const t = build(
    (query, server) => (server === '192.0.2.1:53' ? makeResponse(query, { rcode: 2 }) : answerA(query)),
    {},
    {},
    ['192.0.2.1:53', '192.0.2.2:53'],
  );
  for (let i = 0; i < 5; i++) expect(await t.resolve(`n${i}.example`)).toMatchObject({ kind: 'message' });
});

test('the prefetch rate is bounded', async () => {
  const t = build(query => answerA(query), { prefetch: { maxPerSecond: 3 } });
  const started = Array.from({ length: 10 }, (_, i) => t.resolver.prefetch(new Query(makeQuery(`p${i}.example`))));
  expect(started.filter(Boolean)).toHaveLength(3);
  await t.advance(1000);
  expect(t.resolver.prefetch(new Query(makeQuery('later.example')))).toBe(true);
});

test('RD=0 queries go upstream as they are and are not stored', async () => {
  const t = build(query => answerA(query));
  await t.resolve('a.example', { rd: false });
  expect(t.udp.asked[0].query[2] & 1).toBe(0);
  expect(t.engine.answer(makeQuery('a.example'))).toBeLessThan(0);
});

test('built-in zones answer without an upstream (RFC 6303, 6761, 7686)', async () => {
  const t = build(() => {
    throw new Error('asked');
  });
  const answer = async (name: string, type = 'A') => {
    const resolution = await t.resolve(name, { type });
    if (resolution.kind !== 'message') throw new Error(resolution.kind);
    return {
      rcode: rcodeOf(resolution.message),
      data: decode(resolution.message).answers!.map(one => (one as { data: unknown }).data),
    };
  };
  expect(await answer('localhost')).toEqual({ rcode: 0, data: ['127.0.0.1'] });
  expect(await answer('a.LOCALHOST', 'AAAA')).toEqual({ rcode: 0, data: ['::1'] });
  expect(await answer('1.0.0.127.in-addr.arpa', 'PTR')).toEqual({ rcode: 0, data: ['localhost'] });
  expect(await answer('7.1.168.192.in-addr.arpa', 'PTR')).toEqual({ rcode: 3, data: [] });
  expect(await answer('facebookcorewwwi.onion')).toEqual({ rcode: 3, data: [] });
  expect(await answer('x.invalid')).toEqual({ rcode: 3, data: [] });
  expect(t.udp.asked).toHaveLength(0);
});

test('onQuery answers with records of any type, as zone files write them', async () => {
  const answers: Record<string, { type: 'CAA' | 'SSHFP' | 'NAPTR'; data: string }> = {
    'caa.example.': { type: 'CAA', data: '0 issue "ca.example"' },
    'sshfp.example.': { type: 'SSHFP', data: '4 2 0A0B' },
    'naptr.example.': { type: 'NAPTR', data: '1 2 "s" "SIP+D2U" "" _sip._udp.example.' },
  };
  const t = build(
    () => undefined,
    {},
    {
      onQuery: ({ name }) => ({ answer: [{ name, ttl: 60, ...answers[name] }] }),
    },
  );
  for (const [name, { type, data }] of Object.entries(answers)) {
    const resolution = await t.resolve(name.slice(0, -1), { type });
    expect(resolution.kind).toBe('message');
    const { message } = resolution as { message: Uint8Array };
    expect(Buffer.from(message).includes(Buffer.from(encodeRdata(Type[type], data)))).toBe(true);
    expect(t.engine.insert(message, {}, 0)).toBe(60); // the native border takes it
  }
});

test('onQuery can answer, refuse, rewrite and route', async () => {
  const t = build(
    (query, server) => answerA(query, 60, server.startsWith('198.51.100') ? '198.51.100.7' : '192.0.2.7'),
    {},
    {
      onQuery: query => {
        if (query.name === 'own.example.')
          return { answer: [{ name: 'own.example', type: 'A', ttl: 60, data: '10.9.8.7' }] };
        if (query.name === 'ads.example.') return { refuse: 'REFUSED' };
        if (query.name === 'old.example.') return { rewrite: 'new.example' };
        if (query.name === 'corp.example.') return { group: 'other' };
        return undefined;
      },
    },
  );
  const records = async (name: string) => {
    const resolution = await t.resolve(name);
    return resolution.kind === 'message'
      ? decode(resolution.message).answers!.map(
          one => `${one.name} ${one.type} ${String((one as { data: unknown }).data)}`,
        )
      : resolution;
  };
  expect(await records('own.example')).toEqual(['own.example A 10.9.8.7']);
  expect(await records('ads.example')).toMatchObject({ kind: 'error', rcode: 5 });
  expect(await records('old.example')).toEqual([
    'old.example CNAME new.example',
    expect.stringMatching(/^new.example A 192.0.2.7$/i),
  ]);
  expect(await records('corp.example')).toEqual(['corp.example A 198.51.100.7']);
  expect(await records('own.example')).toEqual({ kind: 'cached', tenant: 0 });
});

test('a hook that throws is SERVFAIL, not a crash', async () => {
  const t = build(
    query => answerA(query),
    {},
    {
      onQuery: () => {
        throw new Error('a mistake');
      },
    },
  );
  expect(await t.resolve('a.example')).toMatchObject({ kind: 'error', rcode: 2 });
});

test('an onResponse that throws leaves the answer served, not stored, and the process alive', async () => {
  const t = build(
    query => answerA(query),
    {},
    {
      onResponse: () => {
        throw new Error('a mistake');
      },
    },
  );
  expect(await t.resolve('a.example')).toMatchObject({ kind: 'message' });
  expect(t.engine.stats().entries).toBe(0);
});

test('onResponse is told what came from where', async () => {
  const seen: ResponseInfo[] = [];
  const onResponse = (response: ResponseInfo): undefined => void seen.push(response);
  const t = build(query => answerA(query), {}, { onResponse });
  await t.resolve('A.example');
  expect(seen).toHaveLength(1);
  expect(seen[0]).toMatchObject({
    name: 'a.example.',
    type: 'A',
    rcode: 0,
    upstream: '192.0.2.1:53',
    client: { address: '203.0.113.9' },
  });
});

test('onResponse can keep a response out of the cache', async () => {
  const t = build(query => answerA(query), {}, { onResponse: () => 'drop' });
  expect(await t.resolve('a.example')).toMatchObject({ kind: 'message' });
  expect(t.engine.stats().entries).toBe(0);
});

test('the client subnet is forwarded where configured, keyed by scope, and dropped on mismatch (RFC 7871 section 7.3)', async () => {
  let scope = 16;
  let lie = false;
  const t = build(
    query => {
      const response = answerA(query);
      const option = Buffer.from([0, 8, 0, 7, 0, 1, 24, scope, lie ? 9 : 198, 51, 100]);
      const opt = Buffer.concat([Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, option.length]), option]);
      response.writeUInt16BE(1, 10);
      return Buffer.concat([response, opt]);
    },
    { upstream: { clientSubnet: 'forward', deadlineMs: 500 } },
  );
  const from = (subnet: string) => ({ options: [{ code: 8, data: Buffer.from(subnet, 'hex') }] });
  await t.resolve('geo.example', from('00011800c63364'));
  expect(Buffer.from(findOption(t.udp.asked[0].query, 8)!).toString('hex')).toBe('00011800c63364');
  expect(t.engine.answer(makeQuery('geo.example', from('00011800c63399')))).toBeGreaterThan(0); // the same /16
  expect(t.engine.answer(makeQuery('geo.example', from('00011800c63499')))).toBeLessThan(0);
  scope = 0;
  await t.resolve('all.example', from('00011800c63364'));
  expect(t.engine.answer(makeQuery('all.example'))).toBeGreaterThan(0); // scope 0: for everybody
  lie = true;
  const lied = t.resolve('lie.example', from('00011800c63364'));
  await t.advance(600);
  expect(await lied).toMatchObject({ kind: 'error', rcode: 2 });
});

test('NXDOMAIN replaces an expired positive answer (RFC 8767 section 4)', async () => {
  let gone = false;
  const t = build(query =>
    gone ? makeResponse(query, { rcode: 3, authorities: [soa('example')] }) : answerA(query, 60),
  );
  await t.resolve('a.example');
  gone = true;
  await t.advance(61_000);
  expect(await t.resolve('a.example')).toMatchObject({ kind: 'message' });
  const length = t.engine.answer(makeQuery('a.example'));
  expect(t.engine.reply[3] & 15).toBe(3);
  expect(length).toBeGreaterThan(0);
  await settle();
});
