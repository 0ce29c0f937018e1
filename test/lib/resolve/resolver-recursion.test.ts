// The slow path where a recursor stands behind it: stale RRsets, failures of our own, private addresses from upstreams.
import { afterEach, describe, expect, test } from 'vitest';
import { parseSocketAddress } from '../../../lib/base/address.js';
import { ShardnsError } from '../../../lib/base/errors.js';
import { silentLogger } from '../../../lib/base/log.js';
import { systemRandom } from '../../../lib/base/random.js';
import { Engine } from '../../../lib/cache/engine.js';
import { Rank } from '../../../lib/cache/rrset-cache.js';
import type { Hooks } from '../../../lib/resolve/hooks.js';
import { answerWithoutRecursion, resolveFor, staleRrsets } from '../../../lib/resolve/recursive-answers.js';
import { type Resolution, Resolver } from '../../../lib/resolve/resolver.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { exchangerOptionsOf } from '../../../lib/server/settings/upstreams.js';
import { resolverOptionsOf, tunablesOf } from '../../../lib/server/settings/compile.js';
import { Exchanger } from '../../../lib/upstream/exchange.js';
import { routesOf } from '../../../lib/upstream/route.js';
import { Upstream } from '../../../lib/upstream/upstream.js';
import { ExtendedError, Rcode, Type } from '../../../lib/wire/iana.js';
import { decodeMessage } from '../../../lib/wire/message.js';
import { encodeName } from '../../../lib/wire/name.js';
import { Query } from '../../../lib/wire/query.js';
import { response, smallInternet } from '../../support/fake-internet.js';
import { FakeTransport, type Handler } from '../../support/fake-transport.js';
import { makeQuery } from '../../support/messages.js';
import { setUpRecursor } from '../../support/recursor.js';

const engines: Engine[] = [];
afterEach(() => {
  for (const engine of engines.splice(0)) engine.close();
});

function build(
  parts: ReturnType<typeof setUpRecursor>,
  options: ServerOptions = {},
  handler: Handler = () => undefined,
  hooks: Hooks = {},
) {
  const settings = readOptions(options);
  const { clock } = parts;
  const engine = new Engine({ memoryBytes: 2 ** 20, shards: 1, policy: 's3fifo', averageEntryBytes: 184 });
  engines.push(engine);
  engine.configure(tunablesOf(settings));
  const transport = new FakeTransport(clock, handler);
  const exchanger = new Exchanger({
    routes: routesOf(transport, transport),
    clock,
    random: systemRandom,
    options: exchangerOptionsOf(settings),
  });
  const upstream = new Upstream(parseSocketAddress('192.0.2.53:53', 'test'), clock);
  const groups = new Map([['default', [upstream]]]);
  const resolver = new Resolver({
    engine,
    exchanger,
    clock,
    log: silentLogger,
    hooks,
    groups,
    options: resolverOptionsOf(settings),
  });
  const resolve = (name: string, shape = {}): Promise<Resolution> =>
    resolver.resolve(new Query(makeQuery(name, shape)), {
      protocol: 'udp',
      client: { address: '203.0.113.9', port: 1 },
    });
  let shifted = 0;
  const pass = async (ms: number): Promise<void> => {
    engine.native.shiftClock((shifted += ms));
    await parts.pass(ms);
  };
  return { ...parts, engine, resolver, resolve, pass };
}
const withRecursor = (parts: ReturnType<typeof setUpRecursor>) => {
  const built = build(parts);
  built.resolver.recursor = parts.recursor;
  return built;
};

