// A small internet, two response policy zones with all triggers and all actions, and the questions that are asked of it: of
// names that the zones have rules for in every way, with aliases, wildcards, empty non-terminals and deep names. The same
// each time.
import { address, randomNumbers } from './zones.mjs';

const at = number => address(60, number);
const SOA = 'SOA ns.admin.example. hostmaster.example. 1 3600 600 86400 300';
const zoneText = (zone, records) => `$ORIGIN ${zone}\n$TTL 3600\n@ ${SOA}\n${records.join('\n')}\n`;

/** Domains, by the number of the server that has them and the names of their servers. */
const HOSTED = {
  'good.com': { servers: ['ns1.good.com.'], at: 4 },
  'other.org': { servers: ['ns1.other.org.'], at: 5 },
  'garden.net': { servers: ['ns1.garden.net.'], at: 5 },
  'evil-dns.net': { servers: ['ns1.evil-dns.net.'], at: 6 },
  // By the name of its server, by a name below a listed one, and by the address.
  'badname.com': { servers: ['ns1.evil-dns.net.'], at: 6 },
  'badbelow.org': { servers: ['ns7.evil-hosting.net.'], at: 4 },
  'badip.org': { servers: ['ns1.badip.org.'], at: 7 },
  'passedip.org': { servers: ['ns1.passedip.org.'], at: 8 },
  'evil-hosting.net': { servers: ['ns7.evil-hosting.net.'], at: 4 },
};

/** What every domain has. */
function recordsOf(zone, i) {
  return [
    `@ A 203.0.113.${10 + i}`,
    `@ MX 10 mail`,
    '@ TXT "v=spf1 -all"',
    `mail A 203.0.113.${30 + i}`,
    `www A 203.0.113.${50 + i}`,
    `www AAAA 2001:db8:1::${50 + i}`,
    'txt TXT "text"',
    'alias CNAME www',
    'far CNAME alias.other.org.',
    'nowhere CNAME nothing',
    '*.wild A 203.0.113.99',
    '*.wild TXT "wild"',
    'a.b.ent A 203.0.113.98',
    `${Array.from({ length: 20 }, (_, n) => `l${n}`).join('.')}.deep A 203.0.113.97`,
    // Addresses that have rules.
    'listed A 192.0.2.1',
    'passed A 192.0.2.77',
    'nodata A 192.0.2.130',
    'dropped A 192.0.2.200',
    'tcp A 192.0.2.210',
    'data A 192.0.2.220',
    'walled A 192.0.2.230',
    'walledbelow A 192.0.2.231',
    'two A 203.0.113.1\ntwo A 192.0.2.1',
    'both A 192.0.2.1\nboth A 192.0.2.130',
    'six AAAA 2001:db8:bad::1',
    'sixpassed AAAA 2001:db8:bad::7',
    'mixed A 203.0.113.2\nmixed AAAA 2001:db8:bad::1',
    'tolisted CNAME listed',
    'towalled CNAME walled',
    'towalledbelow CNAME walledbelow',
    'topassed CNAME passed',
    'tosix CNAME six',
    // Names that have rules, and names that lead there.
    ...NAMES.flatMap((name, n) => [
      `${name} A 203.0.113.${100 + n}`,
      `${name} TXT "${name}"`,
      `to-${name} CNAME ${name}`,
    ]),
    ...NAMES.map(name => `tofar-${name} CNAME to-${name}.other.org.`),
    'x.wildrule A 203.0.113.95\nx.y.wildrule A 203.0.113.94\nwildrule A 203.0.113.93',
    'kept.wildrule A 203.0.113.92\nbelow.kept.wildrule A 203.0.113.91',
    'towild CNAME x.wildrule',
    'later A 192.0.2.1\nlaterpass A 192.0.2.1',
  ];
}

const NAMES = [
  'q-nx', 'q-nodata', 'q-pass', 'q-drop', 'q-tcp', 'q-data', 'q-six', 'q-text', 'q-mail', 'q-garden', 'q-below', 'q-self', 'q-many',
]; // prettier-ignore

