// Whatever breaks one question is the end of that question only: it is answered SERVFAIL, counted and told.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Logger } from '../../../lib/base/log.js';
import type { Hooks, QueryDecision } from '../../../lib/resolve/hooks.js';
import type { Recursor } from '../../../lib/resolve/recurse/recursor.js';
import { isOurs, ShardnsError } from '../../../lib/base/errors.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { questionEnd } from '../../../lib/wire/message.js';
import { Query } from '../../../lib/wire/query.js';
import { settle } from '../../support/fake-clock.js';
import { answerA, makeQuery, makeResponse } from '../../support/messages.js';
import { slowPath } from '../../support/slow-path.js';

const unhandled = vi.fn();
beforeEach(() => {
  unhandled.mockClear();
  process.on('unhandledRejection', unhandled);
});
afterEach(async () => {
  await settle();
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

function recordingLog() {
  const lines: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  const line =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push({ level, fields: fields as Record<string, unknown>, message });
  const log: Logger = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  return { log, lines };
}
const broken = (): never => {
  throw new Error('broken');
};
const SERVFAIL = { kind: 'error', rcode: 2 };
const record = (name: string, type = 'A') => ({ name, type, ttl: 60, data: type === 'A' ? '192.0.2.9' : 'x' });

test.each<[string, () => unknown]>([
  ['throws', broken],
  ['throws nothing at all', () => Promise.reject(undefined as unknown as Error)],
  ['returns a promise that is rejected', () => Promise.reject(new Error('broken'))],
  [
    'returns a thenable that calls back with an error',
    () => ({ then: (_: unknown, no: (e: unknown) => void) => no(1) }),
  ],
  ['returns a thenable that throws', () => ({ then: broken })],
  ['returns a number', () => 7],
  ['refuses with no rcode that there is', () => ({ refuse: NaN })],
  ['refuses with an rcode that has no room in a header', () => ({ refuse: 'BADVERS' })],
  ['answers with an rcode that there is not', () => ({ answer: [], rcode: 'toString' })],
  ['answers with what is no list', () => ({ answer: 'x' })],
  ['answers with what is no record', () => ({ answer: [null] })],
  ['answers with a record of no type', () => ({ answer: [{ name: 'a.example', type: 'NONSENSE', ttl: 1, data: '' }] })],
  [
    'answers with a TTL that is none',
    () => ({ answer: [{ name: 'a.example', type: 'A', ttl: NaN, data: '1.2.3.4' }] }),
  ],
  ['rewrites to what is no name', () => ({ rewrite: 'a..b' })],
  ['names a group that there is not', () => ({ group: 'nowhere' })],
  ['spells a word wrong', () => ({ refues: 'NXDOMAIN' })],
  ['promises what has a word spelt wrong', () => Promise.resolve({ answr: [] })],
  ['decides two things at once', () => ({ group: 'other', refuse: 'NXDOMAIN' })],
  ['gives the rcode of no answer', () => ({ rcode: 'NXDOMAIN' })],
  ['says of no answer that it is not cached', () => ({ cache: false })],
  ['says with a word whether to cache', () => ({ answer: [], cache: 'no' })],
  ['answers with a record of another name', () => ({ answer: [record('other.example')] })],
  ['answers with a record of another name, of another type', () => ({ answer: [record('other.example', 'TXT')] })],
  ['answers with a record below the name', () => ({ answer: [record('x.a.example')] })],
  ['gives a tenant where there are none', () => ({ tenant: 3 })],
])('an onQuery that %s is a mistake that is told', async (_, onQuery) => {
  const { log, lines } = recordingLog();
  const t = slowPath(query => answerA(query), {}, { onQuery: onQuery as Hooks['onQuery'] }, { log });
  expect(await t.resolve('a.example')).toMatchObject(SERVFAIL);
  expect(t.resolver.mistakes).toBe(1);
  expect(lines.filter(one => one.level === 'error')).toHaveLength(1);
  expect(t.resolver.inFlight).toBe(0);
  expect(t.udp.asked).toHaveLength(0);
});

test('an answer whose records cannot be sent is SERVFAIL to the client', async () => {
  const data = Uint8Array.of(1, 2, 3);
  const t = slowPath(broken, {}, { onQuery: ({ name }) => ({ answer: [{ name, type: 'A', ttl: 60, data }] }) });
  expect(await t.told('a.example')).toMatchObject({ rcode: 2, data: [] });
});

test.each<[string, () => unknown]>([
  ['throws', broken],
  ['returns a promise that is rejected', () => Promise.reject(new Error('broken'))],
  ['returns a promise', () => Promise.resolve('drop')],
])('an onResponse that %s leaves the answer served and not stored', async (_, onResponse) => {
  const t = slowPath(query => answerA(query), {}, { onResponse: onResponse as Hooks['onResponse'] });
  expect(await t.told('a.example')).toMatchObject({ rcode: 0, data: ['192.0.2.1'] });
  expect(t.engine.stats().entries).toBe(0);
  await settle();
  expect(t.resolver.mistakes).toBeGreaterThan(0);
});

describe('what throws in place of', () => {
  test('engine.answer', async () => {
    const t = slowPath(query => answerA(query));
    vi.spyOn(t.engine, 'answer').mockImplementation(broken);
    expect(await t.resolve('a.example')).toMatchObject(SERVFAIL);
  });

  test('an insertion, when a response comes', async () => {
    const t = slowPath(query => answerA(query));
    vi.spyOn(t.engine, 'insert').mockImplementation(broken);
    const asked = t.resolve('a.example');
    await t.advance(6000);
    expect(await asked).toMatchObject(SERVFAIL);
    expect(t.resolver.inFlight).toBe(0);
  });

  test('engine.finish, when the reply is made', async () => {
    const t = slowPath(query => answerA(query));
    vi.spyOn(t.engine, 'finish').mockImplementation(broken);
    expect(await t.told('a.example')).toMatchObject({ rcode: 2 });
  });

  test('the exchanger', async () => {
    const t = slowPath(query => answerA(query));
    vi.spyOn(t.exchanger, 'race').mockImplementation(broken);
    expect(await t.resolve('a.example')).toMatchObject(SERVFAIL);
    vi.restoreAllMocks();
    expect((await t.told('a.example')).data).toEqual(['192.0.2.1']); // nothing is remembered against the name
  });

  test.each(['serves', 'resolve'] as const)('the recursor: %s', async method => {
    const t = slowPath(query => answerA(query));
    const recursor = { serves: () => true, resolve: broken, known: { chain: broken } };
    t.resolver.recursor = { ...recursor, [method]: broken } as unknown as Recursor;
    expect(await t.resolve('a.example')).toMatchObject(SERVFAIL);
    expect(await t.resolve('a.example', { rd: false })).toMatchObject(SERVFAIL);
    expect(t.resolver.prefetch(new Query(makeQuery('a.example')))).toBe(true);
    await settle();
    expect(t.resolver.inFlight).toBe(0);
  });

  test('the clock, when a stale answer is to be waited for', async () => {
    let down = false;
    const t = slowPath(query => (down ? makeResponse(query, { rcode: 2 }) : answerA(query, 60)));
    await t.resolve('a.example');
    down = true;
    await t.advance(61_000);
    const { after } = t.clock;
    vi.spyOn(t.clock, 'after').mockImplementation((delay, run) =>
      delay === 1800 ? broken() : after.call(t.clock, delay, run),
    );
    expect((await t.told('a.example')).data).toEqual(['192.0.2.1']);
  });

  test('the log', async () => {
    const log = { debug: broken, info: broken, warn: broken, error: broken };
    const t = slowPath(query => makeResponse(query, { rcode: 2 }), {}, { onQuery: broken }, { log });
    expect(await t.resolve('a.example')).toMatchObject(SERVFAIL);
    const plain = slowPath(query => makeResponse(query, { rcode: 5 }), {}, {}, { log });
    expect(await plain.resolve('a.example')).toMatchObject({ kind: 'error', rcode: 5 });
  });

  test('a cache that its owner has closed, when a failed refresh may be tried again', async () => {
    const t = slowPath(query => makeResponse(query, { rcode: 2 }));
    t.resolver.prefetch(new Query(makeQuery('a.example')));
    await settle();
    t.engine.close();
    await t.advance(31_000).catch((error: unknown) => {
      // The test's own clock shift; timers run all the same.
      expect(String(error)).toMatch(/closed/);
    });
    await t.clock.advance(31_000);
    expect(t.resolver.mistakes).toBe(1);
  });
});

test('expired RRsets that cannot be put together are no stale answer, early, late or at the bound', async () => {
  const t = slowPath(() => undefined, { upstream: { maxTotal: 1 } });
  let known: () => unknown = () => undefined;
  t.resolver.recursor = {
    serves: () => true,
    resolve: () => new Promise(() => {}),
    known: { chain: () => known(), referral: () => undefined },
  } as unknown as Recursor;
  known = broken;
  expect(await t.resolve('a.example', { rd: false })).toMatchObject(SERVFAIL);
  void t.resolve('a.example');
  await t.advance(2000);
  expect(await t.resolve('b.example')).toMatchObject(SERVFAIL);
  expect(t.resolver.stats.overloaded).toBe(1);
});

test('a stranger cannot write stack traces without end', async () => {
  const { log, lines } = recordingLog();
  const t = slowPath(query => answerA(query), {}, { onQuery: broken }, { log });
  for (let i = 0; i < 100; i++) await t.resolve(`n${i}.example`);
  expect(lines.filter(one => one.fields.err !== undefined)).toHaveLength(1);
  expect(t.resolver.mistakes).toBe(100);
  await t.advance(10_000);
  await t.resolve('later.example');
  expect(lines.filter(one => one.fields.err !== undefined)).toHaveLength(2);
});

test('a mistake is no reason to hide a stale answer, nor to leave the name alone', async () => {
  let decide: () => QueryDecision | undefined = () => undefined;
  const t = slowPath(query => answerA(query, 60), {}, { onQuery: () => decide() });
  await t.resolve('a.example');
  await t.advance(61_000);
  decide = broken;
  expect(await t.told('a.example')).toMatchObject({ rcode: 0, data: ['192.0.2.1'] });
  decide = () => undefined;
  await t.resolve('a.example');
  expect(t.udp.asked).toHaveLength(2);
});

test('whose failure it is: bounds, mistakes and the machine are ours, silence and refusals are theirs', () => {
  const system = (code: string): Error => Object.assign(new Error(code), { code });
  expect(isOurs(new ShardnsError('ERR_SHARDNS_OVERLOAD', ''))).toBe(true);
  expect(isOurs(new ShardnsError('ERR_SHARDNS_CLOSED', ''))).toBe(true);
  expect(isOurs(new TypeError('a mistake'))).toBe(true);
  expect(isOurs(new ShardnsError('ERR_SHARDNS_UPSTREAM', '', { cause: system('EMFILE') }))).toBe(true);
  expect(isOurs(new ShardnsError('ERR_SHARDNS_UPSTREAM', '', { cause: system('ECONNREFUSED') }))).toBe(false);
  expect(isOurs(new ShardnsError('ERR_SHARDNS_TIMEOUT', ''))).toBe(false);
  expect(isOurs(Object.assign(new ShardnsError('ERR_SHARDNS_UPSTREAM', ''), { ours: true }))).toBe(true);
});

test('what fails for want of our own room is asked again at once', async () => {
  const t = slowPath(query => answerA(query));
  const { race } = t.exchanger;
  t.exchanger.race = one => one.lost(new ShardnsError('ERR_SHARDNS_OVERLOAD', 'full'));
  expect(await t.resolve('a.example')).toMatchObject(SERVFAIL);
  expect(t.resolver.stats.ownFailures).toBe(1);
  t.exchanger.race = race;
  expect((await t.told('a.example')).data).toEqual(['192.0.2.1']);
});

test.each<[string, ServerOptions, number]>([
  ['hints are taken out', { local: { zones: [{ name: 'example', kind: 'blockA' }] } }, 65],
  ['private addresses are taken out', { resolver: { privateAddresses: ['10.0.0.0/8'] } }, 1],
])(
  'where %s, a response that cannot be read, or of too many records, is no mistake of ours',
  async (_, options, type) => {
    const records = (query: Uint8Array, count: number, data: number[]): Buffer => {
      const record = Buffer.from([0xc0, 12, type >> 8, type & 255, 0, 1, 0, 0, 0, 60, 0, data.length, ...data]);
      const head = Buffer.from(query.subarray(0, questionEnd(query)));
      head[2] |= 0x80;
      head.writeUInt16BE(count, 6);
      head.writeUInt16BE(0, 10);
      return Buffer.concat([head, ...Array<Buffer>(count).fill(record)]);
    };
    const good = type === 1 ? [192, 0, 2, 1] : [0, 1, 0];
    for (const bad of [(query: Buffer) => records(query, 1, [1]), (query: Buffer) => records(query, 501, good)]) {
      const t = slowPath(
        (query, server) => (server.startsWith('192.0.2.1:') ? bad(query) : records(query, 1, good)),
        options,
        {},
        { servers: ['192.0.2.1:53', '192.0.2.2:53'] },
      );
      t.upstreams[1].succeeded(3000); // the other one is asked first, but for one query in 64
      const message = makeQuery('a.example');
      message.writeUInt16BE(type, message.length - 4);
      for (let i = 0; i < 8; i++) {
        t.engine.invalidate('all');
        const told = t.ask(message);
        await t.advance(3000);
        expect((await told).kind).toBe('message');
      }
      expect(t.resolver.mistakes).toBe(0);
      expect(t.upstreams[0].stats.failures).toBeGreaterThan(0);
    }
  },
);
