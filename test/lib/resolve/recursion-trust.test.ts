// Whose word counts for what: zones that were given to somebody else, records that nobody asked for, servers that have not
// the zone.
import { describe, expect, test } from 'vitest';
import { ShardnsError } from '../../../lib/base/errors.js';
import { Rank } from '../../../lib/cache/rrset-cache.js';
import { classify } from '../../../lib/resolve/recurse/classify.js';
import { ExtendedError, Rcode, Type } from '../../../lib/wire/iana.js';
import { decodeMessage } from '../../../lib/wire/message.js';
import { encodeName, nameKey } from '../../../lib/wire/name.js';
import { FakeInternet, response } from '../../support/fake-internet.js';
import { failure, setUpRecursor, texts } from '../../support/recursor.js';

const SOA = 'ns.example. hostmaster.example. 1 3600 600 86400 300';
const ROOT = `. SOA ${SOA}\n. 86400 NS a.root.\na.root. 86400 A 192.0.2.1\ncom. 86400 NS ns.com.\nns.com. 86400 A 192.0.2.2`;
const OLD = '192.0.2.66';
const NEW = '192.0.2.77';

/** com delegates shop.com for 60 s, to whom `servers` says. */
function internetOf(servers: string): FakeInternet {
  return new FakeInternet()
    .serve('192.0.2.1', '.', ROOT)
    .serve('192.0.2.2', 'com.', `com. SOA ${SOA}\ncom. 86400 NS ns.com.\nns.com. 86400 A 192.0.2.2\n${servers}`);
}
const give = (internet: FakeInternet, servers: string): FakeInternet =>
  internet.replace('192.0.2.2', 'com.', `com. SOA ${SOA}\n${servers}`);

