// DNS cookies (RFC 7873, RFC 9018) on every way in: who gets one, who is asked for one, and when they end.
import { afterEach, describe, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { findOption, responseRcode } from '../../../lib/wire/opt.js';
import { isTruncated } from '../../../lib/wire/flags.js';
import { answerA, decode, makeQuery, makeResponse, type QueryShape, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

const SECRET = 'e5e973e5a6b2a43f48e7dc849e37bfcf';
const CLIENT = Buffer.from('2464c4abcf10c957', 'hex');
const COOKIE = 10;
const BADCOOKIE = 23;
const WAYS = ['udp', 'dgram', 'tcp'] as const;

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const withCookie = (cookie: Buffer, shape: QueryShape = {}): QueryShape => ({
  ...shape,
  options: [{ code: COOKIE, data: cookie }],
});
const cookieOf = (reply: Uint8Array): Buffer | undefined => {
  const found = findOption(reply, COOKIE);
  return found && Buffer.from(found);
};

describe.each(WAYS)('over %s', way => {
  const open = async (options: ServerOptions['cookies']): Promise<void> => {
    server = await TestServer.start(query => answerA(query, 300), {
      udp: way === 'dgram' ? 'dgram' : 'native',
      cookies: { enabled: true, secret: SECRET, ...options },
    });
  };
  const ask = async (shape: QueryShape, name = 'a.example'): Promise<Buffer> =>
    (await server!.ask(way, makeQuery(name, shape)))!;

  test('who sends half a cookie gets a whole one, with a miss and with a hit, and then the same again', async () => {
    await open({});
    const miss = cookieOf(await ask(withCookie(CLIENT)))!;
    expect(miss).toHaveLength(24);
    expect(miss.subarray(0, 8)).toEqual(CLIENT);
    expect(miss.subarray(8, 12)).toEqual(Buffer.from([1, 0, 0, 0]));
    const hit = await ask(withCookie(CLIENT));
    expect(server!.asked).toBe(1);
    expect(cookieOf(hit)).toHaveLength(24);
    expect(decode(hit).answers).toHaveLength(1);
    expect(cookieOf(await ask(withCookie(miss)))).toEqual(miss);
  });

  test('who sends none gets none, and nobody does where they are off', async () => {
    await open({});
    expect(cookieOf(await ask({ edns: true }))).toBeUndefined();
    expect(findOption(await ask({}), COOKIE)).toBeUndefined();
    await server!.server.update({ cookies: { enabled: false } });
    expect(cookieOf(await ask(withCookie(CLIENT)))).toBeUndefined();
  });

  test('one that is older than half an hour is renewed, one of another client or secret or of an hour ago replaced', async () => {
    await open({});
    const first = cookieOf(await ask(withCookie(CLIENT)))!;
    server!.advance(1801);
    const second = cookieOf(await ask(withCookie(first)))!;
    expect(second.readUInt32BE(12) - first.readUInt32BE(12)).toBeGreaterThanOrEqual(1801);
    const other = Buffer.from(second);
    other[23] ^= 1;
    expect(rcodeOf(await ask(withCookie(other)))).toBe(0);
    expect(cookieOf(await ask(withCookie(other)))).not.toEqual(other);
    await server!.server.update({ cookies: { secret: '445536bcd2513298075a5d379663c962' } });
    expect(cookieOf(await ask(withCookie(second)))!.subarray(16)).not.toEqual(second.subarray(16));
    await server!.server.update({ cookies: { alsoAccepted: [SECRET] } });
    expect(cookieOf(await ask(withCookie(second)))).toEqual(second);
    server!.advance(1801 + 3601);
    expect(cookieOf(await ask(withCookie(second)))).not.toEqual(second);
  });

  test('a cookie of a length that there is not is FORMERR (RFC 7873 section 5.2.2)', async () => {
    await open({});
    for (const length of [0, 7, 9, 15, 41]) {
      expect(rcodeOf(await ask(withCookie(Buffer.alloc(length)))), `${length} octets`).toBe(1);
    }
    expect(rcodeOf(await ask(withCookie(Buffer.alloc(40))))).toBe(0);
  });

  test('without a question it is answered with a cookie alone (RFC 7873 section 5.4), and with FORMERR where they are off', async () => {
    await open({});
    const query = makeQuery('a', withCookie(CLIENT));
    const none = Buffer.concat([query.subarray(0, 12), query.subarray(12 + 3 + 4)]);
    none.writeUInt16BE(0, 4);
    const reply = (await server!.ask(way, none))!;
    expect(reply.readUInt16BE(4)).toBe(0);
    expect(rcodeOf(reply)).toBe(0);
    expect(cookieOf(reply)).toHaveLength(24);
    await server!.server.update({ cookies: { enabled: false } });
    expect(rcodeOf((await server!.ask(way, none))!)).toBe(1);
  });

  test('where it is required, over UDP nobody is answered without a good one', async () => {
    await open({ required: true });
    const refused = await ask(withCookie(CLIENT));
    const bare = await ask({});
    if (way === 'tcp') {
      expect([rcodeOf(refused), rcodeOf(bare)]).toEqual([0, 0]);
      expect(cookieOf(refused)).toHaveLength(24);
      return;
    }
    expect(server!.asked).toBe(0);
    expect(responseRcode(refused)).toBe(BADCOOKIE);
    expect(isTruncated(bare)).toBe(true);
    expect(decode(bare).answers).toEqual([]);
    const answered = await ask(withCookie(cookieOf(refused)!));
    expect(rcodeOf(answered)).toBe(0);
    expect(decode(answered).answers).toHaveLength(1);
    const text = await new Metrics(server!.server).text();
    expect(text).toContain('shardns_dns_responses_total{rcode="BADCOOKIE"} 1');
    expect(text).toContain('shardns_cookies_total{state="client_only"} 1');
    expect(text).toContain('shardns_edge_total{action="bad_cookie"} 1');
  });

  test('a reply that has no room for its records beside the cookie is truncated, with the cookie', async () => {
    const many = Array.from({ length: 17 }, (_, i) => ({
      type: 'A' as const,
      name: 'big.example',
      ttl: 300,
      data: `192.0.2.${i}`,
    }));
    server = await TestServer.start(query => makeResponse(query, { answers: many }), {
      udp: way === 'dgram' ? 'dgram' : 'native',
      cookies: { enabled: true, secret: SECRET },
    });
    // 29 + 17 x 27 = 488 octets; 499 with OPT, 527 with a cookie.
    for (let round = 0; round < 2; round++) {
      const plain = await ask({ udpSize: 512 }, 'big.example');
      expect(isTruncated(plain)).toBe(false);
      const reply = await ask(withCookie(CLIENT, { udpSize: 512 }), 'big.example');
      expect(cookieOf(reply)).toHaveLength(24);
      expect(isTruncated(reply)).toBe(way !== 'tcp');
      if (way !== 'tcp') expect(reply.length).toBeLessThanOrEqual(512);
    }
  });
});

test('the cookie is that of RFC 9018: another server with the same secret takes it', async () => {
  const start = (): Promise<TestServer> =>
    TestServer.start(query => answerA(query, 300), { cookies: { enabled: true, secret: SECRET, required: true } });
  server = await start();
  const other = await start();
  try {
    const first = (await server.ask('udp', makeQuery('a.example', withCookie(CLIENT))))!;
    const reply = (await other.ask('udp', makeQuery('a.example', withCookie(cookieOf(first)!))))!;
    expect(responseRcode(reply)).toBe(0);
  } finally {
    await other.close();
  }
});

test('without a secret one is drawn, and servers do not take those of each other', async () => {
  const start = (): Promise<TestServer> =>
    TestServer.start(query => answerA(query, 300), { cookies: { enabled: true, required: true } });
  server = await start();
  const other = await start();
  try {
    const cookie = cookieOf((await server.ask('udp', makeQuery('a.example', withCookie(CLIENT))))!)!;
    expect(responseRcode((await server.ask('udp', makeQuery('a.example', withCookie(cookie))))!)).toBe(0);
    expect(responseRcode((await other.ask('udp', makeQuery('a.example', withCookie(cookie))))!)).toBe(BADCOOKIE);
  } finally {
    await other.close();
  }
});

test.each([
  [{ secret: 'abc' }, /cookies\.secret: expected 32 hexadecimal digits, got "\(not shown\)"/],
  [{ alsoAccepted: [SECRET, SECRET, SECRET] }, /cookies\.alsoAccepted: /],
])('what is no secret is said, and not shown: %j', async (cookies, message) => {
  await expect(TestServer.start(query => answerA(query), { cookies })).rejects.toThrow(message);
});
