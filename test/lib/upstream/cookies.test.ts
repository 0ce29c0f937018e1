// DNS cookies toward servers (RFC 7873 section 5.3): what is sent, what is believed, and that no server that works fails.
import { expect, test } from 'vitest';
import type { Handler } from '../../support/fake-transport.js';
import { buildExchanger, refusing } from '../../support/exchanger.js';
import { decode, makeQuery, makeResponse } from '../../support/messages.js';
import { findOption, OptionCode } from '../../../lib/wire/opt.js';

const cookieIn = (query: Uint8Array): Buffer | undefined => {
  const found = findOption(query, OptionCode.cookie);
  return found && Buffer.from(found);
};
interface Said {
  rcode?: number;
  cookie?: Buffer;
  address?: string;
}
/** With an OPT, and a cookie in it where one is given. */
function say(query: Buffer, { rcode = 0, cookie, address = '192.0.2.7' }: Said = {}): Buffer {
  const { name } = decode(query).questions![0];
  return makeResponse(query, {
    rcode: rcode & 15,
    answers: rcode === 0 ? [{ type: 'A', name, ttl: 60, data: address }] : [],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1232,
        flags: 0,
        extendedRcode: rcode >> 4,
        ednsVersion: 0,
        flag_do: false,
        options: cookie === undefined ? [] : [{ code: 10, data: cookie }],
      } as never,
    ],
  });
}
const SERVERS_PART = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
const whole = (query: Buffer, part = SERVERS_PART): Buffer => Buffer.concat([cookieIn(query)!.subarray(0, 8), part]);
const good: Handler = query => say(query, cookieIn(query) && { cookie: whole(query) });

function start(handler: Handler, tcp?: Handler, servers = ['192.0.2.1']) {
  const t = buildExchanger(handler, servers, { cookies: 'always', hedge: false }, tcp);
  const ask = async (name = 'a.example') => {
    const { response } = await t.exchange(name);
    return (decode(response).answers![0] as { data?: unknown }).data;
  };
  return { ...t, ask, sent: () => t.udp.asked.map(one => cookieIn(one.query)) };
}

test('eight octets go out, and from then on what the server has made of them', async () => {
  const t = start(good);
  for (const name of ['a.example', 'b.example']) expect(await t.ask(name)).toBe('192.0.2.7');
  const [first, second] = t.sent();
  expect(first).toHaveLength(8);
  expect(second).toEqual(Buffer.concat([first!, SERVERS_PART]));
  expect([t.udp.asked.length, t.tcp.asked.length, t.exchanger.foreignCookies]).toEqual([2, 0, 0]);
});

test('each server has a cookie of its own, drawn anew after a day; servers over TCP alone have none', async () => {
  const t = start(good, good, ['192.0.2.1', '192.0.2.2', 'tcp://192.0.2.3']);
  for (const upstream of t.upstreams)
    await t.exchanger.exchange(makeQuery('a.example', { edns: true }), [upstream], () => true);
  const [one, other] = t.sent();
  expect(one).not.toEqual(other);
  expect(t.tcp.asked.map(({ query }) => cookieIn(query))).toEqual([undefined]);
  await t.clock.advance(86_400_000);
  await t.exchanger.exchange(makeQuery('b.example', { edns: true }), [t.upstreams[0]], () => true);
  expect(t.sent()[2]!.subarray(0, 8)).not.toEqual(one);
});

test('with `public`, servers on this machine and in private networks are sent none, and with `never` nobody is', async () => {
  for (const [cookies, servers, length] of [
    ['public', '10.0.0.1', undefined],
    ['public', '9.9.9.9', 8],
    ['never', '9.9.9.9', undefined],
  ] as const) {
    const t = buildExchanger(good, [servers], { cookies });
    await t.exchange();
    expect(cookieIn(t.udp.asked[0].query)?.length).toBe(length);
  }
});

test('queries without EDNS have none', async () => {
  const t = start(good);
  await t.exchange('a.example', { edns: false });
  expect(t.sent()).toEqual([undefined]);
});

test.each<[string, (query: Buffer) => Buffer | undefined]>([
  ['without a cookie', () => undefined],
  ["with another client's", query => Buffer.from(whole(query)).fill(0xff, 0, 8)],
  ['with one of a length that there is not', query => whole(query).subarray(0, 12)],
])('once a server has shown cookies, a response %s is not believed: it is asked over TCP', async (_, cookieOf) => {
  let forged = false;
  const t = start(
    query => (forged ? say(query, { cookie: cookieOf(query), address: '192.0.2.66' }) : good(query, '', {})),
    good,
  );
  await t.ask('a.example');
  forged = true;
  expect(await t.ask('b.example')).toBe('192.0.2.7');
  expect([t.exchanger.foreignCookies, t.tcp.asked.length]).toEqual([1, 1]);
});