describe('what no message has room for', () => {
  /** Ten aliases and an RRset, each with eight signatures of 1000 octets. */
  function tooMuch(parts: ReturnType<typeof setUpRecursor>): void {
    const signatures = Array.from({ length: 8 }, (_, i) => new Uint8Array(1000).fill(i + 1));
    const put = (name: string, type: number, data: Uint8Array): boolean =>
      parts.rrsets.put({ name: encodeName(name), type, ttl: 1, data: [data], signatures }, Rank.authoritative);
    for (let i = 0; i < 10; i++) put(`a${i}.example.com`, Type.CNAME, encodeName(`a${i + 1}.example.com`));
    put('a10.example.com', Type.A, Uint8Array.of(10, 0, 0, 1));
  }
  const query = (shape = {}): Query => new Query(makeQuery('a0.example.com', { dnssecOk: true, ...shape }));

  test('is a failure, and no mistake of ours', async () => {
    const parts = setUpRecursor();
    tooMuch(parts);
    expect(await resolveFor(query(), parts.recursor, { fresh: false })).toMatchObject({ kind: 'failure', ours: false });
    expect(answerWithoutRecursion(query({ recursionDesired: false }), parts.recursor)).toMatchObject({
      kind: 'error',
      rcode: Rcode.SERVFAIL,
    });
    const plain = await resolveFor(new Query(makeQuery('a0.example.com')), parts.recursor, { fresh: false });
    expect(plain.kind).toBe('answer');
  });
  test.each([
    ['a query without RD', { rd: false }],
    ['an ordinary one', {}],
  ])('is no stale answer to %s, which gets another', async (_what, shape) => {
    const parts = setUpRecursor();
    tooMuch(parts);
    const { resolve, pass, internet } = withRecursor(parts);
    for (const server of ['192.0.2.1', '192.0.2.2', '192.0.2.10']) internet.silent.add(server);
    await pass(2000);
    expect(staleRrsets(query(), parts.recursor, 30)).toBeUndefined();
    const waiting = resolve('a0.example.com', { dnssecOk: true, ...shape });
    for (let i = 0; i < 20; i++) await pass(500);
    expect((await waiting).kind).toBe('error');
  });
  test('nor does a closed cache throw out of a timer', () => {
    const parts = setUpRecursor();
    parts.rrsets.close();
    expect(staleRrsets(query(), parts.recursor, 30)).toBeUndefined();
  });
});

describe('expired RRsets', () => {
  /** `www.example.com` has expired, and no server answers any more. */
  async function expired(options: ServerOptions = {}, hooks: Hooks = {}) {
    const parts = setUpRecursor();
    parts.rrsets.put(
      { name: encodeName('www.example.com'), type: Type.A, ttl: 1, data: [Uint8Array.of(6, 6, 6, 6)], signatures: [] },
      Rank.authoritative,
    );
    const built = build(parts, options, undefined, hooks);
    built.resolver.recursor = parts.recursor;
    for (const server of ['192.0.2.1', '192.0.2.2', '192.0.2.10']) built.internet.silent.add(server);
    await built.pass(2000);
    const ask = async (shape = {}, tenant = 0): Promise<string> => {
      const message = makeQuery('www.example.com', shape);
      let resolution: Resolution | undefined;
      const asker = { protocol: 'udp', client: { address: '203.0.113.9', port: 1 }, tenant } as const;
      void built.resolver.resolve(new Query(message), asker).then(found => (resolution = found));
      for (let i = 0; i < 30 && resolution === undefined; i++) await built.pass(300);
      const length = built.resolver.finish(new Query(message), resolution!, true);
      const reply = built.engine.reply.slice(0, length);
      const answer = reply[7] > 0 ? [...reply.subarray(reply.length - 4)].join('.') : 'nothing';
      return `${Object.entries(Rcode).find(([, code]) => code === (reply[3] & 15))![0]} ${answer}`;
    };
    return { ...built, ask };
  }
  const zones = [{ name: 'example.com', kind: 'nxdomain' as const }];
  const plain = { rd: false };

  test('are shown at once to those who want no recursion, and in time to the others', async () => {
    const { ask } = await expired();
    expect(await ask(plain)).toBe('NOERROR 6.6.6.6');
    expect(await ask()).toBe('NOERROR 6.6.6.6');
  });
  test.each([
    ['without RD', plain],
    ['with RD', {}],
  ])('are no answer where local data has one: %s', async (_what, shape) => {
    const { ask } = await expired({ local: { zones } });
    expect(await ask(shape)).toBe('NXDOMAIN nothing');
  });
  test('are no answer to clients of a view that has another, full or not, and are to the others', async () => {
    const { ask, resolver } = await expired({ views: [{ name: 'v', clients: ['192.0.2.0/24'], local: { zones } }] });
    const tag = 1; // the first view's
    expect(await ask(plain, tag)).toBe('NXDOMAIN nothing');
    expect(await ask(plain, 0)).toBe('NOERROR 6.6.6.6');
    resolver.forget('all');
    resolver.options = { ...resolver.options, flights: { most: 0, room: 0, share: 0 } };
    expect(await ask({ cd: true }, tag)).toBe('SERVFAIL nothing');
    expect(await ask({ cd: true }, 0)).toBe('NOERROR 6.6.6.6');
  });
  test.each([
    ['at once', 0],
    ['later than stale answers are due', 2500],
  ])('are no answer to those whom the hook refuses %s', async (_what, delayMs) => {
    const setUp: { clock?: { after(ms: number, run: () => void): unknown } } = {};
    const built = await expired(
      {},
      {
        onQuery: () =>
          delayMs === 0
            ? { refuse: 'NXDOMAIN' }
            : new Promise(resolve => setUp.clock!.after(delayMs, () => resolve({ refuse: 'NXDOMAIN' }))),
      },
    );
    setUp.clock = built.clock;
    expect(await built.ask(plain)).toBe('NXDOMAIN nothing');
    expect(await built.ask({ dnssecOk: true })).toBe('NXDOMAIN nothing');
  });
  test('are shown to those whom the hook lets pass, also while the failure is fresh', async () => {
    let asked = 0;
    const { ask } = await expired({}, { onQuery: () => void asked++ });
    expect(await ask()).toBe('NOERROR 6.6.6.6');
    expect(await ask()).toBe('NOERROR 6.6.6.6');
    expect(asked).toBeGreaterThan(0);
  });
});

