// A small signed internet: a root, five top-level domains (one unsigned), some eighty domains below them, signed by every
// algorithm in use and denied by NSEC, NSEC3 and NSEC3 with opt-out, unsigned ones, islands, and broken ones of every kind;
// and the questions that are asked of it. The same each time, but for keys and times.
import { loadSources } from '../../test/support/sources.mjs';
import { brokenKinds } from './broken-zones.mjs';
import { randomNumbers } from './zones.mjs';

const TOPS = ['com', 'net', 'org', 'se'];
const TOP_PARTS = {
  com: { algorithm: 'P-256', denial: 'optOut' },
  net: { algorithm: 'RSASHA256', denial: 'nsec' },
  org: { algorithm: 'Ed25519', denial: 'nsec3' },
  se: { algorithm: 'P-384', denial: 'nsec' },
};
const UNSIGNED_TOP = 'old';
const ALGORITHMS = ['P-256', 'RSASHA256', 'Ed25519', 'P-256', 'RSASHA256', 'P-384', 'Ed448'];
const DENIALS = ['nsec', 'nsec3', 'optOut'];
const GOOD = 28;
const PLAIN = 10;
const LEAVES = 4;
const HOSTS = 30;
const SUB_HOSTS = 8;
const DAY = 86_400;
/** Where zones of each broken kind are: below a parent with NSEC and one with NSEC3. */
const BROKEN = { 'broken.net': 'nsec', 'broken.org': 'nsec3' };

const address = (group, number) => `198.19.${group}.${number}`;
const goodName = i => `g${i}.${TOPS[i % TOPS.length]}`;
const plainName = i => `plain${i}.${[...TOPS, UNSIGNED_TOP][i % (TOPS.length + 1)]}`;
const leavesOf = i => [1 + (i % LEAVES), 1 + ((i + 1) % LEAVES)];
const leafAddress = number => address(2, number);

/** Zones that are signed well, of one algorithm and way of denial where those are given. */
export const goodZones = ({ algorithm, denial } = {}) =>
  Array.from({ length: GOOD }, (_, i) => i)
    .filter(i => algorithm === undefined || ALGORITHMS[i % ALGORITHMS.length] === algorithm)
    .filter(i => denial === undefined || DENIALS[i % DENIALS.length] === denial)
    .map(goodName);

/** The modules that make it, bundled of TypeScript. */
export const signingSources = () =>
  loadSources('bench-signed', {
    zone: 'test/support/signed-zone.ts',
    entries: 'test/support/entries.ts',
    name: 'lib/wire/name.ts',
    iana: 'lib/wire/iana.ts',
    message: 'lib/wire/message.ts',
    rdata: 'lib/wire/rdata.ts',
    layout: 'lib/wire/rdata-layout.ts',
    rrset: 'lib/wire/rrset.ts',
    key: 'lib/dnssec/key.ts',
    ds: 'lib/dnssec/ds.ts',
  });

/** Names that answers of broken zones are asked by; their labels below the zone. */
function brokenLines(zone, good) {
  return [
    `${zone} 3600 A 10.9.0.1`,
    `www.${zone} 3600 A 10.9.0.2`,
    ...Array.from({ length: 6 }, (_, h) => `h${h}.${zone} 3600 A 10.9.1.${h}`),
    `alias.${zone} 3600 CNAME www.${zone}`,
    `ext.${zone} 3600 CNAME www.${good}.`,
    `*.wild.${zone} 3600 A 10.9.2.1`,
    `*.wc.${zone} 3600 CNAME www.${zone}`,
    `a.b.ent.${zone} 3600 A 10.9.3.1`,
    `dn.${zone} 3600 DNAME sub.${good}.`,
  ];
}

