// Resolution from the root down on a fake internet: what it costs, what it keeps, where it ends.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AddressRules } from '../../../lib/resolve/recurse/address-rules.js';
import { classify } from '../../../lib/resolve/recurse/classify.js';
import { ResolutionError } from '../../../lib/resolve/recurse/job.js';
import { RECURSION_LIMITS } from '../../../lib/resolve/recurse/limits.js';
import type { AskServer } from '../../../lib/resolve/recurse/options.js';
import { configuredZones } from '../../../lib/resolve/recurse/zones.js';
import { parsePrefix } from '../../../lib/base/address.js';
import { ExtendedError, Flag, Rcode, Type } from '../../../lib/wire/iana.js';
import { encodeMessage, type ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName, isAtOrBelow, nameToText } from '../../../lib/wire/name.js';
import { encodeRdata } from '../../../lib/wire/rdata.js';
import { settle } from '../../support/fake-clock.js';
import { FakeInternet, response, smallInternet } from '../../support/fake-internet.js';
import { failure, setUpRecursor as setUp, texts } from '../../support/recursor.js';

describe('on the way', () => {
  test('servers are asked for no more than the part of the name that they need (RFC 9156)', async () => {
    const { internet, resolve } = setUp();
    expect(texts(await resolve('www.example.com'))).toEqual(['A 10.0.0.1']);
    expect(internet.asked.map(({ server, name }) => `${server} ${name}`)).toEqual([
      '192.0.2.1 .',
      '192.0.2.1 com.',
      '192.0.2.2 example.com.',
      '192.0.2.10 www.example.com.',
    ]);
  });
  test('what is known of zones, names and denials is not asked for again', async () => {
    const { internet, resolve } = setUp();
    await resolve('www.example.com');
    await resolve('alias.example.com');
    const before = internet.asked.length;
    expect(texts(await resolve('alias.example.com'))).toEqual(['CNAME www.example.com.', 'A 10.0.0.1']);
    await resolve('www.example.com', Type.MX);
    await resolve('nothing.example.com');
    expect(internet.asked.length).toBe(before + 2);
    expect((await resolve('www.example.com', Type.MX)).answers).toEqual([]);
    expect((await resolve('nothing.example.com')).rcode).toBe(Rcode.NXDOMAIN);
    expect((await resolve('below.nothing.example.com')).rcode).toBe(Rcode.NXDOMAIN);
    expect(internet.asked.length).toBe(before + 2);
  });
  test('many who ask the same at once lead to one query a server', async () => {
    const { internet, resolve } = setUp();
    const results = await Promise.all(Array.from({ length: 50 }, () => resolve('www.example.com')));
    expect(results.every(one => texts(one)[0] === 'A 10.0.0.1')).toBe(true);
    expect(internet.asked.length).toBe(4);
  });
  test('many whose aliases lead to one great response go on a few at a time', async () => {
    const records = Array.from(
      { length: 100 },
      (_, i) => `big.example 300 TXT "${i}" "${'x'.repeat(250)}" "${'y'.repeat(250)}"`,
    );
    const big = response('big.example', Type.TXT, { answer: records.join('\n') });
    let release!: () => void;
    const held = new Promise<void>(resolve => (release = resolve));
    let asked = 0;
    const ask: AskServer = async ({ name, type }) => {
      const text = nameToText(name);
      if (text === '.') return response('.', Type.NS, { answer: '. 300 NS ns.', additional: 'ns. 300 A 192.0.2.1' });
      if (type !== Type.TXT) return response(text, type, { authority: '. 60 SOA ns. hm. 1 1 1 1 60' });
      if (text !== 'big.example.') return response(text, type, { answer: `${text} 300 CNAME big.example.` });
      asked++;
      await held;
      return big.slice();
    };
    const { resolve } = setUp({}, undefined, ask);
    let done = 0;
    const all = Promise.all(
      Array.from({ length: 40 }, (_, i) => resolve(`x${i}.example`, Type.TXT).then(() => done++)),
    );
    await settle();
    release();
    let most = 0;
    for (let before = 0; done < 40; before = done) {
      await new Promise(resolveTurn => setImmediate(resolveTurn));
      most = Math.max(most, done - before);
    }
    await all;
    expect(asked).toBe(1);
    expect(most).toBeLessThanOrEqual(7);
  });
  test('a name server without glue is looked up', async () => {
    const { resolve } = setUp();
    expect(texts(await resolve('www.glueless.com'))).toEqual(['A 10.0.0.3']);
  });
  test('after its lifetime a delegation is asked for anew', async () => {
    const { internet, resolve, shift } = setUp();
    await resolve('www.example.com');
    shift(3_700_000);
    await resolve('www.example.com');
    expect(internet.asked.filter(one => one.server === '192.0.2.2').length).toBe(2);
  });
  test('what a delegation leads to ends with it, though it ended while its servers were asked (CVE-2022-30698)', async () => {
    const internet = smallInternet();
    let late = false;
    const ask: AskServer = async (question, server, timeoutMs, cancel) => {
      const response = await internet.ask(question, server, timeoutMs, cancel);
      if (late && server.at.address === '192.0.2.10') await pass(10_000);
      return response;
    };
    const { rrsets, resolve, pass } = setUp({ deadlineMs: 60_000 }, internet, ask);
    await resolve('www.example.com');
    await pass(3_595_000);
    late = true;
    expect(texts(await resolve('www.sub.example.com'))).toEqual(['A 10.0.0.4']);
    expect(rrsets.delegation(encodeName('sub.example.com'))).toBeUndefined();
  });
  test("who refreshes an answer asks the parent again when its zone's own NS set is old", async () => {
    const internet = smallInternet();
    const { recursor, resolve, shift } = setUp({}, internet);
    await resolve('www.example.com');
    await resolve('example.com', Type.NS);
    shift(280_000); // of the 300 s that the zone gives its NS set, and the hour that its parent does
    const before = internet.asked.length;
    await recursor.resolve(encodeName('www.example.com'), Type.A, { fresh: true });
    expect(internet.asked.slice(before).map(one => one.server)).toEqual(['192.0.2.2', '192.0.2.10']);
  });
  test('addresses from beside a zone are looked up before they are used, where that is wanted', async () => {
    const soa = 'ns.example. hostmaster.example. 1 3600 600 86400 300';
    const internet = new FakeInternet()
      .serve('192.0.2.1', '.', `. SOA ${soa}\n. NS a.root.\na.root. A 192.0.2.1\ncom. NS ns.com.\nns.com. A 192.0.2.2`)
      .serve(
        '192.0.2.2',
        'com.',
        `com. SOA ${soa}\nsister.com. NS ns.brother.com.\nbrother.com. NS ns2.brother.com.
        ns.brother.com. A 192.0.2.66\nns2.brother.com. A 192.0.2.77`,
      )
      .serve('192.0.2.66', 'sister.com.', `sister.com. SOA ${soa}\nwww.sister.com. A 10.0.0.66`)
      .serve('192.0.2.77', 'brother.com.', `brother.com. SOA ${soa}\nns.brother.com. A 192.0.2.77`)
      .serve('192.0.2.77', 'sister.com.', `sister.com. SOA ${soa}\nwww.sister.com. A 10.0.0.77`);
    const sister = async (verifyGlue: boolean) => {
      const { resolve } = setUp({ verifyGlue }, internet);
      return texts(await resolve('www.sister.com'));
    };
    expect(await sister(false)).toEqual(['A 10.0.0.66']);
    expect(await sister(true)).toEqual(['A 10.0.0.77']);
  });
  test('a minimum lengthens what is kept, and what is kept grows older from there', async () => {
    const { resolve, shift } = setUp({ minTtl: 1000 });
    expect((await resolve('www.example.com')).answers[0].ttl).toBe(1000);
    shift(990_000);
    expect((await resolve('www.example.com')).answers[0].ttl).toBeLessThanOrEqual(10);
  });
  test.each([
    ['a name above it does not exist', 'internal', Type.A],
    ["its own DS records, which are its parent's, do not exist", 'corp.internal', Type.DS],
  ])('a configured zone is asked though %s', async (_, denied, type) => {
    const internet = smallInternet().serve(
      '192.0.2.50',
      'corp.internal.',
      `corp.internal. SOA ns.corp.internal. h.corp.internal. 1 3600 600 86400 300
      corp.internal. A 10.0.0.8
      www.corp.internal. A 10.0.0.9`,
    );
    const zones = configuredZones(
      [{ name: 'corp.internal', servers: ['192.0.2.50'], first: false, tcp: false, noCache: false }],
      [],
    );
    const { resolve } = setUp({ zones }, internet);
    expect((await resolve(denied, type)).rcode).toBe(Rcode.NXDOMAIN);
    expect(texts(await resolve('www.corp.internal'))).toEqual(['A 10.0.0.9']);
    expect(texts(await resolve('corp.internal'))).toEqual(['A 10.0.0.8']);
  });
  test('a stub zone and a forward zone are asked where they are configured to be', async () => {
    const zones = configuredZones(
      [{ name: 'example.net', servers: ['192.0.2.11'], first: false, tcp: false, noCache: false }],
      [{ name: 'example.com', servers: ['192.0.2.10'], first: false, tcp: false, noCache: true }],
    );
    const { internet, resolve } = setUp({ zones });
    expect(texts(await resolve('www.example.net'))).toEqual(['A 10.0.0.2']);
    expect((await resolve('www.example.com')).noCache).toBe(true);
    await resolve('www.example.com');
    expect(internet.asked.map(one => one.server)).toEqual(['192.0.2.11', '192.0.2.10', '192.0.2.10']);
  });
});