test('a failure of our own making is told to those who wait, and the next are not', async () => {
  const internet = smallInternet();
  let full = true;
  const parts = setUpRecursor({}, internet, (question, server, ms, cancel) =>
    full
      ? Promise.reject(new ShardnsError('ERR_SHARDNS_OVERLOAD', 'too many'))
      : internet.ask(question, server, ms, cancel),
  );
  const { resolve } = withRecursor(parts);
  expect(await resolve('www.example.com')).toMatchObject({ kind: 'error', rcode: Rcode.SERVFAIL });
  full = false;
  expect((await resolve('www.example.com')).kind).toBe('message');
});

test('an answer for another kind of client ends with the RRsets that it was made of', async () => {
  const parts = setUpRecursor();
  const { resolve, engine, pass } = withRecursor(parts);
  await resolve('www.example.com'); // 300 s
  await pass(296_500);
  const second = await resolve('www.example.com', { dnssecOk: true });
  if (second.kind !== 'message') throw new Error(second.kind);
  expect(decodeMessage(second.message).answers[0].ttl).toBe(3);
  const left = engine.peek(encodeName('www.example.com'), Type.A, { dnssecOk: true })!.remainingSeconds;
  expect(left).toBeGreaterThan(3);
  expect(left).toBeLessThanOrEqual(3.5);
});

describe('private addresses of upstreams (rebinding)', () => {
  const upstream =
    (answer: string): Handler =>
    query => {
      const { name, type, nameText } = new Query(query);
      const octets = Buffer.from(response(nameText, type, { aa: false, answer }));
      octets.set(query.subarray(0, 2));
      octets.set(name, 12);
      return octets;
    };
  const forwarded = (answer: string, options: ServerOptions['resolver'] = {}) =>
    build(setUpRecursor(), { resolver: { privateAddresses: ['10.0.0.0/8'], ...options } }, upstream(answer));
  const answers = (resolution: Resolution): number[][] =>
    resolution.kind === 'message' ? decodeMessage(resolution.message).answers.map(one => [...one.data]) : [];

  test('are taken out of answers, and are not cached', async () => {
    const { resolve, engine } = forwarded('www.example. A 10.0.0.5\nwww.example. A 192.0.2.5');
    expect(answers(await resolve('www.example'))).toEqual([[192, 0, 2, 5]]);
    const kept = engine.peek(encodeName('www.example'), Type.A, {})!;
    expect(decodeMessage(kept.message).answers.map(one => [...one.data])).toEqual([[192, 0, 2, 5]]);
  });
  test('are shown where the name may have them', async () => {
    const { resolve } = forwarded('www.corp.example. A 10.0.0.5', { privateDomains: ['corp.example'] });
    expect(answers(await resolve('www.corp.example'))).toEqual([[10, 0, 0, 5]]);
  });
  test('end in REFUSED where that is wanted', async () => {
    const { resolve } = forwarded('www.example. A 10.0.0.5', { privateAnswers: 'refuse' });
    expect(await resolve('www.example')).toMatchObject({
      kind: 'error',
      rcode: Rcode.REFUSED,
      extendedError: ExtendedError.blocked,
    });
  });
});