function goodLines(i, zone, { below, broken }) {
  const next = goodName((i + 1) % GOOD);
  const plain = plainName(i % PLAIN);
  const lines = [];
  const add = (owner, rest) => lines.push(`${owner === '@' ? '' : `${owner}.`}${zone} 3600 ${rest}`);
  for (let h = 0; h < HOSTS; h++) {
    add(`h${h}`, `A 10.${i}.${h}.1`);
    if (h % 4 === 0) add(`h${h}`, `A 10.${i}.${h}.2`);
    if (h % 3 === 0) add(`h${h}`, `AAAA 2001:db8:${i}::${h.toString(16)}`);
    if (h % 10 === 0) add(`h${h}`, `TXT "host ${h} of ${zone}"`);
  }
  add('@', `A 10.${i}.255.1`);
  add('@', `MX 10 h1.${zone}`);
  add('@', `MX 20 h2.${next}.`);
  add('@', 'TXT "v=spf1 -all"');
  add('www', `CNAME h1.${zone}`);
  add('ext', `CNAME www.${next}.`);
  add('far', `CNAME ext.${next}.`);
  add('broken', `CNAME nothing.${next}.`);
  add('nodata', `CNAME h1.${next}.`);
  add('toplain', `CNAME www.${plain}.`);
  add('tobroken', `CNAME www.${broken[below(broken.length)]}.`);
  add('toisland', `CNAME h1.island.${next}.`);
  add('tosub', `CNAME s1.sub.${next}.`);
  add('tousub', `CNAME s1.usub.${next}.`);
  add('towild', `CNAME x.wild.${next}.`);
  add('tonothing', 'CNAME www.nosuchtop.');
  add('loop', `CNAME loop2.${zone}`);
  add('loop2', `CNAME loop.${zone}`);
  add('*.wild', `A 10.${i}.254.1`);
  add('host.wild', `A 10.${i}.254.2`);
  add('*.wtxt', 'TXT "wild"');
  add('*.wc', `CNAME h2.${zone}`);
  add('*.wcx', `CNAME www.${next}.`);
  add('*.wcn', `CNAME nothing.${zone}`);
  add('a.b.c.ent', `A 10.${i}.253.1`);
  add('_sip._udp', `SRV 1 2 5060 h3.${zone}`);
  add('dn', `DNAME sub.${next}.`);
  add('dnplain', `DNAME ${plain}.`);
  add('dnhere', `DNAME wild.${zone}`);
  add('big', `TXT ${Array.from({ length: 9 }, (_, n) => `"${String(n).repeat(200)}"`).join(' ')}`);
  return lines;
}

/**
 * @returns instances with their zones as startInternet() takes them, `hints`, the `anchor` of the root, names of zones that
 * questions are made of
 */