test('where the servers of a zone fail, the next configured zone above it is asked, if the zone says so', async () => {
  const internet = smallInternet();
  internet.silent.add('192.0.2.66');
  const zone = (name: string, server: string, first: boolean) => ({
    name,
    servers: [server],
    first,
    tcp: false,
    noCache: false,
  });
  const fallBack = async (first: boolean) => {
    const zones = configuredZones(
      [zone('example.com', '192.0.2.66', first), zone('com', '192.0.2.66', true)],
      [zone('.', '192.0.2.10', false)],
    );
    return setUp({ zones, deadlineMs: 60_000 }, internet).resolve('www.example.com');
  };
  expect(texts(await fallBack(true))).toEqual(['A 10.0.0.1']);
  await failure(fallBack(false));
});

describe('hostile and broken servers', () => {
  test('a referral to many name servers that do not exist costs a few queries (NXNSAttack)', async () => {
    const { internet, resolve } = setUp();
    await resolve('www.example.net');
    const before = internet.asked.length;
    expect((await failure(resolve('www.fan.com'))).extendedError).toBe(ExtendedError.noReachableAuthority);
    expect(internet.asked.length - before).toBeLessThanOrEqual(3 + RECURSION_LIMITS.addressless);
  });
  test('name servers that are known not to exist cost nothing, and hide none that does', async () => {
    const soa = 'ns.example. hostmaster.example. 1 3600 600 86400 300';
    const dead = Array.from({ length: 19 }, (_, i) => `gone${i}.dead.com`);
    // Servers are asked in any order: the one that exists may come first by chance.
    for (let round = 0; round < 4; round++) {
      const many = [...dead, 'ns.live.net'].map(name => `many.com. NS ${name}.`).join('\n');
      const internet = new FakeInternet()
        .serve(
          '192.0.2.1',
          '.',
          `. SOA ${soa}\n. NS a.root.\na.root. A 192.0.2.1\ncom. NS ns.com.\nns.com. A 192.0.2.2\nnet. NS ns.net.\nns.net. A 192.0.2.4`,
        )
        .serve('192.0.2.2', 'com.', `com. SOA ${soa}\n${many}`)
        .serve('192.0.2.4', 'net.', `net. SOA ${soa}\nns.live.net. A 192.0.2.3`)
        .serve('192.0.2.3', 'many.com.', `many.com. SOA ${soa}\nwww.many.com. A 10.0.0.9`);
      const { resolve } = setUp({ qnameMinimisation: 'off', nothingBelowNxdomain: false }, internet);
      for (const name of dead) await resolve(name);
      const before = internet.asked.length;
      expect(texts(await resolve('www.many.com'))).toEqual(['A 10.0.0.9']);
      expect(internet.asked.slice(before).map(one => one.name)).toEqual([
        'www.many.com.',
        'ns.live.net.',
        'ns.live.net.',
        'www.many.com.',
      ]);
    }
  });
  test('a zone whose many servers refuse is given up after a few', async () => {
    const names = Array.from({ length: 10 }, (_, i) => `ns${i}.many.com.`);
    const soa = 'ns.example. hostmaster.example. 1 3600 600 86400 300';
    const com = names.map((name, i) => `many.com. NS ${name}\n${name} A 192.0.2.${100 + i}`).join('\n');
    const internet = new FakeInternet()
      .serve('192.0.2.1', '.', `. SOA ${soa}\n. NS a.root.\na.root. A 192.0.2.1\ncom. NS ns.com.\nns.com. A 192.0.2.2`)
      .serve('192.0.2.2', 'com.', `com. SOA ${soa}\n${com}`);
    for (let i = 0; i < 10; i++) internet.serve(`192.0.2.${100 + i}`, 'other.com.', `other.com. SOA ${soa}`);
    const { resolve } = setUp({ qnameMinimisation: 'off' }, internet);
    expect((await failure(resolve('www.many.com'))).message).toMatch(/REFUSED/);
    expect(internet.asked.length).toBe(3 + RECURSION_LIMITS.uselessServers);
  });
  test('a denial without an SOA is believed for a few seconds, and not below its name', async () => {
    const { internet, resolve, shift } = setUp();
    internet.override = (server, name, type) =>
      server !== '192.0.2.10'
        ? undefined
        : encodeMessage({
            id: 0,
            flags: Flag.QR | Flag.AA | (name === 'none.example.com.' ? Rcode.NXDOMAIN : Rcode.NOERROR),
            question: { name: encodeName(name), type, dnsClass: 1 },
            answers: [],
            authorities: [],
            additionals: [],
          });
    expect((await resolve('none.example.com')).rcode).toBe(Rcode.NXDOMAIN);
    const before = internet.asked.length;
    expect((await resolve('none.example.com')).rcode).toBe(Rcode.NXDOMAIN);
    expect(internet.asked.length).toBe(before);
    expect((await resolve('below.none.example.com')).rcode).toBe(Rcode.NOERROR);
    shift(6000);
    const later = internet.asked.length;
    await resolve('none.example.com');
    expect(internet.asked.length).toBeGreaterThan(later);
  });
  test("malformed data, more records than a zone has, and YXDOMAIN for a name that is no DNAME's, are no answers", async () => {
    const address = (i: number): ResourceRecord => ({
      name: encodeName('www.example.com'),
      type: Type.A,
      dnsClass: 1,
      ttl: 86_400,
      data: Uint8Array.of(192, 0, i >> 8, i & 255),
    });
    const many = Array.from({ length: 501 }, (_, i) => address(i));
    const cname = { ...address(0), type: Type.CNAME };
    const cases: [why: string, rejected: boolean, rcode: number, answers: ResourceRecord[]][] = [
      ['three octets of address', true, 0, [{ ...address(0), data: Uint8Array.of(10, 0, 0) }]],
      [
        'octets behind an alias',
        true,
        0,
        [{ ...cname, data: Uint8Array.from([...encodeName('x.test'), 0, 16, 0, 3]) }],
      ],
      ['101 records of one RRset', true, 0, many.slice(0, 101)],
      ['501 records', true, 0, many.map((one, i) => ({ ...one, name: encodeName(`n${i >> 6}.example.com`) }))],
      ['YXDOMAIN', false, Rcode.YXDOMAIN, [address(1)]],
    ];
    for (const [why, rejected, rcode, answers] of cases) {
      const { internet, recursor, resolve } = setUp({ qnameMinimisation: 'off' });
      let bad = true;
      internet.override = (server, name, type) =>
        server !== '192.0.2.10' || !bad
          ? undefined
          : encodeMessage({
              id: 0,
              flags: Flag.QR | Flag.AA | rcode,
              question: { name: encodeName(name), type, dnsClass: 1 },
              answers,
              authorities: [],
              additionals: [],
            });
      const { extendedError } = await failure(resolve('www.example.com'));
      expect(recursor.stats.rejectedResponses > 0, why).toBe(rejected);
      // Servers that were reached and sent nonsense are not told as out of reach (RFC 8914 section 4.23).
      expect(extendedError, why).toBe(rejected ? ExtendedError.other : ExtendedError.noReachableAuthority);
      bad = false; // none of it was kept
      expect((await resolve('www.example.com')).rcode, why).toBe(Rcode.NOERROR);
    }
  });
  test('an answer with a private address is refused where it is not to be stripped of it', async () => {
    const ten = [parsePrefix('10.0.0.0/8', '')];
    const { internet, resolve } = setUp({
      rules: new AddressRules([], ten, [encodeName('glueless.com')], { refuses: true }),
    });
    expect((await failure(resolve('www.example.com'))).extendedError).toBe(ExtendedError.blocked);
    expect(internet.asked.length).toBe(4); // nobody else is asked
    expect(texts(await resolve('www.glueless.com'))).toEqual(['A 10.0.0.3']);
  });
  test('a name server at a private address is not asked, whoever names the address', async () => {
    const soa = 'ns.example. hostmaster.example. 1 3600 600 86400 300';
    const internet = new FakeInternet()
      .serve(
        '192.0.2.1',
        '.',
        `. SOA ${soa}\n. NS a.root.\na.root. A 192.0.2.1\nshop. NS inner.corp.\ncorp. NS ns.corp.\nns.corp. A 192.0.2.2
        glue. NS ns.glue.\nns.glue. A 10.9.9.9`,
      )
      .serve('192.0.2.2', 'corp.', `corp. SOA ${soa}\ninner.corp. A 10.9.9.9`)
      .serve('10.9.9.9', 'shop.', `shop. SOA ${soa}\nwww.shop. A 192.0.2.3`)
      .serve('10.9.9.9', 'glue.', `glue. SOA ${soa}\nwww.glue. A 192.0.2.3`);
    const { resolve } = setUp({ rules: new AddressRules([], [parsePrefix('10.0.0.0/8', '')], []) }, internet);
    for (const name of ['www.shop', 'www.glue', 'www.shop']) await failure(resolve(name));
    expect(internet.asked.map(one => one.server)).toContain('192.0.2.2');
    expect(internet.asked.map(one => one.server)).not.toContain('10.9.9.9');
    expect(texts(await setUp({}, internet).resolve('www.shop'))).toEqual(['A 192.0.2.3']);
  });
  test('chains and circles of aliases end', async () => {
    const { internet, resolve } = setUp();
    expect((await failure(resolve('c0.example.com'))).message).toMatch(/more than 11 aliases/);
    expect(internet.asked.length).toBeLessThan(20);
    const circle = await failure(resolve('loop.example.com'));
    expect(circle.message).toMatch(/circle/);
    expect(circle.answers.length).toBe(1);
  });
  test('a query is worth so many queries and no more', async () => {
    const { internet, resolve } = setUp({ maxQueries: 2 });
    expect((await failure(resolve('www.example.com'))).message).toMatch(/2 queries/);
    // Priming is nobody's query.
    expect(internet.asked.length).toBeLessThanOrEqual(3);
  });
  test('silence everywhere ends, and says which zone was silent', async () => {
    const { internet, resolve } = setUp();
    internet.silent.add('192.0.2.10');
    const error = await failure(resolve('www.example.com'));
    expect(error.message).toMatch(/^example\.com\./);
    expect(error.extendedError).toBe(ExtendedError.noReachableAuthority);
  });
  test('a server that refers to itself or upwards is of no use', async () => {
    const soa = 'ns.example. hostmaster.example. 1 3600 600 86400 300';
    const com = `com. SOA ${soa}\ncom. NS ns.com.\nns.com. A 192.0.2.2
      example.com. NS ns.example.com.\nns.example.com. A 192.0.2.10`;
    const internet = new FakeInternet()
      .serve('192.0.2.1', '.', `. SOA ${soa}\n. NS a.root.\na.root. A 192.0.2.1\ncom. NS ns.com.\nns.com. A 192.0.2.2`)
      .serve('192.0.2.2', 'com.', com)
      .serve('192.0.2.10', 'com.', com);
    const { recursor, resolve } = setUp({}, internet);
    await failure(resolve('www.example.com'));
    expect(recursor.stats.lame).toBeGreaterThan(0);
    expect(internet.asked.length).toBeLessThan(12);
  });
  test('whatever octets a server sends, the resolution ends with an answer or an error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 0, maxLength: 200 }), async noise => {
        const { internet, resolve } = setUp();
        internet.override = server => (server === '192.0.2.10' ? noise : undefined);
        const result = await resolve('www.example.com').catch((error: unknown) => error);
        if (result instanceof Error) expect(result).toBeInstanceOf(ResolutionError);
        expect(internet.asked.length).toBeLessThanOrEqual(200);
      }),
      { numRuns: 60 },
    );
  });
  test('nothing of a response is believed outside the zone of its server, and referrals lead below it', () => {
    const zone = encodeName('example.com');
    const asked = { name: encodeName('www.example.com'), zone, type: Type.A, recursive: false };
    const owner = fc.constantFrom(...['.', 'com', 'example.com', 'www.example.com', 'a.www.example.com', 'evil.net']);
    const data: Record<number, string> = {
      [Type.A]: '192.0.2.1',
      [Type.NS]: 'ns.evil.net.',
      [Type.CNAME]: 'www.evil.net.',
      [Type.DNAME]: 'evil.net.',
      [Type.SOA]: 'ns.evil.net. x.evil.net. 1 2 3 4 5',
      [Type.DS]: '1 8 2 00',
    };
    const record = fc.tuple(owner, fc.constantFrom(...Object.keys(data).map(Number))).map(([name, type]) => ({
      name: encodeName(name),
      type,
      dnsClass: 1,
      ttl: 60,
      data: encodeRdata(type, data[type], '.'),
    }));
    const section = fc.array(record, { maxLength: 4 });
    const seen = new Set<string>();
    fc.assert(
      fc.property(
        section,
        section,
        section,
        fc.constantFrom(0, 3, 0x400, 0x403, 0x80),
        (answers, authorities, additionals, flags) => {
          const question = { name: asked.name, type: Type.A, dnsClass: 1 };
          const message = { id: 0, flags: 0x8000 | flags, question, answers, authorities, additionals };
          const meaning = classify(message, asked, { hardenGlue: true, maxNameServers: 20 });
          seen.add(meaning.kind);
          const found = meaning.kind === 'recursive' || meaning.kind === 'empty' ? meaning.found : meaning;
          const believed =
            found.kind === 'answer'
              ? [...found.rrsets, ...found.authority, ...found.additional, ...(found.ns ? [found.ns] : [])]
              : found.kind === 'referral'
                ? [found.ns, ...found.glue, ...(found.ds ? [found.ds] : [])]
                : [];
          for (const rrset of believed) expect(isAtOrBelow(rrset.name, zone)).toBe(true);
          if (found.kind === 'referral') expect(found.ns.name.length).toBeGreaterThan(zone.length);
        },
      ),
      { numRuns: 3000, seed: 7 },
    );
    // The cases that matter were among them.
    for (const kind of ['answer', 'referral', 'lame', 'recursive', 'empty']) expect(seen).toContain(kind);
  });
});