/** The zones of the root, of top-level domains, and of the domains. */
export function makePolicyInternet() {
  const root = ['@ NS a.root-servers.net.', `a.root-servers.net. A ${at(1)}`];
  const tops = { com: [], net: [], org: [] };
  for (const [i, top] of Object.keys(tops).entries()) {
    root.push(`${top} NS a.nic.${top}.`, `a.nic.${top}. A ${at(2)}`);
    tops[top].push(`@ NS a.nic.${top}.`, `a.nic A ${at(2)}`, `; ${i}`);
  }
  const served = new Map();
  for (const [i, [zone, { servers, at: number }]] of Object.entries(HOSTED).entries()) {
    const top = zone.split('.').at(-1);
    tops[top].push(...servers.map(server => `${zone}. NS ${server}`));
    const inside = servers.filter(server => server.endsWith(`.${zone}.`));
    tops[top].push(...inside.map(server => `${server} A ${at(number)}`));
    const records = [
      ...servers.map(one => `@ NS ${one}`),
      ...inside.map(one => `${one} A ${at(number)}`),
      ...recordsOf(zone, i),
    ];
    if (zone === 'garden.net') records.push('host A 203.0.113.80\nhost AAAA 2001:db8:1::80\n*.walled A 203.0.113.81');
    // A part of a good domain that somebody else serves.
    if (zone === 'good.com') records.push('child NS ns1.evil-dns.net.');
    served.set(number, (served.get(number) ?? new Map()).set(`${zone}.`, zoneText(`${zone}.`, records)));
  }
  const child = zoneText('child.good.com.', ['@ NS ns1.evil-dns.net.', ...recordsOf('child.good.com', 20)]);
  served.get(6).set('child.good.com.', child);
  const instances = [
    { name: 'root', addresses: [at(1)], zones: new Map([['.', zoneText('.', root)]]) },
    {
      name: 'tops',
      addresses: [at(2)],
      zones: new Map(Object.entries(tops).map(([top, records]) => [`${top}.`, zoneText(`${top}.`, records)])),
    },
    ...[...served].map(([number, zones]) => ({ name: `leaf${number}`, addresses: [at(number)], zones })),
  ];
  return { instances, hints: [at(1)] };
}

const reversed = text => text.split('.').reverse().join('.');
const nsip = number => `32.${reversed(at(number))}.rpz-nsip`;

