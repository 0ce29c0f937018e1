// The chain of trust as `shardns ctl trace` draws it: what is signed by whom until when, and why something is not secure.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { trace } from '../../../lib/admin/trace.js';
import { keyTag } from '../../../lib/dnssec/key.js';
import { Server } from '../../../lib/server/server.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { flagsOf, setFlags } from '../../../lib/wire/flags.js';
import { Flag, Type } from '../../../lib/wire/iana.js';
import { equalNames, encodeName } from '../../../lib/wire/name.js';
import { Query } from '../../../lib/wire/query.js';
import type { Rrset } from '../../../lib/wire/rrset.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport, type Handler } from '../../support/fake-transport.js';
import { makeQuery } from '../../support/messages.js';
import { answerOf, type Said, tampered } from '../../support/signed-internet.js';
import { makeKey, SignedZone, signRrset } from '../../support/signed-zone.js';
import { NOW, SignedTree, TIMES } from '../../support/signed-tree.js';

let server: Server | undefined;
afterEach(() => server?.close());

const tree = new SignedTree({
  '.': {},
  'shop.': { lines: ['www.shop. 300 A 192.0.2.80', 'alias.shop. 300 CNAME www.plain.', 'mail.shop. 300 A 192.0.2.83'] },
  'plain.': { unsigned: true, lines: ['www.plain. 300 A 192.0.2.81'] },
  'many.': { denial: 'nsec3', iterations: 200, lines: ['www.many. 300 A 192.0.2.82'] },
});
const tagOf = (zone: string): number => keyTag(tree.signed(zone).key.data);
const [ROOT, SHOP] = [tagOf('.'), tagOf('shop.')];
const UNTIL = new Date((NOW + 86_400) * 1000).toISOString().slice(0, 19) + 'Z';

/** What is too long for UDP, and what becomes of TCP. */
interface Cut {
  isCut: (query: Query) => boolean;
  tcp: Handler;
}

function start(
  lie: (said: Said) => Said = said => said,
  dnssec: ServerOptions['dnssec'] = {},
  resolver: ServerOptions['resolver'] = {},
  cut?: Cut,
) {
  const clock = new FakeClock();
  clock.wall = NOW;
  const answer = (octets: Uint8Array): Uint8Array => answerOf(tree, new Query(octets), { lie });
  const isCut = (octets: Uint8Array): boolean => cut?.isCut(new Query(octets)) === true;
  const transport = new FakeTransport(clock, octets => {
    const response = answer(octets);
    if (isCut(octets)) setFlags(response, flagsOf(response) | Flag.TC);
    return response;
  });
  const tcp = new FakeTransport(clock, (octets, ...how) => (cut?.tcp ?? answer)(octets, ...how));
  server = new Server(
    {
      listen: ['127.0.0.1:0'],
      udp: 'dgram',
      cache: { memory: '1MiB' },
      upstreams: ['192.0.2.1'],
      resolver,
      dnssec: { validate: true, trustAnchors: [tree.signed('.').anchor], ...dnssec },
    },
    {},
    { clock, udpTransport: transport, tcpTransport: tcp },
  );
  return { clock };
}
/** The lines; those of the steps without their times. */
async function traced(name: string, type = 'A', fresh = false): Promise<string[]> {
  const lines: string[] = [];
  await trace(server!, { name, type, fresh }, line => lines.push(line.replace(/^ *[\d.]+ ms {2}/, '- ')));
  return lines;
}
/** The same where somebody is silent: time passes. */
async function tracedInTime(clock: FakeClock, name: string): Promise<string[]> {
  let isOver = false;
  const tracing = traced(name).finally(() => (isOver = true));
  while (!isOver) await clock.advance(500);
  return tracing;
}
const chainOf = (lines: readonly string[]): string[] => lines.slice(lines.indexOf('chain of trust') + 1);

