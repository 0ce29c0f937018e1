// Recursion that validates: what is told, kept, asked again and refused.
import { describe, expect, test } from 'vitest';
import { Rank, RrsetCache, Security } from '../../../lib/cache/rrset-cache.js';
import { statusIn } from '../../../lib/cache/rrset-entry.js';
import { TrustAnchors } from '../../../lib/dnssec/trust.js';
import { parsePrefix } from '../../../lib/base/address.js';
import { AddressRules } from '../../../lib/resolve/recurse/address-rules.js';
import { configuredZones } from '../../../lib/resolve/recurse/zones.js';
import { ExtendedError, Rcode, Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import { decodeRdata } from '../../../lib/wire/rdata.js';
import { failure, setUpRecursor, texts } from '../../support/recursor.js';
import { type Said, SignedInternet, tampered } from '../../support/signed-internet.js';
import type { Rrset } from '../../../lib/wire/rrset.js';
import { NOW, SignedTree, unsigned, type ZoneParts } from '../../support/signed-tree.js';

const ZONES: Readonly<Record<string, ZoneParts>> = {
  '.': {},
  'com.': {},
  'shop.com.': {
    lines: [
      'shop.com. 300 NS ns.shop.com.',
      'www.shop.com. 300 A 192.0.2.80',
      'alias.shop.com. 300 CNAME www.shop.com.',
      'away.shop.com. 300 CNAME www.plain.com.',
      'root-key-sentinel-is-ta-00001.shop.com. 300 A 192.0.2.82',
      'root-key-sentinel-not-ta-00001.shop.com. 300 A 192.0.2.83',
    ],
  },
  'plain.com.': { unsigned: true, lines: ['www.plain.com. 300 A 192.0.2.81'] },
};

const SOA = 'shop.com. 300 SOA ns.shop.com. hostmaster.shop.com. 1 2 3 4 5';

function setUp(
  servers: string[] = ['192.0.2.1'],
  zones = ZONES,
  { rules = new AddressRules([], [], []), stub }: { rules?: AddressRules; stub?: string } = {},
) {
  const internet = new SignedInternet(new SignedTree(zones));
  const validation = {
    anchors: internet.tree.anchors,
    policy: {},
    budget: {},
    aggressive: true,
    signal: false,
    rootTags: [],
  };
  // Asked about the stub zone, a server speaks for that; else for the root.
  const stubs = stub === undefined ? [] : [{ name: stub, servers, first: false, tcp: false, noCache: false }];
  const configured = { zones: configuredZones(stubs, []) };
  const options = { validation, rootHints: servers, qnameMinimisation: 'off', rules, ...configured } as const;
  const t = setUpRecursor(options, undefined, internet.ask);
  t.clock.wall = NOW;
  const get = (name: string, type: number = Type.A, how: { checkingDisabled?: boolean } = {}) =>
    t.recursor.resolve(encodeName(name), type, how);
  const status = (name: string, type: number = Type.A): number | undefined => {
    const found = t.rrsets.get(encodeName(name), type);
    return found && statusIn(found.security);
  };
  return { ...t, internet, get, status };
}

/** What a server makes of the alias of the wildcard beside a name, with the proof that the name does not exist. */
function fromWildcard({ tree }: SignedInternet, said: Said, name: string): Said {
  const wildcard = tree.find(name.replace(/^[^.]+/, '*'), 'CNAME');
  return { ...said, rcode: Rcode.NOERROR, answer: [{ ...wildcard, name: encodeName(name) }] };
}

test('a signed answer is secure, is kept as such, and its chain is asked for once', async () => {
  const { get, status, internet } = setUp();
  const first = await get('www.shop.com.');
  expect(texts(first)).toEqual(['A 192.0.2.80']);
  expect(first.secure).toBe(true);
  expect(status('www.shop.com.')).toBe(Security.secure);
  const asked = internet.asked.length;
  expect((await get('www.shop.com.')).secure).toBe(true);
  expect(internet.asked.length).toBe(asked);
  expect((await get('alias.shop.com.')).secure).toBe(true);
  expect(internet.asked.slice(asked)).toEqual(['alias.shop.com. A 192.0.2.1']);
});

test('what lies in a zone without keys is told, and is not secure; nor is a chain that leads there', async () => {
  const { get, status } = setUp();
  const plain = await get('www.plain.com.');
  expect(texts(plain)).toEqual(['A 192.0.2.81']);
  expect(plain.secure).toBe(false);
  expect(status('www.plain.com.')).toBe(Security.insecure);
  const away = await get('away.shop.com.');
  expect(texts(away)).toEqual(['CNAME www.plain.com.', 'A 192.0.2.81']);
  expect(away.secure).toBe(false);
  expect(status('away.shop.com.', Type.CNAME)).toBe(Security.secure);
});

test('a negative trust anchor ends the validation of a zone with an anchor of its own, as long as it lasts (RFC 7646)', async () => {
  const lines = ['www.shop.com. 300 A 192.0.2.80', 'later.shop.com. 300 A 192.0.2.81'];
  const zones = { ...ZONES, 'shop.com.': { lines: ['shop.com. 300 NS ns.shop.com.', ...lines] } };
  const { get, internet, recursor, clock } = setUp(undefined, zones);
  const { tree } = internet;
  const anchored = [tree.signed('.').anchor, tree.signed('shop.com.').anchor];
  const use = (anchors: TrustAnchors): void => {
    recursor.options = { ...recursor.options, validation: { ...recursor.options.validation!, anchors } };
  };
  internet.lie = said => tampered(said);
  use(new TrustAnchors(anchored, [{ name: 'shop.com.', until: NOW + 60 }]));
  const unproven = await get('www.shop.com.');
  expect([texts(unproven).length, unproven.secure]).toEqual([1, false]);
  clock.wall = NOW + 60;
  expect(await failure(get('later.shop.com.'))).toMatchObject({ isBogus: true });
});

test('that a name or its data does not exist is as secure as data', async () => {
  const { get, rrsets } = setUp();
  const none = await get('nothing.shop.com.');
  expect(none).toMatchObject({ rcode: Rcode.NXDOMAIN, secure: true });
  expect(statusIn(rrsets.nxdomain(encodeName('nothing.shop.com.'))!.security)).toBe(Security.secure);
  const nodata = await get('www.shop.com.', Type.AAAA);
  expect(nodata).toMatchObject({ rcode: Rcode.NOERROR, answers: [], secure: true });
});

test('what is bogus fails with its reason, is remembered for a minute, and is told to those who do not want it checked', async () => {
  const { get, internet, status, pass } = setUp();
  internet.lie = said => tampered(said);
  const error = await failure(get('www.shop.com.'));
  expect(error).toMatchObject({ extendedError: ExtendedError.dnssecBogus, isBogus: true, ours: false });
  expect(error.message).toMatch(/^www\.shop\.com\. A is bogus: .*does not verify/);
  expect(status('www.shop.com.')).toBe(Security.bogus);
  const asked = internet.asked.length;
  expect((await failure(get('www.shop.com.'))).message).toBe(error.message);
  expect(internet.asked.length).toBe(asked);
  const unchecked = await get('www.shop.com.', Type.A, { checkingDisabled: true });
  expect(texts(unchecked)).toEqual(['A 6.6.6.6']);
  expect(unchecked.secure).toBe(false);
  internet.lie = undefined;
  await pass(61_000);
  expect((await get('www.shop.com.')).secure).toBe(true);
});

describe('a question for signatures, which are never signed (RFC 4035 section 2.2)', () => {
  test('is told those that there are, as not secure', async () => {
    const { get, internet } = setUp();
    internet.lie = (said, _server, name, type) =>
      type === Type.RRSIG ? { ...said, rcode: 0, answer: [internet.tree.find(name, 'A')], authority: [] } : undefined;
    const found = await get('www.shop.com.', Type.RRSIG);
    expect(found).toMatchObject({ rcode: Rcode.NOERROR, secure: false });
    expect(found.answers.map(one => one.type)).toEqual([Type.RRSIG]);
  });

  test('is told that a name does not exist where that is proven, and nothing forged', async () => {
    const { get, internet } = setUp();
    expect(await get('nothing.shop.com.', Type.RRSIG)).toMatchObject({ rcode: Rcode.NXDOMAIN, secure: true });
    internet.lie = (said, _server, name) => (name === 'www.shop.com.' ? { ...said, rcode: 3, answer: [] } : undefined);
    expect(await failure(get('www.shop.com.', Type.RRSIG))).toMatchObject({ isBogus: true });
    internet.lie = (_said, _server, name) =>
      name === 'mail.shop.com.' ? { rcode: 3, answer: [], authority: [unsigned(SOA)] } : undefined;
    expect(await failure(get('mail.shop.com.', Type.RRSIG))).toMatchObject({ isBogus: true });
  });

  test('is told no forged alias, and no forged absence', async () => {
    const { get, internet } = setUp();
    internet.lie = (_said, _server, name) =>
      name === 'www.shop.com.'
        ? { rcode: 0, answer: [unsigned('www.shop.com. 300 CNAME www.plain.com.')], authority: [] }
        : undefined;
    expect(await failure(get('www.shop.com.', Type.RRSIG))).toMatchObject({ isBogus: true });
    internet.lie = (_said, _server, name) =>
      name === 'ns.shop.com.' ? { rcode: 0, answer: [], authority: [unsigned(SOA)] } : undefined;
    expect(await failure(get('ns.shop.com.', Type.RRSIG))).toMatchObject({ isBogus: true });
  });

  test('is told an unsigned denial where the zone has no keys', async () => {
    const { get } = setUp();
    expect(await get('nothing.plain.com.', Type.RRSIG)).toMatchObject({ rcode: Rcode.NXDOMAIN, secure: false });
  });
});

test('a question that has cost too much fails, and leaves the name that it ended at for others to ask', async () => {
  const zones = { ...ZONES, 'long.com.': { lines: ['a.long.com. 300 CNAME www.shop.com.'] } };
  const { get, recursor, internet, status } = setUp(undefined, zones);
  const allow = (units: number): void => {
    recursor.clear();
    const validation = { ...recursor.options.validation!, anchors: internet.tree.anchors, budget: { units } };
    recursor.options = { ...recursor.options, validation };
  };
  let enough = 1;
  for (let isEnough = false; !isEnough; enough++) {
    allow(enough);
    isEnough = await get('a.long.com.').then(
      () => true,
      () => false,
    );
  }
  allow(enough - 2);
  expect((await failure(get('a.long.com.'))).message).toMatch(/^www\.shop\.com\. A is bogus: .* may cost$/);
  expect(status('www.shop.com.')).toBeUndefined();
  expect((await get('www.shop.com.')).secure).toBe(true);
});

test.each([['A'], ['DNSKEY'], ['DS'], ['A', 'DNSKEY', 'DS']] as const)(
  'another server is asked before the verdict, whoever of two leaves the signatures of %s out',
  async (...types) => {
    const wanted = new Set<number>(types.map(type => Type[type]));
    // Which of them is asked first is chance.
    for (let round = 0; round < 16; round++) {
      const { get, internet } = setUp(['192.0.2.1', '192.0.2.2']);
      const liar = round % 2 === 0 ? '192.0.2.1' : '192.0.2.2';
      internet.lie = (said, server, _, asked) =>
        server === liar && wanted.has(asked)
          ? { ...said, answer: said.answer.map(one => ({ ...one, signatures: [] })) }
          : undefined;
      const result = await get('www.shop.com.');
      expect(texts(result)).toEqual(['A 192.0.2.80']);
      expect(result.secure).toBe(true);
    }
  },
);

test('what was not checked does not take the place of what is secure', async () => {
  const { get, internet, status, rrsets } = setUp();
  await get('www.shop.com.');
  internet.lie = said => tampered(said);
  const result = await get('www.shop.com.', Type.A, { checkingDisabled: true });
  expect(texts(result)).toEqual(['A 192.0.2.80']);
  const other = new RrsetCache(rrsets.bytes);
  other.guardsSecure = true;
  const rrset = { ...rrsets.get(encodeName('www.shop.com.'), Type.A)!.rrset, data: [Uint8Array.of(6, 6, 6, 6)] };
  expect(other.put(rrset, 5)).toBe(false);
  other.putNoData(encodeName('www.shop.com.'), Type.A, { authority: [], ttl: 300 });
  other.putNxdomain(encodeName('www.shop.com.'), { authority: [], ttl: 300 });
  expect(status('www.shop.com.')).toBe(Security.secure);
  expect(texts(await get('www.shop.com.'))).toEqual(['A 192.0.2.80']);
});

test('where keys cannot be had nobody can tell: that fails, and is not remembered as bogus', async () => {
  const { get, internet, status, pass } = setUp();
  internet.silent = (_, __, type) => type === Type.DNSKEY;
  const error = await failure(get('www.shop.com.'));
  expect(error).toMatchObject({ isBogus: false, extendedError: ExtendedError.noReachableAuthority });
  expect(status('www.shop.com.')).toBe(Security.unchecked);
  internet.silent = () => false;
  await pass(2000);
  expect((await get('www.shop.com.')).secure).toBe(true);
});

test('what is forgotten is checked anew', async () => {
  const { get, internet, recursor } = setUp();
  internet.lie = (said, _, name, type) =>
    name === 'shop.com.' && type === Type.DNSKEY ? { ...said, answer: [] } : undefined;
  await failure(get('www.shop.com.'));
  internet.lie = undefined;
  await failure(get('www.shop.com.'));
  recursor.clear();
  expect((await get('www.shop.com.')).secure).toBe(true);
});

test('only an answer that was checked is there for those who want no recursion', async () => {
  const { get, recursor } = setUp();
  await get('www.shop.com.', Type.A, { checkingDisabled: true });
  const known = (checkingDisabled: boolean) =>
    recursor.known.chain(encodeName('www.shop.com.'), Type.A, { checkingDisabled });
  expect(known(true)?.secure).toBe(false);
  expect(known(false)).toBeUndefined();
  await get('www.shop.com.');
  expect(known(false)?.secure).toBe(true);
});

test('whom they are referred to has proved itself too, but for what a parent says', async () => {
  const { internet, recursor, rrsets, get } = setUp();
  const name = encodeName('x.shop.com.');
  internet.lie = said => ({ ...said, answer: said.answer.map(one => ({ ...one, signatures: [] })) });
  await get('shop.com.', Type.NS, { checkingDisabled: true });
  rrsets.put(unsigned('ns.shop.com. 300 A 6.6.6.6'), Rank.authoritative);
  expect(recursor.known.referral(name, true)).toMatchObject({ ns: { type: Type.NS }, glue: [{ type: Type.A }] });
  expect(recursor.known.referral(name, false)?.ns.name).not.toEqual(encodeName('shop.com.'));
  rrsets.putDelegation(unsigned('shop.com. 300 NS ns.shop.com.'), 300_000);
  expect(recursor.known.referral(name, false)).toMatchObject({ ns: { name: encodeName('shop.com.') }, glue: [] });
});

test('names in a span that was validated do not exist, and nobody is asked', async () => {
  for (const denial of ['nsec', 'nsec3'] as const) {
    const { get, internet, pass, recursor } = setUp(['192.0.2.1'], {
      ...ZONES,
      'shop.com.': { denial, lines: ['a.shop.com. 300 A 192.0.2.1', 'm.shop.com. 300 A 192.0.2.2'] },
    });
    await get('b.shop.com.');
    const asked = internet.asked.length;
    const other = await get('c.shop.com.', Type.MX);
    expect(other).toMatchObject({ rcode: Rcode.NXDOMAIN, secure: true, answers: [] });
    expect(other.authority.map(one => one.type)).toContain(Type.SOA);
    expect(await get('x.c.shop.com.')).toMatchObject({ rcode: Rcode.NXDOMAIN, secure: true });
    expect(await get('a.shop.com.', Type.MX)).toMatchObject({ rcode: Rcode.NOERROR, secure: true, answers: [] });
    expect(internet.asked.length).toBe(asked);
    expect(recursor.stats.synthesised).toBe(3);
    expect(texts(await get('a.shop.com.'))).toEqual(['A 192.0.2.1']);
    await pass(301_000);
    await get('d.shop.com.');
    expect(internet.asked.length).toBeGreaterThan(asked + 1);
  }
});

test('of the signatures over a span those are kept that were found good', async () => {
  const { get, internet, recursor } = setUp();
  const other = (octets: Uint8Array): Uint8Array =>
    Uint8Array.from(octets, (one, i) => (i < octets.length - 1 ? one : one ^ 1));
  const junk = (one: Rrset): Rrset => ({ ...one, signatures: [...one.signatures, ...one.signatures.map(other)] });
  internet.lie = said => ({ ...said, authority: said.authority.map(junk) });
  await get('b.shop.com.');
  internet.lie = undefined;
  const { rcode, secure, authority } = await get('c.shop.com.');
  expect([rcode, secure, recursor.stats.synthesised]).toEqual([Rcode.NXDOMAIN, true, 1]);
  expect(authority.map(one => one.signatures.length)).toEqual(authority.map(() => 1));
});

test('spans of zones that may have unsigned delegations in them say nothing of other names', async () => {
  const { get, internet } = setUp(['192.0.2.1'], {
    ...ZONES,
    'shop.com.': { denial: 'optOut', lines: ['a.shop.com. 300 A 192.0.2.1'] },
  });
  await get('b.shop.com.');
  const asked = internet.asked.length;
  await get('c.shop.com.');
  expect(internet.asked.length).toBeGreaterThan(asked);
});

test('what a wildcard makes of one name it makes of others', async () => {
  const { get, internet } = setUp(['192.0.2.1'], {
    ...ZONES,
    'shop.com.': { lines: ['a.shop.com. 300 A 192.0.2.1', '*.w.shop.com. 300 A 192.0.2.7'] },
  });
  expect(texts(await get('one.w.shop.com.'))).toEqual(['A 192.0.2.7']);
  const asked = internet.asked.length;
  const other = await get('two.w.shop.com.');
  expect(texts(other)).toEqual(['A 192.0.2.7']);
  expect(other.secure).toBe(true);
  expect(internet.asked.length).toBe(asked);
});

test('an alias that a wildcard makes of one name it makes of others, whatever is asked for', async () => {
  const { get, internet } = setUp(['192.0.2.1'], {
    ...ZONES,
    'shop.com.': { lines: ['www.shop.com. 300 A 192.0.2.80', '*.w.shop.com. 300 CNAME www.shop.com.'] },
  });
  internet.lie = (said, _, name) => (name === 'one.w.shop.com.' ? fromWildcard(internet, said, name) : undefined);
  expect(texts(await get('one.w.shop.com.'))).toEqual(['CNAME www.shop.com.', 'A 192.0.2.80']);
  const asked = internet.asked.length;
  const other = await get('two.w.shop.com.');
  expect(texts(other)).toEqual(['CNAME www.shop.com.', 'A 192.0.2.80']);
  expect(other.secure).toBe(true);
  expect(await get('two.w.shop.com.', Type.MX)).toMatchObject({ rcode: Rcode.NOERROR, secure: true });
  expect(texts(await get('three.w.shop.com.', Type.CNAME))).toEqual(['CNAME www.shop.com.']);
  expect(internet.asked.slice(asked)).toEqual(['www.shop.com. MX 192.0.2.1']);
});

test('a question for the alias that a DNAME makes is answered with the DNAME, which proves it', async () => {
  const { get, internet } = setUp(['192.0.2.1'], {
    ...ZONES,
    'shop.com.': { lines: ['old.shop.com. 300 DNAME shop.com.'] },
  });
  internet.lie = (_, __, name, type) =>
    name === 'x.old.shop.com.' && type === Type.CNAME
      ? {
          rcode: Rcode.NOERROR,
          answer: [internet.tree.find('old.shop.com.', 'DNAME'), unsigned('x.old.shop.com. 300 CNAME x.shop.com.')],
          authority: [],
        }
      : undefined;
  const first = await get('x.old.shop.com.', Type.CNAME);
  expect(texts(first)).toEqual(['DNAME shop.com.', 'CNAME x.shop.com.']);
  expect(first.secure).toBe(true);
  expect(internet.asked.filter(one => one.includes('old.shop.com. DS'))).toEqual([]);
  const asked = internet.asked.length;
  const second = await get('y.old.shop.com.', Type.CNAME);
  expect(texts(second)).toEqual(['DNAME shop.com.', 'CNAME y.shop.com.']);
  expect(second.secure).toBe(true);
  expect(internet.asked.length).toBe(asked);
});

test('an alias in the cache is no answer about DS, which is for the side above to give', async () => {
  const { get, internet } = setUp(['192.0.2.1'], {
    ...ZONES,
    'plain.com.': {
      unsigned: true,
      lines: ['odd.plain.com. 300 CNAME www.plain.com.', 'www.plain.com. 300 A 192.0.2.81'],
    },
  });
  await get('odd.plain.com.');
  internet.lie = (said, _, name, type) =>
    name === 'odd.plain.com.' && type === Type.DS ? { ...said, answer: [], authority: [] } : undefined;
  expect(texts(await get('odd.plain.com.', Type.DS))).toEqual([]);
  expect(internet.asked).toContain('odd.plain.com. DS 192.0.2.1');
  expect(texts(await get('odd.plain.com.', Type.MX))).toEqual(['CNAME www.plain.com.']);
});

test('a referral that answers a question for DS says what there is of it, and the zone below is not asked', async () => {
  const { get, internet } = setUp();
  const { tree } = internet;
  internet.lie = (said, _, name, type) => {
    if (type !== Type.DS || said.rcode !== Rcode.NOERROR || !['shop.com.', 'plain.com.'].includes(name))
      return undefined;
    const proof = said.answer.length > 0 ? said.answer : said.authority.filter(one => one.type === Type.NSEC);
    return { ...said, answer: [], authority: [unsigned(`${name} 300 NS ns.${name}`), ...proof] };
  };
  const ds = await get('shop.com.', Type.DS);
  expect(texts(ds)).toEqual([`DS ${decodeRdata(Type.DS, tree.find('shop.com.', 'DS').data[0])}`]);
  expect(ds.secure).toBe(true);
  expect(await get('plain.com.', Type.DS)).toMatchObject({ rcode: Rcode.NOERROR, answers: [], secure: true });
  const about = internet.asked.filter(one => /^(shop|plain)/.test(one));
  expect(about).toEqual(['shop.com. DS 192.0.2.1', 'plain.com. DS 192.0.2.1']);
  expect((await get('www.shop.com.')).secure).toBe(true);
  expect((await get('www.plain.com.')).secure).toBe(false);
});

test('a denial from above says nothing of a zone that is configured, nor of what has not to prove itself', async () => {
  const { get, internet, recursor } = setUp();
  recursor.options = {
    ...recursor.options,
    validation: {
      ...recursor.options.validation!,
      anchors: new TrustAnchors([internet.tree.signed('.').anchor], ['corp']),
    },
    zones: configuredZones([{ name: 'corp', servers: ['192.0.2.9'], first: false, tcp: false, noCache: false }], []),
  };
  const own = { rcode: Rcode.NOERROR, answer: [unsigned('www.corp. 300 A 192.0.2.77')], authority: [] };
  internet.lie = (_, server) => (server === '192.0.2.9' ? own : undefined);
  // Its record of the root covers "corp" too.
  expect((await get('cop.')).rcode).toBe(Rcode.NXDOMAIN);
  expect(texts(await get('www.corp.'))).toEqual(['A 192.0.2.77']);
  expect((await get('corq.')).rcode).toBe(Rcode.NXDOMAIN);
  expect(recursor.stats.synthesised).toBe(1);
});

test('more root anchors than a label has room for are not told to the root, and count all the same', async () => {
  const { get, recursor, internet } = setUp();
  const rootTags = Array.from({ length: 20 }, (_, i) => i);
  recursor.options = {
    ...recursor.options,
    validation: { ...recursor.options.validation!, signal: true, rootTags },
  };
  expect((await get('www.shop.com.')).secure).toBe(true);
  expect(internet.asked.some(one => one.startsWith('_ta-'))).toBe(false);
});

test('the root is told of the anchors that count', async () => {
  const { get, recursor, internet } = setUp();
  recursor.options = {
    ...recursor.options,
    validation: { ...recursor.options.validation!, signal: true, rootTags: [20326, 38696] },
  };
  await get('www.shop.com.');
  expect(internet.asked).toContain('_ta-4f66-9728. NULL 192.0.2.1');
});

test('what is forgotten of a zone denies nothing any more', async () => {
  const { get, internet, recursor } = setUp();
  await get('b.shop.com.');
  recursor.forgetName(encodeName('c.shop.com.'));
  const asked = internet.asked.length;
  await get('c.shop.com.');
  expect(internet.asked.length).toBeGreaterThan(asked);
});

test('what an alias leads to is taken as the zone has signed it, and asked for where others may have a say', async () => {
  const below = { 'sub.shop.com.': { lines: ['www.sub.shop.com. 300 A 192.0.2.90'] } };
  const lines = [...ZONES['shop.com.'].lines!, 'down.shop.com. 300 CNAME www.sub.shop.com.'];
  const cases = [
    // Signed by the zone of the alias.
    { alias: 'alias.shop.com.', end: 'www.shop.com.', change: (one: Rrset) => one, again: false },
    // Unsigned: nobody says whose word it is.
    {
      alias: 'alias.shop.com.',
      end: 'www.shop.com.',
      change: (one: Rrset) => ({ ...one, signatures: [] }),
      again: true,
    },
    // Signed by a zone below: its own servers know better.
    { alias: 'down.shop.com.', end: 'www.sub.shop.com.', change: (one: Rrset) => one, again: true },
  ];
  for (const { alias, end, change, again } of cases) {
    const { get, internet, status } = setUp(
      ['192.0.2.1'],
      { ...ZONES, 'shop.com.': { lines }, ...below },
      { stub: 'shop.com' },
    );
    internet.lie = (said, _, name) =>
      name === alias ? { ...said, answer: [...said.answer, change(internet.tree.find(end, 'A'))] } : undefined;
    expect((await get(alias)).secure).toBe(true);
    expect(internet.asked.some(one => one.startsWith(`${end} A`))).toBe(again);
    expect(status(end)).toBe(Security.secure);
  }
});

test('what an alias leads to and does not prove itself is asked for after all', async () => {
  const { get, internet } = setUp(['192.0.2.1', '192.0.2.2'], ZONES, { stub: 'shop.com' });
  internet.lie = (said, _, name) => {
    if (name !== 'alias.shop.com.') return undefined;
    const target = internet.tree.find('www.shop.com.', 'A');
    return { ...said, answer: [...said.answer, { ...target, data: [Uint8Array.of(6, 6, 6, 6)] }] };
  };
  const result = await get('alias.shop.com.');
  expect(texts(result)).toEqual(['CNAME www.shop.com.', 'A 192.0.2.80']);
  expect(result.secure).toBe(true);
});

test('signatures count wherever in a response they stand, beside others too', async () => {
  const { get, internet } = setUp();
  internet.lie = said => {
    const [rrset] = said.answer;
    if (rrset?.type !== Type.A) return undefined;
    const broken = rrset.signatures.map(one => Uint8Array.from(one).fill(0, one.length - 8));
    return { ...said, answer: [{ ...rrset, signatures: broken }], authority: [{ ...rrset, data: [] }] };
  };
  expect((await get('www.shop.com.')).secure).toBe(true);
});

test('a sentinel that tells of a key that is not trusted looks like a failed validation (RFC 8509)', async () => {
  const { get } = setUp();
  expect((await get('root-key-sentinel-not-ta-00001.shop.com.')).secure).toBe(true);
  const error = await failure(get('root-key-sentinel-is-ta-00001.shop.com.'));
  expect(error).toMatchObject({ extendedError: ExtendedError.dnssecBogus, isBogus: true });
});

test('what shows delegations to be without DS on the way to a name denies other names of that zone', async () => {
  const { get, internet } = setUp();
  const { tree } = internet;
  internet.lie = (said, _, name, type) => {
    if (name === 'plain.com.' && type === Type.DS)
      return { ...said, authority: [tree.signed('com.').find('plain.com.', 'NSEC')] };
    if (name === 'com.' && type === Type.MX)
      return { ...said, authority: [tree.find('com.', 'SOA'), tree.find('com.', 'NSEC')] };
    return undefined;
  };
  await get('www.plain.com.');
  await get('com.', Type.MX);
  const asked = internet.asked.length;
  // The one covers the name, the other its wildcard.
  expect(await get('pluto.com.')).toMatchObject({ rcode: Rcode.NXDOMAIN, secure: true });
  expect(internet.asked.length).toBe(asked);
});

test.each(['nsec', 'nsec3'] as const)('%s records beside an alias show its end to be without DS', async denial => {
  const { get, internet, recursor, pass, clock } = setUp(['192.0.2.1'], {
    '.': {},
    'com.': {
      denial,
      lines: ['com. 3600 NS ns.com.', 'to.com. 3600 CNAME www.plain.com.', 'too.com. 3600 CNAME www.plain.com.'],
    },
    'plain.com.': { unsigned: true, lines: ['www.plain.com. 300 A 192.0.2.81'] },
  });
  const proofs = internet.tree.denials('com.').filter(one => one.type !== Type.SOA);
  const own = denial === 'nsec' ? [internet.tree.signed('com.').find('plain.com.', 'NSEC')] : proofs;
  internet.lie = (said, _, name) => (name === 'to.com.' ? { ...said, authority: own } : undefined);
  const first = await get('to.com.');
  expect(texts(first)).toEqual(['CNAME www.plain.com.', 'A 192.0.2.81']);
  expect(first).toMatchObject({ secure: false, authority: [] });
  expect(internet.asked.filter(one => one.includes(' DS '))).toEqual(['com. DS 192.0.2.1']);
  // They shorten no life but their own.
  expect(recursor.rrsets.get(encodeName('to.com.'), Type.CNAME)!.rrset.ttl).toBeGreaterThan(3000);
  await pass(301_000);
  clock.wall += 301;
  await get('too.com.');
  expect(internet.asked).toContain('plain.com. DS 192.0.2.1');
});

test('records beside an alias that its zone has not signed so show nothing', async () => {
  const { get, internet } = setUp(['192.0.2.1'], {
    '.': {},
    'com.': { lines: ['com. 300 NS ns.com.', 'to.com. 300 CNAME www.shop.com.'] },
    'shop.com.': { lines: ['www.shop.com. 300 A 192.0.2.80'] },
  });
  const forged = {
    ...unsigned('shop.com. 300 NSEC to.com. NS RRSIG NSEC'),
    signatures: internet.tree.find('shop.com.', 'NSEC').signatures,
  };
  internet.lie = (said, _, name) =>
    name === 'to.com.' ? { ...said, authority: [forged] } : name === 'www.shop.com.' ? tampered(said) : undefined;
  expect((await failure(get('to.com.'))).isBogus).toBe(true);
  internet.lie = undefined;
});

describe('with names asked for part by part', () => {
  const zones: Readonly<Record<string, ZoneParts>> = {
    ...ZONES,
    'shop.com.': { lines: ['a.shop.com. 300 A 192.0.2.1', 'www.part.shop.com. 300 A 192.0.2.80'] },
    'plain.com.': { unsigned: true, lines: ['www.part.plain.com. 300 A 192.0.2.81'] },
  };
  const setUpParts = () => {
    const t = setUp(['192.0.2.1'], zones);
    t.recursor.options = { ...t.recursor.options, qnameMinimisation: 'relaxed' };
    const whole = (): string[] => t.internet.asked.filter(one => /^(www|other)\..* A /.test(one));
    return { ...t, whole };
  };

  test('a part that is shown not to exist has nothing below it, and the rest is not asked for (RFC 8020)', async () => {
    const { get, whole, status, rrsets } = setUpParts();
    expect(await get('www.none.shop.com.')).toMatchObject({ rcode: Rcode.NXDOMAIN, secure: true });
    expect(await get('other.none.shop.com.', Type.MX)).toMatchObject({ rcode: Rcode.NXDOMAIN, secure: true });
    expect(whole()).toEqual([]);
    expect(statusIn(rrsets.nxdomain(encodeName('none.shop.com.'))!.security)).toBe(Security.secure);
    expect(status('none.shop.com.')).toBeUndefined();
  });
  test.each(['shop.com.', 'plain.com.'])('one of %s that is said not to exist may have names below it', async zone => {
    const { get, whole, internet, rrsets } = setUpParts();
    // A proof of another name, where there is one.
    internet.lie = (said, _, name) =>
      name === `part.${zone}`
        ? {
            ...said,
            rcode: Rcode.NXDOMAIN,
            authority: [internet.tree.find('shop.com.', 'SOA'), internet.tree.find('shop.com.', 'NSEC')],
          }
        : undefined;
    expect((await get(`www.part.${zone}`)).rcode).toBe(Rcode.NOERROR);
    expect(whole()).toEqual([`www.part.${zone} A 192.0.2.1`]);
    expect(rrsets.nxdomain(encodeName(`part.${zone}`))).toBeUndefined();
  });
  test('it is asked for in full by who does not want it checked, and where another anchor counts below', async () => {
    const { get, whole, internet, recursor } = setUpParts();
    expect((await get('www.none.shop.com.', Type.A, { checkingDisabled: true })).rcode).toBe(Rcode.NXDOMAIN);
    const anchors = new TrustAnchors([internet.tree.signed('.').anchor], ['www.no.shop.com']);
    recursor.options = { ...recursor.options, validation: { ...recursor.options.validation!, anchors } };
    expect(await get('www.no.shop.com.')).toMatchObject({ rcode: Rcode.NXDOMAIN, secure: false });
    expect(whole()).toEqual(['www.none.shop.com. A 192.0.2.1', 'www.no.shop.com. A 192.0.2.1']);
  });
});

describe('private addresses in signed answers', () => {
  const INSIDE: Readonly<Record<string, ZoneParts>> = {
    '.': {},
    'shop.': {
      lines: [
        'mixed.shop. 300 A 192.0.2.80',
        'mixed.shop. 300 A 10.0.0.7',
        'inside.shop. 300 A 10.0.0.8',
        'alias.shop. 300 CNAME mixed.shop.',
        '*.wild.shop. 300 A 10.0.0.9',
        'www.shop. 300 A 192.0.2.81',
      ],
    },
    'plain.': { unsigned: true, lines: ['inside.plain. 300 A 10.0.0.10'] },
  };
  const rules = (refuses = false): AddressRules =>
    new AddressRules([], [parsePrefix('10.0.0.0/8', '')], [], { refuses });

  test('are taken out when it has proved itself, and what is left is not called secure', async () => {
    const { get, status, recursor } = setUp(undefined, INSIDE, { rules: rules() });
    for (const _ of [1, 2]) {
      const mixed = await get('mixed.shop.');
      expect([texts(mixed), mixed.secure, mixed.answers[0].signatures]).toEqual([['A 192.0.2.80'], false, []]);
      expect(status('mixed.shop.')).toBe(Security.secure);
      expect(texts(await get('alias.shop.'))).toEqual(['CNAME mixed.shop.', 'A 192.0.2.80']);
      for (const name of ['inside.shop.', 'a.wild.shop.', 'b.wild.shop.', 'inside.plain.']) {
        const none = await get(name);
        expect([name, none.rcode, none.answers, none.secure]).toEqual([name, Rcode.NOERROR, [], false]);
      }
    }
    expect((await get('www.shop.')).secure).toBe(true);
    const known = (name: string, how = { checkingDisabled: false }) =>
      recursor.known.chain(encodeName(name), Type.A, how)!;
    expect([texts(known('mixed.shop.')), known('mixed.shop.').secure]).toEqual([['A 192.0.2.80'], false]);
    expect(texts(known('inside.shop.', { checkingDisabled: true }))).toEqual([]);
  });
  test('are not shown to those who disable checking either', async () => {
    const { get } = setUp(undefined, INSIDE, { rules: rules() });
    expect(texts(await get('mixed.shop.', Type.A, { checkingDisabled: true }))).toEqual(['A 192.0.2.80']);
    expect(texts(await get('inside.shop.', Type.A, { checkingDisabled: true }))).toEqual([]);
  });
  test('make an answer REFUSED where that is wanted, found or known', async () => {
    const { get, recursor } = setUp(undefined, INSIDE, { rules: rules(true) });
    for (const _ of [1, 2]) {
      expect(await failure(get('mixed.shop.'))).toMatchObject({ extendedError: ExtendedError.blocked, isBogus: false });
    }
    expect(() => recursor.known.chain(encodeName('mixed.shop.'), Type.A, { checkingDisabled: false })).toThrow(
      'mixed.shop. has a private address',
    );
    expect((await get('www.shop.')).secure).toBe(true);
  });
  test('hide no forgery: what does not prove itself is bogus as before', async () => {
    const { get, internet } = setUp(undefined, INSIDE, { rules: rules() });
    internet.lie = tampered;
    expect(await failure(get('mixed.shop.'))).toMatchObject({ isBogus: true });
  });
});
