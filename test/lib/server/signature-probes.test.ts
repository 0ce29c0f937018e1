// Upstreams that leave signatures out: found by asking, passed over for what has to prove itself, and told (RFC 8027).
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { Server } from '../../../lib/server/server.js';
import { ExtendedError, Flag, Rcode, Type, typeName } from '../../../lib/wire/iana.js';
import { decodeMessage, encodeMessage } from '../../../lib/wire/message.js';
import { nameToText } from '../../../lib/wire/name.js';
import { findOption, OptionCode } from '../../../lib/wire/opt.js';
import { Query } from '../../../lib/wire/query.js';
import { recordsOfAll } from '../../../lib/wire/rrset.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { makeQuery } from '../../support/messages.js';
import { type Said, stripped } from '../../support/signed-internet.js';
import { NOW, SignedTree } from '../../support/signed-tree.js';

const [GOOD, OTHER] = ['192.0.2.1:53', '192.0.2.2:53'];
const HOUR = 3_600_000;

type Manner = (said: Said, name: string, type: number) => Said | undefined;
const strips: Manner = stripped;
const silent: Manner = () => undefined;

let clock: FakeClock;
let server: Server;
let manners: Record<string, Manner>;
let asked: string[];
let options: ServerOptions;
let lines: string[];
beforeEach(() => {
  clock = new FakeClock();
  clock.wall = NOW;
  manners = {};
  asked = [];
  lines = [];
});
afterEach(() => server.close());

async function start(given: ServerOptions): Promise<void> {
  const tree = new SignedTree({
    '.': {},
    'shop.': { lines: ['www.shop. 300 A 192.0.2.80'] },
    'corp.': { lines: ['www.corp. 300 A 192.0.2.81'] },
  });
  const transport = new FakeTransport(clock, (octets, where) => {
    const query = new Query(octets);
    const name = nameToText(query.name);
    asked.push(`${where} ${name} ${typeName(query.type)}${query.checkingDisabled ? ' CD' : ''}`);
    const said = (manners[where] ?? (one => one))(tree.answer(query.name, query.type), name, query.type);
    if (said === undefined) return undefined;
    return encodeMessage({
      id: (octets[0] << 8) | octets[1],
      flags: Flag.QR | Flag.RD | Flag.RA | said.rcode,
      question: { name: octets.slice(12, query.questionEnd - 4), type: query.type, dnsClass: 1 },
      answers: recordsOfAll(said.answer, true),
      authorities: recordsOfAll(said.authority, true),
      additionals: [],
    })!;
  });
  const log = Object.fromEntries(
    ['debug', 'info', 'warn', 'error'].map(level => [
      level,
      (fields: object, message: string) =>
        level !== 'debug' && lines.push(`${level} ${JSON.stringify(fields)} ${message}`),
    ]),
  ) as never;
  const trustAnchors = [tree.signed('.').anchor, tree.signed('corp.').anchor];
  options = {
    listen: ['127.0.0.1:0'],
    udp: 'dgram',
    cache: { memory: '1MiB' },
    upstream: { hedge: false },
    ...given,
    dnssec: { validate: true, trustAnchors, ...given.dnssec },
  };
  server = new Server(
    options,
    {},
    // Nothing on this clock waits for libuv's pool.
    {
      clock,
      log,
      udpTransport: transport,
      tcpTransport: transport,
      validationPolicy: { verify: 'sync' },
    },
  );
  await server.listen();
  await clock.advance(0);
}
async function ask(
  name: string,
  flags: Parameters<typeof makeQuery>[1] = {},
): Promise<{ rcode: number; ede?: number }> {
  const query = new Query(makeQuery(name, { edns: true, ...flags }));
  const asking = server.resolver.resolve(query, { protocol: 'internal' });
  await clock.advance(1);
  const length = server.resolver.finish(query, await asking, false);
  const reply = server.engine.reply.slice(0, length);
  const option = findOption(reply, OptionCode.extendedError);
  const rcode = decodeMessage(reply).flags & 15;
  return option === undefined ? { rcode } : { rcode, ede: (option[0] << 8) | option[1] };
}
const probes = (where: string): string[] =>
  asked.filter(one => one.startsWith(where)).map(one => one.slice(where.length + 1));
const states = (): string[] => server.report().forwardedTo.map(one => `${one.server} ${one.zone} ${one.signatures}`);

test('each upstream is asked at the start and once a day for keys, SOA and a name that does not exist', async () => {
  await start({ upstreams: [GOOD, OTHER] });
  expect(probes(GOOD)).toEqual(['. DNSKEY CD', '. SOA CD', expect.stringMatching(/^[a-z]{12}\. TXT CD$/)]);
  expect(states()).toEqual([`${GOOD} . passed on`, `${OTHER} . passed on`]);
  expect(lines.filter(one => !one.startsWith('info'))).toEqual([]);
  await clock.advance(23 * HOUR);
  expect(asked.length).toBe(6);
  await clock.advance(HOUR);
  expect(asked.length).toBe(12);
});