/** Has some RRsets changed on their way. */
const changing =
  (name: string, type: keyof typeof Type, change: (rrset: Rrset) => Rrset) =>
  (said: Said): Said => ({
    ...said,
    answer: said.answer.map(one =>
      one.type === Type[type] && equalNames(one.name, encodeName(name)) ? change(one) : one,
    ),
  });
const signedFor = (zone: string, times: { inception: number; expiration: number }) => (rrset: Rrset) =>
  signRrset({ ...rrset, signatures: [] }, encodeName(zone), tree.signed(zone).key, times);

test('each zone of a secure answer has its DS records, its keys, and who signed them until when', async () => {
  start();
  expect(chainOf(await traced('www.shop'))).toEqual([
    '  .  secure',
    `    anchor    ${ROOT} ECDSAP256SHA256 SHA-256`,
    `    DNSKEY    ${ROOT} ECDSAP256SHA256 KSK, trusted`,
    `    signed    by key ${ROOT}, until ${UNTIL}`,
    '  shop.  secure',
    `    DS        ${SHOP} ECDSAP256SHA256 SHA-256`,
    `    signed    by key ${ROOT} of ., until ${UNTIL}`,
    `    DNSKEY    ${SHOP} ECDSAP256SHA256 KSK, named by DS`,
    `    signed    by key ${SHOP}, until ${UNTIL}`,
    '  www.shop. A  secure',
    `    signed    by key ${SHOP} of shop., until ${UNTIL}`,
    'secure',
  ]);
});

test('what is insecure is so from a zone on, by a proof', async () => {
  start();
  expect(chainOf(await traced('www.plain'))).toEqual([
    '  .  secure',
    `    anchor    ${ROOT} ECDSAP256SHA256 SHA-256`,
    `    DNSKEY    ${ROOT} ECDSAP256SHA256 KSK, trusted`,
    `    signed    by key ${ROOT}, until ${UNTIL}`,
    '  plain.  insecure: a delegation without DS',
    ...['.', 'many.', 'plain.', 'shop.'].flatMap(owner => [
      `    no DS     by ${owner} NSEC`,
      `    signed    by key ${ROOT} of ., until ${UNTIL}`,
    ]),
    '  www.plain. A  insecure',
    '    signed    by nobody',
    'insecure: a delegation without DS',
  ]);
});

test('an alias shows both chains', async () => {
  start();
  const lines = chainOf(await traced('alias.shop'));
  expect(lines).toContain('  alias.shop. CNAME  secure');
  expect(lines).toContain('  www.plain. A  insecure');
  expect(lines.at(-1)).toBe('insecure: a delegation without DS');
});

test('a denial shows the records that prove it', async () => {
  start();
  const lines = chainOf(await traced('none.shop'));
  expect(lines).toContain('  shop. SOA  secure');
  expect(lines).toContain('  www.shop. NSEC  secure');
  expect(lines.at(-1)).toBe('secure');
});

test('a negative trust anchor is named, with its end', async () => {
  const until = new Date((NOW + 3600) * 1000).toISOString();
  start(tampered, { negativeTrustAnchors: [{ name: 'shop', until }] });
  const lines = chainOf(await traced('www.shop'));
  expect(lines).toContain(
    `  shop.  a negative trust anchor (dnssec.negativeTrustAnchors), until ${until.slice(0, 19)}Z`,
  );
  expect(lines.at(-1)).toBe('insecure: a negative trust anchor at shop.');
});