export function makeSignedInternet(sources, { seed = 20_261_129, now = Math.floor(Date.now() / 1000) } = {}) {
  const { makeKey, SignedZone, zoneFileOf, soaOf } = sources.zone;
  const { recordOf } = sources.entries;
  const { groupRrsets } = sources.rrset;
  const { decodeRdata } = sources.rdata;
  const { below } = randomNumbers(seed);
  const times = { inception: now - 2 * DAY, expiration: now + 12 * DAY };

  // Keys take long to make, of RSA above all: zones of one operator have the same.
  const keys = new Map();
  const keyOf = (algorithm, operator) => {
    const id = `${algorithm} ${operator % 2}`;
    if (!keys.has(id)) keys.set(id, makeKey(algorithm));
    return keys.get(id);
  };
  const leaves = Array.from({ length: LEAVES }, () => new Map());
  const place = (zone, text, numbers) => numbers.forEach(number => leaves[number - 1].set(zone.slice(0, -1), text));
  const parents = new Map([...TOPS, UNSIGNED_TOP].map(top => [top, []]));
  const ns = (zone, names) => names.map(name => `${zone} 3600 NS ${name}`);
  const dsLine = (zone, data) => `${zone} 3600 DS ${decodeRdata(sources.iana.Type.DS, data)}`;
  const plainZone = (zone, lines) => zoneFileOf(groupRrsets([soaOf(zone), ...lines].map(recordOf)));

  /** A zone on some leaves; its parent's lines are told. */
  function leaf(zone, numbers, lines, { parent, make, outside }) {
    const inside = numbers.map(number => [`ns${number}.${zone}`, leafAddress(number)]);
    const names = outside ?? inside.map(([name]) => name);
    const glue = outside === undefined ? inside.map(([name, at]) => `${name} 3600 A ${at}`) : [];
    const { text, second = text, ds = [] } = make([...ns(zone, names), ...glue, ...lines]);
    place(zone, text, numbers);
    place(zone, second, numbers.slice(1));
    parent.push(...ns(zone, names), ...glue, ...ds.map(data => dsLine(zone, data)));
  }
  const signedBy =
    (zone, algorithm, denial, operator = 0) =>
    lines => {
      const made = new SignedZone(zone, lines, keyOf(algorithm, operator), times, denial);
      return { text: zoneFileOf(made.rrsets), ds: [made.ds] };
    };
  const unsignedAs = zone => lines => ({ text: plainZone(zone, lines) });
  const islandAs = (zone, algorithm, denial) => lines => ({ text: signedBy(zone, algorithm, denial)(lines).text });

  // Name servers of others: a signed domain and an unsigned one.
  const hostLines = zone =>
    Array.from({ length: LEAVES }, (_, n) => `ns${n + 1}.${zone} 3600 A ${leafAddress(n + 1)}`).slice(2);
  leaf('dns-host.net.', [1, 2], hostLines('dns-host.net.'), {
    parent: parents.get('net'),
    make: signedBy('dns-host.net.', 'P-256', 'nsec'),
  });
  leaf('dns-host.old.', [1, 2], hostLines('dns-host.old.'), {
    parent: parents.get('old'),
    make: unsignedAs('dns-host.old.'),
  });

  const kinds = brokenKinds(sources, now);
  const broken = Object.keys(BROKEN).flatMap(parent => Object.keys(kinds).map(kind => `${kind}.${parent}`));
  for (const [parentName, denial] of Object.entries(BROKEN)) {
    const parentZone = `${parentName}.`;
    const parentLines = [];
    const changes = [];
    for (const [i, [kind, { parts = {}, change = () => undefined, second, parent }]] of Object.entries(
      kinds,
    ).entries()) {
      const zone = `${kind}.${parentZone}`;
      const make = lines => {
        const key = makeKey(parts.algorithm ?? 'P-256', 257, parts.modulusLength);
        const made = new SignedZone(zone, lines, key, parts.times ?? times, parts.denial ?? denial, parts.iterations);
        const changed = by => {
          const z = { zone: made, rrsets: made.rrsets.map(one => ({ ...one })), ds: [made.ds] };
          by(z);
          return { text: zoneFileOf(z.rrsets), ds: z.ds };
        };
        return { ...changed(change), ...(second === undefined ? {} : { second: changed(second).text }) };
      };
      leaf(zone, leavesOf(i), brokenLines(zone, goodName(i % GOOD)), { parent: parentLines, make });
      if (parent !== undefined) changes.push(rrsets => parent(rrsets, zone));
    }
    leaf(parentZone, [1, 3], parentLines, {
      parent: parents.get(parentName.split('.')[1]),
      make: lines => {
        const made = new SignedZone(parentZone, lines, keyOf('P-256', 1), times, denial);
        const copies = made.rrsets.map(one => ({ ...one }));
        return { text: zoneFileOf(changes.reduce((rrsets, one) => one(rrsets), copies)), ds: [made.ds] };
      },
    });
  }

  for (let i = 0; i < GOOD; i++) {
    const zone = `${goodName(i)}.`;
    const numbers = leavesOf(i);
    const algorithm = ALGORITHMS[i % ALGORITHMS.length];
    const denial = DENIALS[i % DENIALS.length];
    const children = [];
    const child = (label, at, make) => {
      const name = `${label}.${zone}`;
      const lines = Array.from({ length: SUB_HOSTS }, (_, n) => `s${n}.${name} 3600 A 10.${i}.252.${n}`);
      lines.push(`*.w.${name} 3600 A 10.${i}.251.1`, `h1.${name} 3600 A 10.${i}.251.2`, `b.c.${name} 3600 TXT "t"`);
      leaf(name, at, lines, { parent: children, make: make(name) });
    };
    // Parent and child on the same servers, or on others.
    const elsewhere = [1 + ((i + 2) % LEAVES)];
    child('sub', i % 2 === 0 ? numbers : elsewhere, name =>
      signedBy(name, ALGORITHMS[(i + 3) % ALGORITHMS.length], DENIALS[(i + 1) % 3], 1),
    );
    child('usub', i % 2 === 0 ? elsewhere : numbers, name => unsignedAs(name));
    child('island', elsewhere, name => islandAs(name, 'P-256', DENIALS[(i + 2) % 3]));
    const host = i % 9 === 4 ? 'dns-host.old.' : 'dns-host.net.';
    leaf(zone, numbers, [...goodLines(i, zone, { below, broken }), ...children], {
      parent: parents.get(zone.split('.')[1]),
      make: signedBy(zone, algorithm, denial, i),
      outside: i % 3 === 1 ? numbers.map(number => `ns${number}.${host}`) : undefined,
    });
  }
  for (let i = 0; i < PLAIN; i++) {
    const zone = `${plainName(i)}.`;
    const lines = [
      `${zone} 3600 A 10.100.${i}.1`,
      `www.${zone} 3600 A 10.100.${i}.2`,
      `back.${zone} 3600 CNAME www.${goodName(i)}.`,
      `tobroken.${zone} 3600 CNAME www.${broken[below(broken.length)]}.`,
      `*.wild.${zone} 3600 A 10.100.${i}.3`,
      `dn.${zone} 3600 DNAME ${goodName(i)}.`,
    ];
    const make = i % 5 === 3 ? islandAs(zone, 'Ed25519', 'nsec') : unsignedAs(zone);
    leaf(zone, leavesOf(i), lines, { parent: parents.get(zone.split('.')[1]), make });
  }

  // The root's servers are in a top-level domain, and as glue in the root.
  const hints = [address(0, 1), address(0, 2)];
  const rootHosts = hints.map((at, i) => `${'ab'[i]}.root-servers.net. 3600 A ${at}`);
  const rootLines = [...ns('.', ['a.root-servers.net.', 'b.root-servers.net.']), ...rootHosts];
  parents.get('net').push(...rootHosts);
  const tops = new Map();
  for (const [i, top] of [...TOPS, UNSIGNED_TOP].entries()) {
    const zone = `${top}.`;
    const servers = ['a', 'b'].map((letter, n) => [`${letter}.nic.${zone}`, address(1, 2 * i + n + 1)]);
    const glue = servers.map(([name, at]) => `${name} 3600 A ${at}`);
    const own = ns(
      zone,
      servers.map(([name]) => name),
    );
    const { algorithm, denial } = TOP_PARTS[top] ?? {};
    const lines = [...own, ...glue, ...parents.get(top)];
    const { text, ds = [] } =
      algorithm === undefined ? { text: plainZone(zone, lines) } : signedBy(zone, algorithm, denial)(lines);
    tops.set(top, text);
    rootLines.push(...own, ...glue, ...ds.map(data => dsLine(zone, data)));
  }
  const root = new SignedZone('.', rootLines, keyOf('RSASHA256', 1), times);
  const instances = [
    { name: 'root', addresses: hints, zones: new Map([['.', zoneFileOf(root.rrsets)]]) },
    { name: 'tops', addresses: Array.from({ length: 10 }, (_, n) => address(1, n + 1)), zones: tops },
    ...leaves.map((zones, n) => ({ name: `leaf${n + 1}`, addresses: [leafAddress(n + 1)], zones })),
  ];
  return { instances, hints, anchor: root.anchor, kinds: Object.keys(kinds), broken };
}