test('one that leaves signatures out is passed over and told once; it may come back', async () => {
  manners[OTHER] = strips;
  await start({ upstreams: [GOOD, OTHER] });
  expect(states()).toEqual([`${GOOD} . passed on`, `${OTHER} . left out`]);
  // Asked twice: one packet may be a forged one.
  expect(probes(OTHER)).toEqual(['. DNSKEY CD', '. DNSKEY CD']);
  asked = [];
  for (let i = 0; i < 20; i++) expect(await ask(`n${i}.shop`)).toEqual({ rcode: Rcode.NXDOMAIN });
  expect(probes(OTHER)).toEqual([]);
  await clock.advance(3 * HOUR);
  expect(lines.filter(one => one.startsWith('warn'))).toEqual([
    `warn {"upstream":"${OTHER}","zone":".","reason":"leaves the signatures of DNSKEY records out"} an upstream leaves DNSSEC records out: it is passed over for what has to prove itself`,
  ]);
  expect(await new Metrics(server).text()).toContain(`shardns_upstream_dnssec{server="${OTHER}",zone="."} 0`);
  delete manners[OTHER];
  await clock.advance(HOUR);
  expect(states()).toEqual([`${GOOD} . passed on`, `${OTHER} . passed on`]);
  expect(lines.at(-1)).toContain('an upstream passes DNSSEC records on again');
});

test('where none is left answers are SERVFAIL with extended error 10, but for those who need no proof', async () => {
  manners[GOOD] = manners[OTHER] = strips;
  await start({ upstreams: [GOOD, OTHER], dnssec: { negativeTrustAnchors: ['corp'], trustAnchors: undefined } });
  expect(lines.filter(one => one.startsWith('error'))).toEqual([
    'error {"zone":".","nextSeconds":1} no server is left that passes DNSSEC records on: what has to prove itself is SERVFAIL; they are asked again after 1, 2, 4 and up to 60 seconds',
  ]);
  asked = [];
  expect(await ask('www.shop')).toEqual({ rcode: Rcode.SERVFAIL, ede: ExtendedError.rrsigsMissing });
  expect(asked).toEqual([]);
  expect(await ask('www.shop', { cd: true })).toEqual({ rcode: Rcode.NOERROR });
  expect(await ask('www.corp')).toEqual({ rcode: Rcode.NOERROR });
});

test.each<[string, Manner, string]>([
  ['no answer', silent, 'not answered'],
  ['SERVFAIL', said => ({ ...said, rcode: Rcode.SERVFAIL, answer: [], authority: [] }), 'not answered'],
  ['FORMERR', said => ({ ...said, rcode: Rcode.FORMERR, answer: [], authority: [] }), 'left out'],
  [
    'no denials that prove anything',
    (said, name) => (name === '.' && said.answer.length > 0 ? said : strips(said, name, 0)),
    'left out',
  ],
  ['no denials of single labels', (said, name) => (name === '.' ? said : strips(said, name, 0)), 'passed on'],
])('of an upstream that has %s nothing is believed that it has not shown', async (_, manner, expected) => {
  manners[GOOD] = manner;
  await start({ upstreams: [GOOD], upstream: { deadlineMs: 1000 } });
  await clock.advance(5000);
  expect(states()).toEqual([`${GOOD} . ${expected}`]);
  const before = asked.length;
  await clock.advance(0.2 * HOUR);
  expect(asked.length > before).toBe(expected !== 'passed on');
});

test('a response that shows nothing once is not enough', async () => {
  let lies = 1;
  manners[GOOD] = (said, name, type) => (type === Type.DNSKEY && lies-- > 0 ? strips(said, name, type) : said);
  await start({ upstreams: [GOOD] });
  expect(states()).toEqual([`${GOOD} . passed on`]);
});

test('the only upstream is asked again after 1, 2, 4 and up to 60 seconds, and names resolve as soon as it heals', async () => {
  manners[GOOD] = strips;
  await start({ upstreams: [GOOD] });
  const times: number[] = [];
  for (let second = 0; second < 300; second++) {
    const before = asked.length;
    await clock.advance(1000);
    if (asked.length > before) times.push(second + 1);
  }
  expect(times).toEqual([1, 3, 7, 15, 31, 63, 123, 183, 243]);
  expect(server.report().forwardedTo).toMatchObject([{ isLost: true, nextSeconds: 3 }]);
  expect((await ask('www.shop')).ede).toBe(ExtendedError.rrsigsMissing);
  delete manners[GOOD];
  await clock.advance(5000);
  expect(await ask('www.shop')).toEqual({ rcode: Rcode.NOERROR });
  expect(lines.filter(one => one.includes('on again: names'))).toEqual([
    'info {"zone":"."} a server passes DNSSEC records on again: names are resolved',
  ]);
  expect(lines.filter(one => /^(warn|error)/.test(one)).length).toBe(2);
});