describe('a zone that was given to somebody else (CVE-2022-30698, CVE-2022-30699)', () => {
  const shop = (address: string, more = ''): [string, string, string] => [
    address,
    'shop.com.',
    `shop.com. SOA ${SOA}\n*.x.shop.com. A 10.0.0.1\nwww.shop.com. 1 A ${address === OLD ? '10.6.6.6' : '10.0.0.1'}\n${more}`,
  ];
  const www = async (one: ReturnType<typeof setUpRecursor>): Promise<string[]> =>
    texts(await one.resolve('www.shop.com'));

  test('leaves its old servers when the delegation ends, though their own NS set names others for a day', async () => {
    const internet = internetOf(
      'shop.com. 60 NS ns1.shop.com.\nns1.shop.com. 60 A 192.0.2.66\nevil.com. NS ns.evil.com.\nns.evil.com. A 192.0.2.67',
    )
      .serve(...shop(OLD, 'shop.com. 86400 NS ns1.evil.com.'))
      .serve('192.0.2.67', 'evil.com.', `evil.com. SOA ${SOA}\nns1.evil.com. 86400 A ${OLD}`)
      .serve(...shop(NEW));
    internet.override = (server, name, type) =>
      server === OLD && name === 'www.shop.com.'
        ? response(name, type, { answer: 'www.shop.com. 1 A 10.6.6.6', authority: 'shop.com. 86400 NS ns1.evil.com.' })
        : undefined;
    const one = setUpRecursor({ qnameMinimisation: 'off' }, internet);
    await one.resolve('ns1.evil.com');
    expect(await www(one)).toEqual(['A 10.6.6.6']);
    await one.resolve('shop.com', Type.NS);
    give(internet, 'shop.com. 60 NS ns2.shop.com.\nns2.shop.com. 60 A 192.0.2.77');
    await one.pass(61_000);
    for (let i = 0; i < 5; i++) {
      expect(await www(one)).toEqual(['A 10.0.0.1']);
      await one.pass(20_000);
    }
  });
  test('shows clients its old NS set no longer than the delegation lives', async () => {
    const internet = internetOf('shop.com. 60 NS ns1.shop.com.\nns1.shop.com. 60 A 192.0.2.66').serve(
      ...shop(OLD, 'shop.com. 86400 NS ns1.shop.com.\nns1.shop.com. 86400 A 192.0.2.66'),
    );
    const { resolve, rrsets, pass } = setUpRecursor({ qnameMinimisation: 'off' }, internet);
    const { answers, leftMs } = await resolve('shop.com', Type.NS);
    expect(answers[0].ttl).toBeLessThanOrEqual(60);
    expect(leftMs).toBeLessThanOrEqual(60_000);
    await pass(60_001);
    expect(rrsets.get(encodeName('shop.com'), Type.NS)).toBeUndefined();
  });
  test('is found at its new address where its new servers have the old ones\u2019 names', async () => {
    const internet = internetOf('shop.com. 60 NS ns1.shop.com.\nns1.shop.com. 86400 A 192.0.2.66')
      .serve(...shop(OLD, 'shop.com. 86400 NS ns1.shop.com.\nns1.shop.com. 86400 A 192.0.2.66'))
      .serve(...shop(NEW, 'shop.com. 86400 NS ns1.shop.com.\nns1.shop.com. 86400 A 192.0.2.77'));
    const one = setUpRecursor({ qnameMinimisation: 'off' }, internet);
    await one.resolve('ns1.shop.com');
    expect(await www(one)).toEqual(['A 10.6.6.6']);
    give(internet, 'shop.com. 60 NS ns1.shop.com.\nns1.shop.com. 86400 A 192.0.2.77');
    await one.pass(61_000);
    expect(await www(one)).toEqual(['A 10.0.0.1']);
    expect(texts(await one.resolve('ns1.shop.com'))).toEqual(['A 192.0.2.77']);
  });
  test('keeps no address of the other family that came with the old delegation', async () => {
    const internet = internetOf('shop.com. 60 NS ns1.shop.com.\nns1.shop.com. 86400 AAAA 2001:db8::66').serve(
      ...shop(NEW),
    );
    const { recursor, rrsets, pass } = setUpRecursor({ qnameMinimisation: 'off' }, internet);
    await failure(recursor.resolve(encodeName('www.shop.com'), Type.A, {}));
    expect(rrsets.glue(encodeName('ns1.shop.com'), Type.AAAA)).toBeDefined();
    give(internet, 'shop.com. 60 NS ns1.shop.com.\nns1.shop.com. 86400 A 192.0.2.77');
    await pass(61_000);
    await recursor.resolve(encodeName('www.shop.com'), Type.A, {});
    expect(rrsets.glue(encodeName('ns1.shop.com'), Type.AAAA)).toBeUndefined();
  });
  test('forgets at once what it said of its servers when a referral names others', async () => {
    const internet = internetOf('shop.com. 60 NS ns1.shop.com.\nns1.shop.com. 60 A 192.0.2.66')
      .serve(...shop(OLD, 'shop.com. 86400 NS ns1.shop.com.\nns1.shop.com. 86400 A 192.0.2.66'))
      .serve(...shop(NEW));
    const one = setUpRecursor({ qnameMinimisation: 'off' }, internet);
    await one.resolve('shop.com', Type.NS);
    await one.resolve('ns1.shop.com');
    give(internet, 'shop.com. 60 NS ns2.shop.com.\nns2.shop.com. 60 A 192.0.2.77');
    await one.pass(55_000); // a refresh asks the parent in the last tenth
    await one.recursor.resolve(encodeName('www.shop.com'), Type.A, { fresh: true });
    expect(one.rrsets.get(encodeName('shop.com'), Type.NS)).toBeUndefined();
    expect(await www(one)).toEqual(['A 10.0.0.1']);
  });
  test('is not kept by an answer of a server that its parent does not name', async () => {
    const internet = internetOf('shop.com. 60 NS ns1.shop.com.\nns1.shop.com. 60 A 192.0.2.66')
      .serve(
        ...shop(OLD, 'shop.com. 86400 NS ns1.shop.com.\nshop.com. 86400 NS ns3.shop.com.\nns3.shop.com. A 192.0.2.67'),
      )
      .serve(...shop('192.0.2.67', 'shop.com. 86400 NS ns3.shop.com.'));
    const { recursor, rrsets, resolve } = setUpRecursor({ qnameMinimisation: 'off' }, internet);
    await resolve('shop.com', Type.NS);
    expect(rrsets.get(encodeName('shop.com'), Type.NS)!.rank).toBe(Rank.authoritative);
    const zone = encodeName('shop.com');
    rrsets.forget(zone, Type.NS);
    await resolve('ns3.shop.com');
    const delegation = recursor.known.delegation(zone, 0, nameKey(zone), 1_000_000, false)!;
    const ns = decodeMessage(response('shop.com', Type.NS, { answer: 'shop.com. 86400 NS ns3.shop.com.' }));
    const asked = { name: encodeName('shop.com'), type: Type.NS, zone: encodeName('shop.com'), recursive: false };
    const found = classify(ns, asked, { hardenGlue: true, maxNameServers: 20 });
    if (found.kind !== 'answer') throw new Error(found.kind);
    recursor.learner.keep(asked.name, Type.NS, delegation, found, '192.0.2.67');
    expect(rrsets.get(encodeName('shop.com'), Type.NS)!.rank).toBe(Rank.answer);
    recursor.learner.keep(asked.name, Type.NS, delegation, found, OLD);
    expect(rrsets.get(encodeName('shop.com'), Type.NS)!.rank).toBe(Rank.authoritative);
  });
  test('takes what lies below it along: their delegations end with it', async () => {
    const internet = internetOf('shop.com. 60 NS ns1.shop.com.\nns1.shop.com. 60 A 192.0.2.66')
      .serve(...shop(OLD, 'sub.shop.com. 86400 NS ns.sub.shop.com.\nns.sub.shop.com. 86400 A 192.0.2.68'))
      .serve('192.0.2.68', 'sub.shop.com.', `sub.shop.com. SOA ${SOA}\nwww.sub.shop.com. 1 A 10.6.6.6`);
    const { resolve, pass } = setUpRecursor({}, internet);
    expect(texts(await resolve('www.sub.shop.com'))).toEqual(['A 10.6.6.6']);
    give(internet, '');
    await pass(61_000);
    expect((await resolve('www.sub.shop.com')).rcode).toBe(Rcode.NXDOMAIN);
  });
  test('is gone when its parent says that there is no such name, whatever is left of its delegation', async () => {
    const internet = internetOf('shop.com. 3600 NS ns1.shop.com.\nns1.shop.com. 3600 A 192.0.2.66').serve(
      ...shop(OLD, 'shop.com. 3600 NS ns1.shop.com.'),
    );
    const { resolve, rrsets } = setUpRecursor({}, internet);
    await resolve('www.shop.com');
    await resolve('shop.com', Type.NS);
    give(internet, '');
    expect((await resolve('shop.com', Type.DS)).rcode).toBe(Rcode.NXDOMAIN); // which is the parent's to say
    expect(rrsets.delegation(encodeName('shop.com'))).toBeUndefined();
    expect((await resolve('shop.com', Type.NS)).rcode).toBe(Rcode.NXDOMAIN);
  });
});

