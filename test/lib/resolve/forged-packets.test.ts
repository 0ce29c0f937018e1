// What one forged packet may break, and for how long: a question asked again, and nothing that lasts.
import { describe, expect, test } from 'vitest';
import { Security } from '../../../lib/cache/rrset-cache.js';
import { statusIn } from '../../../lib/cache/rrset-entry.js';
import { keyTag } from '../../../lib/dnssec/key.js';
import { AddressRules } from '../../../lib/resolve/recurse/address-rules.js';
import type { AskServer } from '../../../lib/resolve/recurse/options.js';
import { Rcode, Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import { groupRrsets, type Rrset } from '../../../lib/wire/rrset.js';
import { recordOf } from '../../support/entries.js';
import { setUpRecursor, texts } from '../../support/recursor.js';
import { type Reply, SignedDelegations } from '../../support/signed-delegations.js';
import { type Said, SignedInternet, tampered } from '../../support/signed-internet.js';
import { NOW, SignedTree, TIMES, unsigned, type ZoneParts } from '../../support/signed-tree.js';
import { makeKey, signRrset } from '../../support/signed-zone.js';

const ZONES: Readonly<Record<string, ZoneParts>> = {
  '.': {},
  'com.': {},
  'shop.com.': {
    lines: [
      'shop.com. 86400 NS ns.shop.com.',
      'ns.shop.com. 86400 A 192.0.2.10',
      'www.shop.com. 300 A 192.0.2.80',
      'www.shop.com. 300 TXT "text"',
      'mail.shop.com. 300 A 192.0.2.81',
      ...Array.from({ length: 12 }, (_, i) => `w${i}.shop.com. 300 A 192.0.2.82`),
    ],
  },
  'other.com.': { lines: ['www.other.com. 300 A 192.0.2.90'] },
};
const WWW = 'A 192.0.2.80 secure';
const SERVERS = ['192.0.2.1', '192.0.2.2'];

function recursor(tree: SignedTree, ask: AskServer, rootHints: string[]) {
  const validation = { anchors: tree.anchors, policy: {}, budget: {}, aggressive: true, signal: false, rootTags: [] };
  const rules = new AddressRules([], [], []);
  const t = setUpRecursor({ validation, rootHints, qnameMinimisation: 'off', rules }, undefined, ask);
  t.clock.wall = NOW;
  /** Records and what validation says of them; or the error. */
  const get = (name: string, type: number = Type.A, how: { checkingDisabled?: boolean } = {}): Promise<string> =>
    t.recursor.resolve(encodeName(name), type, how).then(
      result => `${texts(result).join(', ')} ${result.secure ? 'secure' : 'unproven'}`,
      (error: unknown) => (error as Error).message,
    );
  const pass = async (seconds: number): Promise<void> => {
    t.clock.wall += seconds;
    await t.pass(seconds * 1000);
  };
  return { ...t, get, pass };
}

/** All of the servers have all of the zones. */
function setUp({ servers = SERVERS, zones = ZONES } = {}) {
  const internet = new SignedInternet(new SignedTree(zones));
  const t = recursor(internet.tree, internet.ask, servers);
  let forged = 0;
  /** The first answer to this question is another. */
  const forge = (question: string, make: (truth: Said) => Said): void => {
    internet.lie = (truth, _, name, type) =>
      question === `${name} ${type}` && forged++ === 0 ? make(truth) : undefined;
  };
  return { ...t, internet, forge, forged: () => forged };
}
const questionOf = (name: string, type: keyof typeof Type): string => `${name} ${Type[type]}`;

/** A signature of the zone's key by its tag, which is none. */
function junkSignature(tree: SignedTree, zone: string, seed: number): Uint8Array {
  const signed = tree.signed(zone);
  const head = Buffer.alloc(18);
  head.writeUInt16BE(Type.NSEC, 0);
  head[2] = signed.key.algorithm;
  head[3] = zone.split('.').filter(label => label !== '').length + 1;
  head.writeUInt32BE(3600, 4);
  head.writeUInt32BE(TIMES.expiration, 8);
  head.writeUInt32BE(TIMES.inception, 12);
  head.writeUInt16BE(keyTag(signed.key.data), 16);
  return Buffer.concat([head, signed.zone, Buffer.alloc(64, seed + 1)]);
}

/** A denial with as many signatures to check as fit. */
function costly(tree: SignedTree, zone: string, rcode: number): Said {
  const { zone: apex } = tree.signed(zone);
  const authority: Rrset[] = [tree.find(zone, 'SOA')];
  for (let i = 0; i < 16; i++) {
    const name = Buffer.concat([Buffer.from([2, 97 + (i >> 3), 97 + (i & 7)]), apex]);
    const signatures = Array.from({ length: 4 }, (_, seed) => junkSignature(tree, zone, seed));
    authority.push({
      name,
      type: Type.NSEC,
      ttl: 3600,
      data: [Buffer.concat([apex, Buffer.of(0, 1, 0x40)])],
      signatures,
    });
  }
  return { rcode, answer: [], authority };
}
const nxdomain = (): Said => ({
  rcode: Rcode.NXDOMAIN,
  answer: [],
  authority: [unsigned('. 86400 SOA a. b. 1 3600 600 86400 3600')],
});

describe('a denial that is bogus', () => {
  test.each([['com.'], ['.']])('of %s is for its own question, and for no name below', async victim => {
    const { get, internet } = setUp();
    await get('warm.shop.com.');
    internet.lie = (_, __, name, type) => (name === victim && type === Type.TXT ? nxdomain() : undefined);
    expect(await get(victim, Type.TXT)).toMatch(/is bogus/);
    expect(await get(victim, Type.TXT)).toMatch(/is bogus/);
    expect(await get('www.shop.com.')).toBe(WWW);
    expect(await get('mail.shop.com.')).toBe('A 192.0.2.81 secure');
    expect(await get(victim, Type.NS)).not.toMatch(/bogus/);
    expect(await get(victim, Type.TXT, { checkingDisabled: true })).toBe(' unproven');
  });
  test('takes nothing away that is secure', async () => {
    const { get, rrsets, internet } = setUp();
    expect(await get('nothing.shop.com.')).toBe(' secure');
    internet.lie = () => ({ rcode: Rcode.NOERROR, answer: [], authority: nxdomain().authority });
    rrsets.askedAt = Infinity;
    rrsets.putNoData(encodeName('nothing.shop.com.'), Type.A, { authority: [], ttl: 300 });
    expect(statusIn(rrsets.nxdomain(encodeName('nothing.shop.com.'))!.security)).toBe(Security.secure);
    expect(await get('nothing.shop.com.')).toBe(' secure');
  });
});

describe('what a question that was not to be checked left behind', () => {
  test.each([['one server', ['192.0.2.1']] as const, ['two', SERVERS] as const])(
    'is asked for anew, of %s, when it does not prove itself',
    async (_, servers) => {
      const { get, forge } = setUp({ servers: [...servers] });
      await get('warm.shop.com.');
      forge(questionOf('www.shop.com.', 'A'), tampered);
      expect(await get('www.shop.com.', Type.A, { checkingDisabled: true })).toBe('A 6.6.6.6 unproven');
      expect(await get('www.shop.com.')).toBe(WWW);
    },
  );
  test('denies nothing below it', async () => {
    const { get, forge, rrsets } = setUp();
    await get('warm.shop.com.');
    forge(questionOf('com.', 'A'), nxdomain);
    await get('com.', Type.A, { checkingDisabled: true });
    expect(await get('www.shop.com.')).toBe(WWW);
    expect(rrsets.nxdomain(encodeName('com.'))).toBeUndefined();
    expect(await get('www.other.com.')).toBe('A 192.0.2.90 secure');
  });
  test('about DS spoils no zone', async () => {
    const { get, forge } = setUp();
    await get('warm.com.');
    forge(questionOf('shop.com.', 'DS'), () => ({ ...nxdomain(), rcode: Rcode.NOERROR }));
    await get('shop.com.', Type.DS, { checkingDisabled: true });
    await get('www.shop.com.', Type.A, { checkingDisabled: true });
    expect(await get('www.shop.com.')).toBe(WWW);
    expect(await get('mail.shop.com.')).toBe('A 192.0.2.81 secure');
  });
});

describe('an answer that costs more to check than a question may', () => {
  test('is asked for anew, of another server', async () => {
    const { get, forge, forged, internet } = setUp();
    forge(questionOf('www.shop.com.', 'A'), () => costly(internet.tree, 'shop.com.', Rcode.NXDOMAIN));
    expect(await get('www.shop.com.')).toBe(WWW);
    expect(forged()).toBe(2);
  });
  test.each([
    ['shop.com.', 'com.'],
    ['com.', '.'],
  ])('about the DS of %s spoils no zone', async (child, zone) => {
    const { get, forge, internet } = setUp();
    forge(questionOf(child, 'DS'), () => costly(internet.tree, zone, Rcode.NOERROR));
    expect(await get('www.shop.com.')).toBe(WWW);
    expect(await get('mail.shop.com.')).toBe('A 192.0.2.81 secure');
  });
  test('is remembered by nobody where all give it, and costs a bounded part each time', async () => {
    const { get, internet } = setUp();
    await get('warm.shop.com.');
    internet.lie = (_, __, name) =>
      name === 'www.shop.com.' ? costly(internet.tree, 'shop.com.', Rcode.NXDOMAIN) : undefined;
    expect(await get('www.shop.com.')).toMatch(/is bogus/);
    internet.lie = undefined;
    expect(await get('www.shop.com.')).toBe(WWW);
  });
});

describe('the way to a zone', () => {
  const evil = Array.from({ length: 12 }, (_, i) => `203.0.113.${i + 1}`);
  const lieOf = (name: string): Reply => ({ rcode: 0, answer: [unsigned(`${name} 300 A 6.6.6.6`)], authority: [] });
  const servers = { '.': ['192.0.2.1'], 'com.': ['192.0.2.2', '192.0.2.3'], 'shop.com.': ['192.0.2.10', '192.0.2.11'] };
  function setUpWay(zones = ZONES, more: Record<string, string[]> = {}) {
    const net = new SignedDelegations(new SignedTree(zones), { ...servers, ...more });
    return { ...recursor(net.tree, net.ask, ['192.0.2.1']), net };
  }

  test('by one forged referral is asked for anew of the parent', async () => {
    const { get, net } = setUpWay();
    let forged = 0;
    net.lie = (server, name, type) => {
      if (evil.includes(server)) return lieOf(name);
      const isParents = servers['com.'].includes(server) && name === 'www.shop.com.' && type === Type.A;
      return isParents && forged++ === 0 ? net.referral('shop.com.', evil) : undefined;
    };
    expect(await get('www.shop.com.')).toBe(WWW);
    expect(await get('mail.shop.com.')).toBe('A 192.0.2.81 secure');
    expect(forged).toBeGreaterThan(1);
  });
  test('by one forged NS set, which was not to be checked', async () => {
    const { get, net } = setUpWay(
      { ...ZONES, 'evil.com.': { lines: evil.map(one => `ns.evil.com. 86400 A ${one}`) } },
      { 'evil.com.': ['192.0.2.66'] },
    );
    await get('warm.shop.com.');
    let forged = 0;
    net.lie = (server, name, type) => {
      if (evil.includes(server)) return lieOf(name);
      if (name !== 'shop.com.' || type !== Type.NS || forged++ > 0) return undefined;
      return { rcode: 0, answer: [unsigned('shop.com. 86400 NS ns.evil.com.')], authority: [] };
    };
    expect(await get('shop.com.', Type.NS, { checkingDisabled: true })).toBe('NS ns.evil.com. unproven');
    await get('ns.evil.com.');
    // Whom of them a question is put to is chance.
    for (let i = 0; i < 12; i++) expect(await get(`w${i}.shop.com.`)).toBe('A 192.0.2.82 secure');
  });
  test('by one forged set of addresses of its name server', async () => {
    const zones = { ...ZONES, 'prov.com.': { lines: ['ns1.prov.com. 86400 A 192.0.2.10'] } };
    const { get, net } = setUpWay(zones, { 'prov.com.': ['192.0.2.66'] });
    let forged = 0;
    net.lie = (server, name, type) => {
      if (evil.includes(server)) return lieOf(name);
      const isShops = /(^|\.)shop\.com\.$/.test(name) && !(type === Type.DS && name === 'shop.com.');
      if (servers['com.'].includes(server) && isShops) {
        const ns = unsigned('shop.com. 86400 NS ns1.prov.com.');
        return { rcode: 0, answer: [], authority: [ns, net.tree.find('shop.com.', 'DS')], isReferral: true };
      }
      if (server !== '192.0.2.66' || name !== 'ns1.prov.com.' || type !== Type.A || forged++ > 0) return undefined;
      const answer = groupRrsets(evil.map(one => recordOf(`ns1.prov.com. 86400 A ${one}`)));
      return { rcode: 0, answer, authority: [] };
    };
    expect(await get('www.shop.com.')).toBe(WWW);
    expect(forged).toBe(2);
  });
  test('is doubted once in a minute', async () => {
    const { get, net, pass } = setUpWay();
    net.lie = (server, name) => (servers['shop.com.'].includes(server) ? lieOf(name) : undefined);
    const asksParent = async (name: string): Promise<boolean> => {
      const before = net.asked.length;
      expect(await get(name)).toMatch(/is bogus/);
      return net.asked.slice(before).includes('. NS 192.0.2.1');
    };
    await asksParent('warm.shop.com.');
    expect(await asksParent('www.shop.com.')).toBe(false);
    await pass(61);
    expect(await asksParent('www.shop.com.')).toBe(true);
  });
  test('as it was validated outlasts a referral that says otherwise', async () => {
    const { recursor: resolver, get, net, rrsets } = setUpWay();
    await get('ns.shop.com.');
    await get('shop.com.', Type.NS);
    net.lie = server => (servers['com.'].includes(server) ? net.referral('shop.com.', evil) : undefined);
    await resolver.resolve(encodeName('shop.com.'), Type.DS, { fresh: true, checkingDisabled: true });
    for (const [name, type] of [
      ['ns.shop.com.', Type.A],
      ['shop.com.', Type.NS],
    ] as const) {
      expect(statusIn(rrsets.get(encodeName(name), type)!.security)).toBe(Security.secure);
    }
  });
});

test('keys of a zone that do not verify what it has signed since are fetched anew', async () => {
  const { get, internet, pass } = setUp();
  const { tree } = internet;
  const shop = tree.signed('shop.com.');
  const next = makeKey('P-256', 256);
  const old = tree.find('shop.com.', 'DNSKEY');
  const now = signRrset({ ...old, data: [...old.data, next.data], signatures: [] }, shop.zone, shop.key, TIMES);
  let replayed = 0;
  internet.lie = (said, _, name, type) => {
    if (name === 'shop.com.' && type === Type.DNSKEY) return { ...said, answer: [replayed++ === 0 ? old : now] };
    if (type !== Type.A || said.answer.length === 0) return undefined;
    const answer = said.answer.map(one => signRrset({ ...one, signatures: [] }, shop.zone, next, TIMES));
    return { ...said, answer };
  };
  expect(await get('www.shop.com.')).toBe(WWW);
  await pass(61);
  expect(await get('mail.shop.com.')).toBe('A 192.0.2.81 secure');
  expect(replayed).toBe(2);
});

test('one forged packet and no answer after it: that is not remembered as bogus', async () => {
  const { get, clock, forge, forged, internet, rrsets } = setUp();
  await get('warm.shop.com.');
  forge(questionOf('www.shop.com.', 'A'), tampered);
  internet.silent = () => forged() > 0;
  const first = get('www.shop.com.');
  await clock.advance(6000);
  expect(await first).toMatch(/is bogus/);
  expect(statusIn(rrsets.get(encodeName('www.shop.com.'), Type.A)!.security)).toBe(Security.unchecked);
  internet.silent = () => false;
  expect(await get('www.shop.com.')).toBe(WWW);
});

test.each([['before'], ['after']])('a forged RRset %s the others of ANY says nothing of those', async place => {
  const { get, internet } = setUp();
  const forged = unsigned('www.shop.com. 300 MX 0 .');
  internet.lie = (said, _, __, type) =>
    type === Type.ANY
      ? { ...said, answer: place === 'before' ? [forged, ...said.answer] : [...said.answer, forged] }
      : undefined;
  expect(await get('www.shop.com.', Type.ANY)).toMatch(/MX: no signatures/);
  expect(await get('www.shop.com.')).toBe(WWW);
  expect(await get('www.shop.com.', Type.TXT)).toBe('TXT "text" secure');
});

test('what is forged in all answers to ANY is not remembered for questions of its type', async () => {
  const { get, internet } = setUp();
  internet.lie = (said, _, __, type) => (type === Type.ANY ? tampered(said) : undefined);
  expect(await get('www.shop.com.', Type.ANY)).toMatch(/is bogus/);
  expect(await get('www.shop.com.')).toBe(WWW);
});

test('an alias that is bogus is for the question that it answered', async () => {
  const { get, internet } = setUp();
  const alias = (): Said => ({ rcode: 0, answer: [unsigned('www.shop.com. 300 CNAME evil.com.')], authority: [] });
  internet.lie = (_, __, name, type) => (name === 'www.shop.com.' && type === Type.A ? alias() : undefined);
  expect(await get('www.shop.com.')).toMatch(/is bogus/);
  expect(await get('www.shop.com.')).toMatch(/is bogus/);
  expect(await get('www.shop.com.', Type.TXT)).toBe('TXT "text" secure');
});

test.each([[10 * 365 * 86_400], [3 * 3600], [120]])(
  'a clock that was %d s ahead heals when it is put right',
  async ahead => {
    const { get, clock, pass, internet } = setUp();
    if (ahead < 86_400)
      internet.lie = said => ({ ...said, answer: said.answer.map(one => ({ ...one, signatures: [] })) });
    clock.wall = NOW + ahead;
    expect(await get('www.shop.com.')).toMatch(/is bogus/);
    internet.lie = undefined;
    clock.wall = NOW;
    await pass(61);
    expect(await get('www.shop.com.')).toBe(WWW);
  },
);