/** How questions are asked: DO, CD and AD of the query. */
const FLAGS = [
  [8, { dnssecOk: true }],
  [5, {}],
  [3, { authenticData: true }],
  [3, { dnssecOk: true, checkingDisabled: true }],
  [1, { checkingDisabled: true }],
];

function weighted(table, draw) {
  const total = table.reduce((sum, [weight]) => sum + weight, 0);
  let at = draw(total);
  return table.find(([weight]) => (at -= weight) < 0);
}

/** `count` questions as `{ name, type, flags, kind }`; a kind is what is asked, of a broken zone with the zone's. */
export function signedQuestions({ broken }, count, seed = 20_261_130) {
  const { below, pick } = randomNumbers(seed);
  const good = () => goodName(below(GOOD));
  const plain = () => plainName(below(PLAIN));
  const aliases = ['www', 'ext', 'far', 'broken', 'nodata', 'toplain', 'toisland', 'tosub', 'tousub', 'towild'];
  const kinds = [
    [20, 'exists', () => [`h${below(HOSTS)}.${good()}`, 'A']],
    [6, 'exists or not of the type', () => [`h${below(HOSTS)}.${good()}`, pick(['AAAA', 'TXT', 'MX', 'HTTPS', 'CAA'])]],
    [12, 'missing', () => [`nx${below(3000)}.${good()}`, pick(['A', 'AAAA', 'MX'])]],
    [3, 'missing, deep', () => [`x${below(50)}.y${below(9)}.nx.${good()}`, 'A']],
    [2, 'missing below a host', () => [`x.h${below(HOSTS)}.${good()}`, 'A']],
    [8, 'apex', () => [good(), pick(['A', 'MX', 'TXT', 'NS', 'SOA', 'AAAA', 'CNAME'])]],
    [10, 'alias', () => [`${pick(aliases)}.${good()}`, pick(['A', 'A', 'AAAA', 'CNAME'])]],
    [1, 'alias to nothing', () => [`tonothing.${good()}`, 'A']],
    [1, 'loop', () => [`loop.${good()}`, 'A']],
    [3, 'alias to broken', () => [`tobroken.${pick([good(), plain()])}`, 'A']],
    [8, 'wildcard', () => [`w${below(200)}.wild.${good()}`, pick(['A', 'A', 'AAAA'])]],
    [2, 'wildcard, deep', () => [`a.w${below(20)}.wild.${good()}`, pick(['A', 'TXT'])]],
    [1, 'below a name beside a wildcard', () => [`x.host.wild.${good()}`, 'A']],
    [3, 'wildcard of TXT', () => [`w${below(200)}.wtxt.${good()}`, pick(['TXT', 'A'])]],
    [5, 'wildcard of an alias', () => [`w${below(200)}.${pick(['wc', 'wcx', 'wcn'])}.${good()}`, pick(['A', 'AAAA'])]],
    [3, 'wildcard by name', () => [`*.${pick(['wild', 'wtxt', 'wc'])}.${good()}`, pick(['A', 'TXT', 'CNAME'])]],
    [
      4,
      'empty non-terminal',
      () => [`${pick(['a.b.c.ent', 'b.c.ent', 'c.ent', 'ent'])}.${good()}`, pick(['A', 'TXT'])],
    ],
    [1, 'service', () => [`_sip._udp.${good()}`, 'SRV']],
    [2, 'large', () => [`big.${good()}`, 'TXT']],
    [5, 'DNAME', () => [`${pick(['s1', 's2', 'nx', 'www'])}.${pick(['dn', 'dnplain', 'dnhere'])}.${good()}`, 'A']],
    [1, 'DNAME by name', () => [`dn.${good()}`, pick(['DNAME', 'A'])]],
    [5, 'signed child', () => [`${pick(['s1', 's9', 'x.w', 'b.c', 'c'])}.sub.${good()}`, pick(['A', 'A', 'TXT'])]],
    [4, 'unsigned child', () => [`${pick(['s1', 's9', 'x.w', 'c'])}.usub.${good()}`, 'A']],
    [3, 'island', () => [`${pick(['s1', 's9', 'x.w', 'c'])}.island.${good()}`, 'A']],
    [
      6,
      'DS',
      () => [`${pick(['', 'sub.', 'usub.', 'island.', 'h1.', 'nx.', 'ent.'])}${pick([good(), good(), plain()])}`, 'DS'],
    ],
    [3, 'DNSKEY', () => [`${pick(['', '', 'sub.', 'usub.', 'island.', 'h1.'])}${good()}`, 'DNSKEY']],
    [2, 'NSEC', () => [`${pick(['', 'h1.', 'nx1.', 'sub.'])}${good()}`, 'NSEC']],
    [1, 'NSEC3PARAM', () => [good(), 'NSEC3PARAM']],
    [5, 'unsigned', () => [`${pick(['www', 'nx', 'x.wild', 'back', 's1.dn'])}.${plain()}`, pick(['A', 'AAAA'])]],
    [2, 'top', () => [pick([...TOPS, UNSIGNED_TOP, '.']), pick(['NS', 'SOA', 'A', 'DNSKEY', 'DS'])]],
    [2, 'missing domain', () => [`nowhere${below(100)}.${pick([...TOPS, UNSIGNED_TOP, 'test2', 'nosuchtop'])}`, 'A']],
    [1, 'name server', () => [`ns${1 + below(LEAVES)}.${pick(['dns-host.net', 'dns-host.old'])}`, pick(['A', 'AAAA'])]],
    [2, 'ANY', () => [`${pick(['', 'h1.', 'h0.', 'nx.', 'x.wild.'])}${good()}`, 'ANY']],
    [45, 'broken', undefined],
  ];
  const labels = [
    [6, 'answer', () => ['www', 'A']],
    [4, 'answer', () => [`h${below(6)}`, 'A']],
    [3, 'apex', () => ['', pick(['A', 'SOA', 'NS', 'AAAA'])]],
    [2, 'keys', () => ['', pick(['DNSKEY', 'DS'])]],
    [3, 'missing', () => [`nx${below(30)}`, 'A']],
    [2, 'NODATA', () => [`h${below(6)}`, 'AAAA']],
    [2, 'alias', () => [pick(['alias', 'ext']), 'A']],
    [3, 'wildcard', () => [`w${below(30)}.wild`, pick(['A', 'A', 'AAAA'])]],
    [1, 'wildcard of an alias', () => [`w${below(30)}.wc`, 'A']],
    [1, 'empty non-terminal', () => [pick(['b.ent', 'ent', 'a.b.ent']), 'A']],
    [1, 'DNAME', () => [`${pick(['s1', 'nx'])}.dn`, 'A']],
  ];
  return Array.from({ length: count }, () => {
    const [, kind, make] = weighted(kinds, below);
    const [, flags] = weighted(FLAGS, below);
    if (make !== undefined) {
      const [name, type] = make();
      return { name, type, flags, kind };
    }
    const zone = pick(broken);
    const [, what, ask] = weighted(labels, below);
    const [label, type] = ask();
    return { name: label === '' ? zone : `${label}.${zone}`, type, flags, kind: what, broken: zone };
  });
}