test.each<[string, () => unknown]>([
  ['everything is forgotten', () => server.invalidate('all')],
  ['options are read again', () => server.replace({ ...options })],
  ['a trace asks anew', () => server.probeSignatures()],
])('an upstream that left signatures out is asked at once where %s', async (_, act) => {
  manners[GOOD] = strips;
  await start({ upstreams: [GOOD] });
  await clock.advance(70_000);
  delete manners[GOOD];
  const acting = act();
  await clock.advance(0);
  await acting;
  await clock.advance(0);
  expect(states()).toEqual([`${GOOD} . passed on`]);
});

test('two forged packets at the start cost a second', async () => {
  let lies = 2;
  manners[GOOD] = (said, name, type) => (type === Type.DNSKEY && lies-- > 0 ? strips(said, name, type) : said);
  await start({ upstreams: [GOOD] });
  expect(states()).toEqual([`${GOOD} . left out`]);
  await clock.advance(1000);
  expect(states()).toEqual([`${GOOD} . passed on`]);
});

test('an upstream that strips only later is found when several names lack signatures', async () => {
  await start({ upstreams: [GOOD] });
  await clock.advance(HOUR);
  manners[GOOD] = strips;
  for (let i = 0; i < 4; i++) expect((await ask(`n${i}.shop`)).rcode).toBe(Rcode.SERVFAIL);
  await clock.advance(10);
  expect(states()).toEqual([`${GOOD} . left out`]);
});

test('where the keys of the root do not prove themselves the log has an error, and metrics the reason', async () => {
  await start({ upstreams: [GOOD] });
  manners[GOOD] = (said, name, type) => (type === Type.DNSKEY ? strips(said, name, type) : said);
  server.invalidate('all');
  expect((await ask('www.shop')).rcode).toBe(Rcode.SERVFAIL);
  expect(lines.filter(one => one.includes('trust anchor')).length).toBe(1);
  expect(await new Metrics(server).text()).toMatch(/shardns_dnssec_bogus_total\{ede="\d+"\} 1/);
});

test('an upstream without answers about DNSSEC is told once, and has a value', async () => {
  manners[OTHER] = said => ({ ...said, rcode: Rcode.REFUSED, answer: [], authority: [] });
  await start({ upstreams: [GOOD, OTHER] });
  await clock.advance(HOUR);
  expect(lines.filter(one => one.startsWith('warn'))).toEqual([
    `warn {"upstream":"${OTHER}","zone":".","reason":"answers REFUSED to questions for DNSKEY records"} an upstream has no answers about DNSSEC records: what it says cannot be proven`,
  ]);
  expect(await new Metrics(server).text()).toContain(`shardns_upstream_dnssec{server="${OTHER}",zone="."} 0`);
});

test('a forward zone is asked about its own anchor, and not at all where it has none', async () => {
  manners[OTHER] = strips;
  const forwardZones = [
    { name: 'corp', servers: [OTHER] },
    { name: 'shop', servers: ['192.0.2.3', 'ns.shop'] },
  ];
  await start({ upstreams: [GOOD], forwardZones });
  expect(probes(OTHER)).toEqual(['corp. DNSKEY CD', 'corp. DNSKEY CD']);
  expect(probes('192.0.2.3:53')).toEqual([]);
  expect(states()).toEqual([`${GOOD} . passed on`, `${OTHER} corp. left out`]);
  expect(await ask('www.corp')).toEqual({ rcode: Rcode.SERVFAIL, ede: ExtendedError.rrsigsMissing });
  expect(await ask('www.shop')).not.toHaveProperty('ede', ExtendedError.rrsigsMissing);
});

test('nobody is asked where nothing is validated, and from then on who is asked by other settings', async () => {
  manners[GOOD] = strips;
  await start({ upstreams: [GOOD], dnssec: { validate: false } });
  expect([asked, states()]).toEqual([[], []]);
  await server.update({ dnssec: { validate: true } });
  await clock.advance(1);
  expect(states()).toEqual([`${GOOD} . left out`]);
  await server.update({ upstreams: [OTHER] });
  await clock.advance(1);
  expect(states()).toEqual([`${OTHER} . passed on`]);
  expect(await ask('www.shop')).toEqual({ rcode: Rcode.NOERROR });
  await server.update({ dnssec: { validate: false } });
  expect(states()).toEqual([]);
});