describe('a broken zone', () => {
  const last = async (name: string, type = 'A'): Promise<[verdict: string, advice: string]> => {
    const lines = await traced(name, type);
    return lines.slice(-2) as [string, string];
  };
  const at = (seconds: number): string => new Date((NOW + seconds) * 1000).toISOString().slice(0, 19) + 'Z';

  test('whose signatures have expired: which key, since when, and what to do', async () => {
    start(changing('www.shop.', 'A', signedFor('shop.', { inception: NOW - 9000, expiration: NOW - 3600 })));
    const lines = await traced('www.shop');
    const why = `an expired signature (key ${SHOP}, until ${at(-3600)})`;
    expect(lines).toContain(`SERVFAIL (extended error 7): www.shop. A is bogus: www.shop. A: ${why}`);
    expect(lines).toContain(`    signed    by key ${SHOP} of shop., until ${at(-3600)}: ${why}`);
    expect(lines.at(-2)).toBe(`bogus: www.shop. A: ${why} (extended error 7)`);
    expect(lines.at(-1)).toMatch(/^what to do: have shop\. signed again, and see whether what signs it still runs/);
    expect(lines.at(-1)).toContain(`It is ${at(0)} here, 60 minutes after the end`);
  });

  test('whose keys have expired', async () => {
    start(changing('shop.', 'DNSKEY', signedFor('shop.', { inception: NOW - 9000, expiration: NOW - 3600 })));
    const [verdict, advice] = await last('www.shop');
    expect(verdict).toMatch(/^bogus: .*DNSKEY: an expired signature/);
    expect(advice).toMatch(/^what to do: have shop\. signed again/);
  });

  test('that is signed for later, where a clock is wrong', async () => {
    start(changing('www.shop.', 'A', signedFor('shop.', { inception: NOW + 7200, expiration: NOW + 9000 })));
    const [verdict, advice] = await last('www.shop');
    expect(verdict).toContain(`a signature that is not yet valid (key ${SHOP}, from ${at(7200)})`);
    expect(advice).toContain(
      `set the clock of this machine, which has ${at(0)}, or of the one that signs shop.: they are 2 hours apart`,
    );
  });

  test('whose keys are others than its DS records name', async () => {
    const other = new SignedZone('shop.', [], makeKey('P-256'), TIMES);
    start(changing('shop.', 'DNSKEY', () => other.find('shop.', 'DNSKEY')));
    const [verdict, advice] = await last('www.shop');
    expect(verdict).toContain('no DNSKEY record that its DS records stand for (extended error 9)');
    const tag = keyTag(other.key.data);
    expect(advice).toContain(`the DS records above it name keys ${SHOP}, and shop. has ${tag}`);
  });

  test('whose DS record has the tag of its key, and the digest of another', async () => {
    start(
      changing('shop.', 'DS', rrset => {
        const data = rrset.data.map(one => Uint8Array.from(one, (octet, i) => (i === 10 ? octet ^ 1 : octet)));
        return signRrset({ ...rrset, data, signatures: [] }, encodeName('.'), tree.signed('.').key, TIMES);
      }),
    );
    const [, advice] = await last('www.shop');
    expect(advice).toContain(`wrong digest: the key tag ${SHOP} is that of a key that shop. publishes`);
  });

  test('whose records a key has signed that it does not publish', async () => {
    const key = makeKey('P-256');
    start(
      changing('www.shop.', 'A', rrset => signRrset({ ...rrset, signatures: [] }, encodeName('shop.'), key, TIMES)),
    );
    const [, advice] = await last('www.shop');
    expect(advice).toContain(`the signatures are by keys ${keyTag(key.data)}, and shop. has ${SHOP}`);
  });

  test('without signatures', async () => {
    start(changing('www.shop.', 'A', rrset => ({ ...rrset, signatures: [] })));
    const [verdict, advice] = await last('www.shop');
    expect(verdict).toBe('bogus: www.shop. A: no signatures (extended error 10)');
    expect(advice).toContain('shop. has DS records above it, so all that it says has to be signed');
    expect(advice).toMatch(/Where www\.shop\. is a name that your own servers have .*`dnssec\.negativeTrustAnchors`$/);
  });

  test('or a forged answer, which nobody signed', async () => {
    start(tampered);
    const [verdict, advice] = await last('www.shop');
    expect(verdict).toContain(`a signature that does not verify (key ${SHOP})`);
    expect(advice).toContain('what was told of shop. is not what its keys have signed');
  });

  test('whose keys cannot be had', async () => {
    start(said => {
      if (said.answer.some(one => one.type === Type.DNSKEY && one.name.length > 1))
        return { ...said, rcode: 2, answer: [] };
      return said;
    });
    const [verdict, advice] = await last('www.shop');
    expect(verdict).toMatch(/^indeterminate: shop\. DNSKEY: /);
    expect(advice).toContain('the servers of shop. gave no answer for DS or DNSKEY records');
  });

  test('without the records that prove what it denies', async () => {
    start(said => ({ ...said, authority: said.authority.filter(one => one.type !== Type.NSEC) }));
    const lines = await traced('none.shop');
    expect(lines).toContainEqual(
      expect.stringMatching(/^SERVFAIL \(extended error 12\): none\.shop\. A is bogus: none\.shop\. DS: no proof/),
    );
    expect(lines.at(-2)).toMatch(/^bogus: none\.shop\. DS: no proof that .* \(extended error 12\)$/);
    expect(lines.at(-1)).toMatch(
      /^what to do: no NSEC or NSEC3 records show what is denied: see whether shop\. has them/,
    );
  });

  test('with more NSEC3 iterations than count is insecure, and why', async () => {
    start();
    const [verdict, advice] = await last('none.many');
    expect(verdict).toBe('insecure: NSEC3 iterations beyond the limit (extended error 27)');
    expect(advice).toContain('have it signed with 0 (RFC 9276)');
  });
});