test('a server that says over TCP that it knows cookies no more is believed', async () => {
  let old = true;
  const handler: Handler = query => (old ? good(query, '', {}) : say(query));
  const t = start(handler);
  await t.ask('a.example');
  old = false;
  for (const name of ['b.example', 'c.example', 'd.example']) expect(await t.ask(name)).toBe('192.0.2.7');
  expect([t.exchanger.foreignCookies, t.tcp.asked.length]).toEqual([1, 1]);
});

test('where there is no TCP, a server that has lost its cookies is believed all the same', async () => {
  let old = true;
  const t = start(query => (old ? good(query, '', {}) : say(query)), refusing);
  await t.ask('a.example');
  old = false;
  for (const name of ['b.example', 'c.example']) expect(await t.ask(name)).toBe('192.0.2.7');
});

test('BADCOOKIE: it is asked again with the cookie that came along, and then over TCP (RFC 7873 section 5.3)', async () => {
  let strict = true;
  const t = start(
    query => {
      const known = cookieIn(query)!.length > 8;
      return known && strict ? good(query, '', {}) : say(query, { rcode: 23, cookie: whole(query) });
    },
    query => say(query),
  );
  expect(await t.ask('a.example')).toBe('192.0.2.7');
  expect(t.sent().map(one => one!.length)).toEqual([8, 24]);
  expect(t.tcp.asked).toHaveLength(0);
  strict = false;
  expect(await t.ask('b.example')).toBe('192.0.2.7');
  expect([t.udp.asked.length, t.tcp.asked.length]).toEqual([4, 1]);
});

test('a server that answers cookies with FORMERR is asked without, with EDNS, and soon at once', async () => {
  const t = start(query => (cookieIn(query) === undefined ? say(query) : makeResponse(query, { rcode: 1 })));
  for (const name of ['a', 'b', 'c', 'd']) expect(await t.ask(`${name}.example`)).toBe('192.0.2.7');
  expect(t.sent().filter(one => one !== undefined).length).toBeLessThanOrEqual(3);
  expect(t.udp.asked.every(({ query }) => query[11] === 1)).toBe(true);
  expect(t.upstreams[0].edns.granted).toBe(false);
});

test('a server that answers cookies with a bare FORMERR is asked over TCP, and soon without them', async () => {
  const bare: Handler = query =>
    cookieIn(query) === undefined
      ? say(query)
      : Buffer.concat([query.subarray(0, 2), Buffer.from('81810000000000000000', 'hex')]);
  const t = start(bare, query => say(query));
  for (const name of ['a', 'b', 'c', 'd', 'e']) expect(await t.ask(`${name}.example`)).toBe('192.0.2.7');
  expect(t.tcp.asked.length).toBeLessThanOrEqual(3);
});

test('a server, or something before it, that drops queries with cookies is asked without, and soon at once', async () => {
  const t = start(query => (cookieIn(query) === undefined ? say(query) : undefined));
  for (const name of ['a', 'b', 'c']) {
    const answer = t.ask(`${name}.example`);
    await t.clock.advance(3000);
    expect(await answer).toBe('192.0.2.7');
  }
  expect(await t.ask('d.example')).toBe('192.0.2.7');
});

test('a server that sends back what it got, whatever that is, is asked on', async () => {
  const t = start(query => say(query, { cookie: cookieIn(query) }));
  for (const name of ['a', 'b', 'c']) expect(await t.ask(`${name}.example`)).toBe('192.0.2.7');
  expect([t.tcp.asked.length, t.udp.asked.length]).toEqual([0, 3]);
  expect(t.exchanger.cookieOf(t.upstreams[0])).toBeUndefined();
});

test('who is asked without a race gets the cookie that it knows us by, or is known to have no use for one', async () => {
  const t = start(good);
  const its = (): Uint8Array | undefined => t.exchanger.cookieOf(t.upstreams[0])?.expected();
  expect(t.exchanger.cookieOf(t.upstreams[0])).toBeDefined();
  expect(its()).toBeUndefined();
  await t.ask();
  const content = its()!;
  expect(content.length).toBeGreaterThanOrEqual(16);
  expect(its()).toBe(content);
  // A day later it is another, of which the server knows nothing yet.
  await t.clock.advance(86_400_000);
  expect(its()).toBeUndefined();
  await t.ask('b.example');
  expect(its()).not.toEqual(content);
  const none = start(query => say(query));
  await none.ask();
  expect(none.exchanger.cookieOf(none.upstreams[0])).toBeUndefined();
  await none.clock.advance(3_600_000);
  expect(none.exchanger.cookieOf(none.upstreams[0])).toBeDefined();
});