describe('records that nobody asked for (CVE-2025-11411)', () => {
  const SERVERS = 'shop.com. 3600 NS ns1.shop.com.\nns1.shop.com. 3600 A 192.0.2.66';
  const zone = `shop.com. SOA ${SOA}\nshop.com. NS ns1.shop.com.\nns1.shop.com. 3600 A 192.0.2.66\nother.shop.com. A 10.0.0.9`;
  const told = async (sections: Parameters<typeof response>[2], rest = zone) => {
    const internet = internetOf(SERVERS)
      .serve(OLD, 'shop.com.', rest)
      .serve('192.0.2.99', 'shop.com.', `shop.com. SOA ${SOA}\nwww.shop.com. A 10.6.6.6\nother.shop.com. A 10.6.6.6`);
    internet.override = (server, name, type) =>
      server === OLD && name === 'www.shop.com.' ? response(name, type, sections) : undefined;
    const one = setUpRecursor({ qnameMinimisation: 'off' }, internet);
    await one.resolve('www.shop.com').catch(() => undefined);
    return one;
  };
  const POISON = {
    answer: 'www.shop.com. A 10.0.0.1',
    authority: 'shop.com. 86400 NS ns.evil.shop.com.',
    additional:
      'ns.evil.shop.com. 86400 A 192.0.2.99\nother.shop.com. 86400 A 10.6.6.6\nns1.shop.com. 86400 A 192.0.2.99',
  };

  test('an NS set beside an answer takes no question from the servers that the parent names', async () => {
    const { resolve, internet } = await told(POISON);
    for (let i = 0; i < 20; i++) await resolve(`n${i}.shop.com`);
    expect(internet.asked.filter(one => one.server === '192.0.2.99')).toEqual([]);
  });
  test('it is no answer for clients, who are told what the zone says when it is asked', async () => {
    const { resolve } = await told(POISON);
    expect(texts(await resolve('shop.com', Type.NS))).toEqual(['NS ns1.shop.com.']);
  });
  test('it does not take the place of what the zone said when it was asked', async () => {
    const { resolve, internet } = await told({ rcode: Rcode.SERVFAIL });
    await resolve('shop.com', Type.NS);
    internet.override = (_server, name, type) => (name === 'www.shop.com.' ? response(name, type, POISON) : undefined);
    await resolve('www.shop.com');
    expect(texts(await resolve('shop.com', Type.NS))).toEqual(['NS ns1.shop.com.']);
  });
  test('its servers are asked when those of the parent are all of no use', async () => {
    const more = `${zone}\nns.evil.shop.com. A 192.0.2.99`;
    const { resolve, internet } = await told(POISON, more);
    await resolve('ns.evil.shop.com');
    internet.silent.add(OLD);
    expect(texts(await resolve('other.shop.com'))).toEqual(['A 10.6.6.6']);
  });
  test('addresses of other names beside an answer are kept neither as answers nor as glue', async () => {
    const { resolve, rrsets } = await told(POISON);
    for (const name of ['other.shop.com', 'ns.evil.shop.com']) {
      expect(rrsets.get(encodeName(name), Type.A)).toBeUndefined();
      expect(rrsets.glue(encodeName(name), Type.A)).toBeUndefined();
    }
    expect(texts(await resolve('other.shop.com'))).toEqual(['A 10.0.0.9']);
    expect(rrsets.glue(encodeName('ns1.shop.com'), Type.A)!.data[0][3]).toBe(66);
  });
  test.each(['a denial', 'no data'])('nor do they count beside %s', async what => {
    const soa = `shop.com. SOA ${SOA}\n${POISON.authority}`;
    const rcode = what === 'a denial' ? Rcode.NXDOMAIN : Rcode.NOERROR;
    const { resolve, internet } = await told({ rcode, authority: soa, additional: POISON.additional });
    for (let i = 0; i < 10; i++) await resolve(`n${i}.shop.com`);
    expect(internet.asked.filter(one => one.server === '192.0.2.99')).toEqual([]);
    expect(texts(await resolve('shop.com', Type.NS))).toEqual(['NS ns1.shop.com.']);
  });
  test('an NS set of a zone below the one that was asked makes no delegation', async () => {
    const { resolve, rrsets } = await told({
      answer: 'www.shop.com. A 10.0.0.1',
      authority: 'www.shop.com. 86400 NS ns.evil.shop.com.',
      additional: 'ns.evil.shop.com. 86400 A 192.0.2.99',
    });
    expect(rrsets.delegation(encodeName('www.shop.com'))).toBeUndefined();
    expect(rrsets.get(encodeName('www.shop.com'), Type.NS)).toBeUndefined();
    expect(rrsets.glue(encodeName('ns.evil.shop.com'), Type.A)).toBeUndefined();
    expect(texts(await resolve('www.shop.com'))).toEqual(['A 10.0.0.1']);
  });
  test('an NSEC record that leads out of the zone is none (RFC 4034 section 4.1.1)', () => {
    const asked = { name: encodeName('shop.com'), zone: encodeName('shop.com'), recursive: false };
    const found = (type: number, next: string) => {
      const answer = `shop.com. NSEC ${next} NS SOA RRSIG NSEC`;
      const message = decodeMessage(
        response('shop.com', type, type === Type.NSEC ? { answer } : { authority: answer }),
      );
      const meaning = classify(message, { ...asked, type }, { validation: {}, hardenGlue: true, maxNameServers: 20 });
      return meaning.kind === 'answer' ? [...meaning.rrsets, ...meaning.authority].length : meaning.kind;
    };
    expect(found(Type.NSEC, 'www.shop.com.')).toBe(1);
    expect(found(Type.NSEC, 'shop.net.')).toBe(0);
    expect(found(Type.A, 'www.shop.com.')).toBe(1);
    expect(found(Type.A, 'shop.net.')).toBe(0);
    // Of DS it is the parent's that counts, whoever is asked.
    expect(found(Type.DS, 'shops.com.')).toBe(1);
  });
  test('a DNAME from outside the zone, and one of a name beside the question, is no alias', async () => {
    for (const owner of ['com.', '.', 'other.shop.com.']) {
      const { recursor } = await told({ answer: `${owner} DNAME evil.net.`, authority: `shop.com. SOA ${SOA}` });
      expect((await recursor.resolve(encodeName('www.shop.com'), Type.A, {})).answers).toEqual([]);
    }
  });
  test.each(['shop.com.', 'com.', '.', 'sister.com.', 'other.shop.com.'])(
    'a referral to %s makes the server one that has not the zone',
    async owner => {
      const { recursor, rrsets } = await told({
        aa: false,
        authority: `${owner} NS ns.evil.com.`,
        additional: 'ns.evil.com. A 192.0.2.99',
      });
      expect(recursor.stats.lame).toBe(1);
      expect(rrsets.noData(encodeName('www.shop.com'), Type.A)).toBeUndefined();
    },
  );
});