/** The first zone, and one that comes after it. */
export const POLICY_ZONES = {
  'first.rpz.': zoneText('first.rpz.', [
    '@ NS localhost.',
    'ready.good.com A 198.51.100.250',
    // Who asks: .64/26 by the longest prefix.
    '26.64.0.0.127.rpz-client-ip CNAME *.',
    '32.66.0.0.127.rpz-client-ip CNAME .',
    '32.67.0.0.127.rpz-client-ip CNAME rpz-passthru.',
    '32.68.0.0.127.rpz-client-ip CNAME rpz-drop.',
    '32.69.0.0.127.rpz-client-ip CNAME rpz-tcp-only.',
    '32.70.0.0.127.rpz-client-ip A 198.51.100.70',
    '32.71.0.0.127.rpz-client-ip CNAME host.garden.net.',
    // Names.
    ...['good.com', 'other.org'].flatMap(zone => [
      `q-nx.${zone} CNAME .`,
      `q-nodata.${zone} CNAME *.`,
      `q-pass.${zone} CNAME rpz-passthru.`,
      `q-drop.${zone} CNAME rpz-drop.`,
      `q-tcp.${zone} CNAME rpz-tcp-only.`,
      `q-data.${zone} A 198.51.100.1`,
      `q-six.${zone} AAAA 2001:db8:2::1`,
      `q-text.${zone} TXT "listed"`,
      `q-mail.${zone} MX 10 mail.garden.net.`,
      `q-garden.${zone} CNAME host.garden.net.`,
      `q-below.${zone} CNAME *.walled.garden.net.`,
      `q-self.${zone} CNAME q-self.${zone}.`,
      `q-many.${zone} A 198.51.100.2\nq-many.${zone} A 198.51.100.3\nq-many.${zone} AAAA 2001:db8:2::2\nq-many.${zone} TXT "many"`,
      `*.wildrule.${zone} CNAME .`,
      `kept.wildrule.${zone} CNAME rpz-passthru.`,
      // Between it and the zone there is a name without rules.
      `a.b.none.${zone} CNAME .`,
    ]),
    'passed.good.com CNAME .',
    // Addresses of answers.
    '24.0.2.0.192.rpz-ip CNAME .',
    '32.77.2.0.192.rpz-ip CNAME rpz-passthru.',
    '32.130.2.0.192.rpz-ip CNAME *.',
    '32.200.2.0.192.rpz-ip CNAME rpz-drop.',
    '32.210.2.0.192.rpz-ip CNAME rpz-tcp-only.',
    '32.220.2.0.192.rpz-ip A 198.51.100.9',
    '32.230.2.0.192.rpz-ip CNAME host.garden.net.',
    '32.231.2.0.192.rpz-ip CNAME *.walled.garden.net.',
    '48.zz.bad.db8.2001.rpz-ip CNAME .',
    '128.7.zz.bad.db8.2001.rpz-ip CNAME rpz-passthru.',
    // Servers.
    'ns1.evil-dns.net.rpz-nsdname CNAME .',
    '*.evil-hosting.net.rpz-nsdname CNAME *.',
    `${nsip(7)} CNAME .`,
    `${nsip(8)} CNAME rpz-passthru.`,
  ]),
  'second.rpz.': zoneText('second.rpz.', [
    '@ NS localhost.',
    'ready.other.org A 198.51.100.250',
    // What the first zone lets pass, and what it has rules for that come later.
    'q-pass.good.com CNAME .',
    'kept.wildrule.good.com CNAME .',
    'later.good.com CNAME *.',
    'laterpass.good.com CNAME rpz-passthru.',
    'www.good.com CNAME .',
    'q-nx.badname.com CNAME *.',
    'www.passedip.org CNAME .',
    '32.97.113.0.203.rpz-ip CNAME *.',
    '24.0.2.0.192.rpz-ip CNAME *.',
  ]),
};

/** Names that have an address where the zones are in force. */
export const READY = ['ready.good.com', 'ready.other.org'];

const CLIENTS = [66, 67, 68, 69, 70, 71, 100];
const TYPES = ['A', 'A', 'A', 'AAAA', 'AAAA', 'MX', 'TXT', 'CNAME'];

/** Each is [name, type, flags, client's address, whether it is asked over TCP]. */
export function policyQuestions(count, seed = 16) {
  const random = randomNumbers(seed);
  const zones = [...Object.keys(HOSTED), 'child.good.com'];
  const plain = ['@', 'mail', 'www', 'txt', 'alias', 'far', 'nowhere', 'x.wild', 'y.z.wild', 'wild', 'ent', 'b.ent', 'a.b.ent', 'nothing',
    `${Array.from({ length: 20 }, (_, n) => `l${n}`).join('.')}.deep`, 'l3.deep', 'none', 'b.none', 'a.b.none', 'listed', 'passed', 'nodata',
    'dropped', 'tcp', 'data', 'walled', 'walledbelow', 'two', 'both', 'six', 'sixpassed', 'mixed', 'tolisted', 'towalled', 'towalledbelow',
    'topassed', 'tosix', 'x.wildrule', 'x.y.wildrule', 'wildrule', 'kept.wildrule', 'below.kept.wildrule', 'towild', 'later', 'laterpass',
    ...NAMES, ...NAMES, ...NAMES.map(name => `to-${name}`), ...NAMES.map(name => `tofar-${name}`)]; // prettier-ignore
  return Array.from({ length: count }, () => {
    const zone = random.below(2) === 0 ? random.pick(['good.com', 'other.org']) : random.pick(zones);
    const name = random.pick(plain);
    const client = random.below(12) === 0 ? random.pick(CLIENTS) : 1;
    return [
      name === '@' ? zone : `${name}.${zone}`,
      random.pick(TYPES),
      { dnssecOk: random.below(3) === 0 },
      `127.0.0.${client}`,
      random.below(10) === 0,
    ];
  });
}