describe('a server that is heard over UDP only, where an answer needs TCP', () => {
  const silence: Handler = () => undefined;
  const refuses: Handler = (_, where) => {
    throw new Error(`${where} refuses connections`);
  };
  const isKeys = ({ type, name }: Query): boolean => type === Type.DNSKEY && name.length > 1;
  const isAnswer = ({ type }: Query): boolean => type === Type.A;
  const black = /192\.0\.2\.1:53 truncated its response over UDP \(TC\), and its TCP port 53 did not answer in \d+ ms/;

  test('is named with that port: for the keys of a zone', async () => {
    const { clock } = start(undefined, {}, {}, { isCut: isKeys, tcp: silence });
    const lines = await tracedInTime(clock, 'www.shop');
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^- +failure +${black.source}$`)));
    expect(lines).toContainEqual(
      expect.stringMatching(
        new RegExp(
          `^SERVFAIL \\(extended error 22\\): www\\.shop\\. A cannot be validated: shop\\. DNSKEY: .*${black.source}$`,
        ),
      ),
    );
    expect(lines.at(-1)).toMatch(/^what to do: the servers of shop\. gave no answer .*, over UDP and TCP/);
  });

  test('is named with that port: for the answer itself', async () => {
    const { clock } = start(undefined, {}, {}, { isCut: isAnswer, tcp: silence });
    expect((await tracedInTime(clock, 'www.shop')).at(-1)).toMatch(
      new RegExp(`^SERVFAIL \\(extended error 22\\): .*${black.source}$`),
    );
  });

  test('and so is one that refuses TCP', async () => {
    const { clock } = start(undefined, {}, {}, { isCut: isAnswer, tcp: refuses });
    expect((await tracedInTime(clock, 'www.shop')).at(-1)).toMatch(
      /^SERVFAIL \(extended error 23\): .*192\.0\.2\.1:53 truncated its response over UDP \(TC\), and over TCP: 192\.0\.2\.1:53 refuses connections$/,
    );
  });
});

test('an alias leads to a negative trust anchor', async () => {
  start(undefined, { negativeTrustAnchors: ['plain'] });
  const lines = chainOf(await traced('alias.shop'));
  expect(lines).toContain('  plain.  a negative trust anchor (dnssec.negativeTrustAnchors), without an end');
});

test('what no trust anchor is above is told so', async () => {
  start(undefined, { trustAnchors: [tree.signed('shop.').anchor] });
  const lines = chainOf(await traced('www.plain'));
  expect(lines.at(-2)).toBe('indeterminate: no trust anchor (extended error 5)');
  expect(lines.at(-1)).toContain('`dnssec.trustAnchors`');
});

test('more work than a question may cost is told from a broken zone', async () => {
  start(undefined, { budget: { units: 3 } });
  expect((await traced('www.shop')).at(-1)).toContain('costs more than one question may (`dnssec.budget`)');
});

test('a failure that is remembered says so, and for how long; --fresh looks again', async () => {
  let broken = true;
  start(said => (broken ? tampered(said) : said));
  await traced('www.shop');
  broken = false;
  const lines = await traced('www.shop');
  expect(lines).toContainEqual(
    expect.stringMatching(/^- validate www\.shop\. A was found to be bogus; that is remembered for another (59|60) s$/),
  );
  expect(lines.at(-1)).toMatch(/^what to do:/);
  expect((await traced('www.shop', 'A', true)).at(-1)).toBe('secure');
});

test('a failure that clients are told from memory says so', async () => {
  let broken = true;
  const expired = changing('www.shop.', 'A', signedFor('shop.', { inception: NOW - 9000, expiration: NOW - 3600 }));
  start(said => (broken ? expired(said) : said));
  await server!.resolver.resolve(new Query(makeQuery('www.shop')), { protocol: 'internal' });
  broken = false;
  const lines = await traced('www.shop');
  expect(lines[1]).toMatch(
    /^- cache {4}www\.shop\. A: failed not long ago; clients are told SERVFAIL for another [1-5] s$/,
  );
  expect(lines.at(-1)).toBe('secure');
});

test('a zone that was found to be bogus says so, and that it is right by now', async () => {
  let broken = true;
  const other = new SignedZone('shop.', [], makeKey('P-256'), TIMES);
  const lie = changing('shop.', 'DNSKEY', () => other.find('shop.', 'DNSKEY'));
  start(said => (broken ? lie(said) : said));
  await traced('www.shop');
  broken = false;
  const lines = await traced('mail.shop', 'A', true);
  expect(lines).toContain('- validate a zone above it was found to be bogus before; that is remembered for up to 60 s');
  expect(lines.at(-2)).toBe('secure');
  expect(lines.at(-1)).toMatch(/^what to do: nothing: .* `shardns ctl flush --suffix shop\.` forgets it at once$/);
  server!.invalidate({ suffix: 'shop' });
  expect((await traced('mail.shop')).at(-1)).toBe('secure');
});

test('the example of docs/recursion.md is what is drawn', async () => {
  const [, example] = /^```text\n(www[\s\S]*?)\n```/m.exec(readFileSync('docs/recursion.md', 'utf8'))!;
  start(changing('www.shop.', 'A', signedFor('shop.', { inception: NOW - 9000, expiration: NOW - 3600 })));
  await traced('mail.shop'); // the zone's keys are known
  // The root has keys of its own here.
  const alike = (line: string): string =>
    line
      .replace(/^ *[\d.]+ ms {2}/, '- ')
      .replace(/\b\d+ [RE][\w]+/g, 'KEY')
      .replace(/key \d+/g, 'KEY')
      .replace(/, [\d.]+ ms:/, '');
  expect((await traced('www.shop')).map(alike)).toEqual(example.split('\n').map(alike));
});

test('addresses that are taken out behind validation: the chain is that of what was judged', async () => {
  start(undefined, {}, { privateAddresses: ['192.0.2.80/32'] });
  const lines = await traced('www.shop');
  expect(lines.at(-2)).toBe('secure');
  expect(lines.at(-1)).toMatch(
    /^filter: behind that resolver\.privateAddresses takes 1 of 1 records out; .* without AD$/,
  );
});

test('nothing is drawn where nothing is validated', async () => {
  start(undefined, { validate: false, trustAnchors: undefined });
  expect(await traced('www.shop')).not.toContain('chain of trust');
});