test("where there is no TCP, a response with another client's cookie is never believed (RFC 7873 section 5.3)", async () => {
  let forged = 0;
  const forger: Handler = query => {
    if (forged === 0) return good(query, '', {});
    forged--;
    return say(query, { cookie: Buffer.from(whole(query)).fill(0xff, 0, 8), address: '192.0.2.66' });
  };
  const t = start(forger, refusing);
  await t.ask('a.example');
  forged = 1;
  expect(await t.ask('b.example')).toBe('192.0.2.7');
  forged = Infinity;
  await expect(t.ask('c.example')).rejects.toThrow(/ECONNREFUSED|another client's cookie/);
});

test('where there is no TCP, a response without the cookie is believed only when another query got none either', async () => {
  let forged = false;
  const t = start(query => {
    if (!forged) return good(query, '', {});
    forged = false;
    return say(query, { address: '192.0.2.66' });
  }, refusing);
  await t.ask('a.example');
  forged = true;
  expect(await t.ask('b.example')).toBe('192.0.2.7');
  expect([t.udp.asked.length, t.exchanger.foreignCookies]).toEqual([3, 1]);
});

test("another client's cookie counts for nothing: a response without one is still asked for twice", async () => {
  const said: Said[] = [];
  const t = start(query => {
    const next = said.shift();
    return next === undefined ? good(query, '', {}) : say(query, next);
  }, refusing);
  await t.ask('a.example');
  const foreign = { cookie: Buffer.alloc(16, 0xff), address: '192.0.2.66' };
  said.push(foreign, { address: '192.0.2.5' }, { address: '192.0.2.5' });
  expect(await t.ask('b.example')).toBe('192.0.2.5');
  expect(t.udp.asked).toHaveLength(4);
});

/** A server that has shown cookies and sends some no more, behind something that drops TCP. */
async function forgetful(server: string) {
  let shows = true;
  let udp: Handler = query => (shows ? good(query, '', {}) : say(query));
  const t = start(
    (...asked) => udp(...asked),
    () => undefined,
    [server],
  );
  await t.ask('a.example');
  shows = false;
  return {
    ...t,
    show: (does: boolean) => (shows = does),
    handle: (handler: Handler) => (udp = handler),
    /** What it says, with as much time as a client has. */
    late: async (name: string) => {
      const answer = t.ask(name).catch((error: Error) => error.message);
      await t.clock.advance(5100);
      return answer;
    },
  };
}

test.each(['9.9.9.9', '10.0.0.1'])(
  '%s: where TCP is dropped, a server that has lost its cookies is believed',
  async at => {
    const t = await forgetful(at);
    expect(await t.late('b.example')).toBe('192.0.2.7');
    // Once more over UDP.
    expect([t.udp.asked.length, t.tcp.asked.length]).toEqual([3, 1]);
  },
);

test('where TCP is dropped, a response with the cookie counts, and what came without is forgotten', async () => {
  const t = await forgetful('9.9.9.9');
  const said = [{ address: '192.0.2.66' }];
  t.handle(query => (said.length > 0 ? say(query, said.shift()) : good(query, '', {})));
  expect(await t.late('b.example')).toBe('192.0.2.7');
});

test("where TCP is dropped, another client's cookie is not believed", async () => {
  const t = await forgetful('9.9.9.9');
  t.handle(query => say(query, { cookie: Buffer.alloc(16, 0xff), address: '192.0.2.66' }));
  expect(await t.late('b.example')).not.toBe('192.0.2.66');
});

test('a server that has missed its cookie three times in a row is taken for one that has none', async () => {
  const t = await forgetful('9.9.9.9');
  for (const name of ['b', 'c']) expect(await t.late(`${name}.example`)).toBe('192.0.2.7');
  t.show(true);
  expect(await t.ask('d.example')).toBe('192.0.2.7');
  t.show(false);
  for (const name of ['e', 'f', 'g']) {
    const before = t.tcp.asked.length;
    expect(await t.late(`${name}.example`)).toBe('192.0.2.7');
    expect(t.tcp.asked.length).toBe(before + 1);
  }
  const before = t.tcp.asked.length;
  for (const name of ['h', 'i']) expect(await t.ask(`${name}.example`)).toBe('192.0.2.7');
  expect(t.tcp.asked.length).toBe(before);
});