describe('servers that have not the zone', () => {
  test('one response does not put a server behind the others for the whole zone, that of a second question does', async () => {
    const internet = internetOf('shop.com. 3600 NS ns1.shop.com.\nns1.shop.com. 3600 A 192.0.2.66').serve(
      OLD,
      'shop.com.',
      `shop.com. SOA ${SOA}\nwww.shop.com. A 10.0.0.1`,
    );
    let lame = true;
    internet.override = (server, name, type) =>
      lame && server === OLD ? response(name, type, { aa: false, authority: 'com. NS ns.com.' }) : undefined;
    const { resolve, recursor } = setUpRecursor({ qnameMinimisation: 'off' }, internet);
    const server = recursor.infrastructure.server(OLD, 4, 53);
    const isLame = (): boolean =>
      recursor.infrastructure.isLame(server, String.fromCharCode(4) + 'shop' + String.fromCharCode(3) + 'com\0');
    await failure(resolve('www.shop.com'));
    expect(isLame()).toBe(false);
    await failure(resolve('other.shop.com'));
    expect(isLame()).toBe(true);
    lame = false;
    expect(texts(await resolve('www.shop.com'))).toEqual(['A 10.0.0.1']); // asked all the same where there is no other
  });
});

describe('what a response may be', () => {
  const only =
    'shop.com. 3600 NS ns1.shop.com.\nns1.shop.com. 3600 A 192.0.2.66\nshop.com. 3600 NS ns2.shop.com.\nns2.shop.com. 3600 A 192.0.2.77';
  const first = async (octets: (name: string, type: number) => Uint8Array) => {
    const good = `shop.com. SOA ${SOA}\nwww.shop.com. A 10.0.0.1`;
    const internet = internetOf(only).serve(OLD, 'shop.com.', good).serve(NEW, 'shop.com.', good);
    let bad: string | undefined;
    internet.override = (server, name, type) => {
      if (server !== OLD && server !== NEW) return undefined;
      bad ??= server;
      return server === bad ? octets(name, type) : undefined;
    };
    const one = setUpRecursor({ qnameMinimisation: 'off' }, internet);
    return { ...one, result: await one.resolve('www.shop.com') };
  };
  const many = (count: number, owner: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => `${owner(i)} A 10.1.${i >> 8}.${i & 255}`).join('\n');

  test.each([
    ['an RRset of more than a hundred records', (name: string) => ({ answer: many(101, () => name) })],
    [
      'more than five hundred records',
      (name: string) => ({ answer: many(1, () => name), additional: many(500, i => `n${i}.`) }),
    ],
    ['an SOA without its numbers', () => ({ authority: 'shop.com. TYPE6 \\# 2 0000' })],
  ])('%s is of no use: another server is asked', async (_what, sections) => {
    const { result, rrsets } = await first((name, type) => response(name, type, sections(name)));
    expect(texts(result)).toEqual(['A 10.0.0.1']);
    expect(rrsets.noData(encodeName('www.shop.com'), Type.A)).toBeUndefined();
  });
  test('YXDOMAIN without a DNAME that makes the name too long is of no use (RFC 6672 section 2.2)', async () => {
    const { result } = await first((name, type) =>
      response(name, type, { rcode: Rcode.YXDOMAIN, answer: 'www.shop.com. A 10.6.6.6' }),
    );
    expect(texts(result)).toEqual(['A 10.0.0.1']);
  });
  test('a DNAME that makes a name too long is YXDOMAIN, whatever rcode came with it', async () => {
    const long = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(59)}.`;
    const { result } = await first((name, type) => response(name, type, { answer: `shop.com. DNAME ${long}` }));
    expect(result.rcode).toBe(Rcode.YXDOMAIN);
  });
});

test.each([
  ['queries under way', new ShardnsError('ERR_SHARDNS_OVERLOAD', 'too many')],
  ['sockets', new ShardnsError('ERR_SHARDNS_UPSTREAM', 'no socket', { cause: { code: 'EMFILE' } })],
])('a failure for want of %s is marked as ours, and nobody is thought the worse of', async (_what, ownFailure) => {
  const internet = internetOf('shop.com. 3600 NS ns1.shop.com.\nns1.shop.com. 3600 A 192.0.2.66').serve(
    OLD,
    'shop.com.',
    `shop.com. SOA ${SOA}\nwww.shop.com. A 10.0.0.1`,
  );
  let full = true;
  const { resolve, recursor } = setUpRecursor({}, internet, (question, server, ms, cancel) =>
    full && server.at.address === OLD ? Promise.reject(ownFailure) : internet.ask(question, server, ms, cancel),
  );
  const error = await failure(resolve('www.shop.com'));
  expect(error).toMatchObject({ ours: true, extendedError: ExtendedError.noReachableAuthority });
  expect(recursor.infrastructure.server(OLD, 4, 53).stats.failures).toBe(0);
  full = false;
  expect(texts(await resolve('www.shop.com'))).toEqual(['A 10.0.0.1']);
});
test('a failure of servers is not', async () => {
  const internet = internetOf('shop.com. 3600 NS ns1.shop.com.\nns1.shop.com. 3600 A 192.0.2.66');
  const { resolve } = setUpRecursor({}, internet);
  expect(await failure(resolve('www.shop.com'))).toMatchObject({ ours: false });
});
