// A small internet: the zones of its root, its top-level domains and some forty domains below them, and the questions
// that are asked of it. The same each time.

/** Deterministic numbers (xorshift32). */
export function randomNumbers(seed) {
  let state = seed | 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  return { below: n => next() % n, pick: list => list[next() % list.length] };
}

const TOPS = ['com', 'net', 'org'];
const DOMAINS = 42;
const HOSTS = 200;
const SERVERS = 8; // that serve domains
export const address = (group, number) => `198.18.${group}.${number}`;
const domainName = i => `zone${i}.${TOPS[i % TOPS.length]}`;

const head = (zone, ns) =>
  `$ORIGIN ${zone === '.' ? '.' : `${zone}.`}\n$TTL 3600\n@ SOA ns.${zone === '.' ? 'root-servers.net' : 'admin.example'}. hostmaster.example. 1 3600 600 86400 300\n${ns.map(one => `@ NS ${one}`).join('\n')}\n`;

/**
 * Who serves what: instances of a name server, each with its addresses and zones as text.
 * Domains differ in how their name servers are named: inside themselves, in a common domain of another top-level domain
 * (no glue), or both; some have one server that does not know them.
 */
export function makeInternet() {
  const instances = [];
  const serving = new Map(); // leaf server number -> zones
  for (let i = 1; i <= SERVERS; i++) serving.set(i, new Map());
  let root = head('.', ['a.root-servers.net.', 'b.root-servers.net.']);
  root += `a.root-servers.net. A ${address(0, 1)}\nb.root-servers.net. A ${address(0, 2)}\n`;
  const tops = new Map();
  for (const [i, top] of TOPS.entries()) {
    const [one, two] = [address(1, 2 * i + 1), address(1, 2 * i + 2)];
    root += `${top}. NS a.nic.${top}.\n${top}. NS b.nic.${top}.\na.nic.${top}. A ${one}\nb.nic.${top}. A ${two}\n`;
    tops.set(top, head(top, [`a.nic.${top}.`, `b.nic.${top}.`]) + `a.nic A ${one}\nb.nic A ${two}\n`);
  }
  const add = (zone, text, servers) => servers.forEach(server => serving.get(server).set(zone, text));
  const delegate = (zone, ns) => {
    const top = zone.split('.').at(-1);
    tops.set(top, tops.get(top) + ns.map(one => `${zone}. NS ${one}\n`).join(''));
  };
  const glue = (top, name, at) => tops.set(top, `${tops.get(top)}${name} A ${at}\n`);

  // The common servers' own domain, with glue.
  const host = 'dns-host.net';
  const hostNames = Array.from({ length: SERVERS }, (_, i) => `ns${i + 1}.${host}.`);
  delegate(host, hostNames.slice(0, 2));
  for (const [i, name] of hostNames.slice(0, 2).entries()) glue('net', name, address(2, i + 1));
  add(
    host,
    head(host, hostNames.slice(0, 2)) + hostNames.map((name, i) => `${name} A ${address(2, i + 1)}\n`).join(''),
    [1, 2],
  );

  for (let i = 0; i < DOMAINS; i++) {
    const zone = domainName(i);
    const next = domainName((i + 1) % DOMAINS);
    const top = zone.split('.').at(-1);
    const servers = [1 + (i % SERVERS), 1 + ((i + 3) % SERVERS)];
    const inside = i % 3 !== 1;
    const outside = i % 3 !== 0;
    const ns = [];
    if (inside) ns.push(`ns1.${zone}.`);
    if (outside) ns.push(hostNames[servers[1] - 1]);
    // One in seven has a server that was never told of it.
    if (i % 7 === 3) ns.push(hostNames[(servers[1] + 1) % SERVERS]);
    delegate(zone, ns);
    if (inside) glue(top, `ns1.${zone}.`, address(2, servers[0]));
    let text = head(zone, ns);
    if (inside) text += `ns1 A ${address(2, servers[0])}\n`;
    for (let h = 0; h < HOSTS; h++) {
      text += `h${h} A 10.${i}.${h}.1\n`;
      if (h % 4 === 0) text += `h${h} A 10.${i}.${h}.2\n`;
      if (h % 3 === 0) text += `h${h} AAAA 2001:db8:${i}::${h.toString(16)}\n`;
      if (h % 10 === 0) text += `h${h} TXT "host ${h} of ${zone}"\n`;
    }
    text += `@ A 10.${i}.255.1\n@ MX 10 h1\n@ MX 20 h2.${next}.\n@ TXT "v=spf1 -all"\n`;
    text += `www CNAME h1\next CNAME www.${next}.\nfar CNAME ext.${next}.\nbroken CNAME nothing.${next}.\n`;
    text += `loop CNAME loop2\nloop2 CNAME loop\n*.wild A 10.${i}.254.1\n*.wildtxt TXT "wild"\n`;
    text += `a.b.c.ent A 10.${i}.253.1\n_sip._udp SRV 1 2 5060 h3\ndn DNAME sub.${next}.\n`;
    text += `big TXT ${Array.from({ length: 9 }, (_, n) => `"${String(n).repeat(200)}"`).join(' ')}\n`;
    // A part of it is served elsewhere.
    const other = 1 + ((i + 5) % SERVERS);
    text += `sub NS ns.sub\nns.sub A ${address(2, other)}\n`;
    add(
      `sub.${zone}`,
      `${head(`sub.${zone}`, [`ns.sub.${zone}.`])}ns A ${address(2, other)}\n` +
        Array.from({ length: 40 }, (_, n) => `s${n} A 10.${i}.252.${n}\n`).join(''),
      [other],
    );
    add(zone, text, servers);
  }

  addAttacks({ add, delegate, glue });
  instances.push({ name: 'root', addresses: [address(0, 1), address(0, 2)], zones: new Map([['.', root]]) });
  for (const [i, top] of TOPS.entries()) {
    instances.push({
      name: top,
      addresses: [address(1, 2 * i + 1), address(1, 2 * i + 2)],
      zones: new Map([[top, tops.get(top)]]),
    });
  }
  for (const [number, zones] of serving)
    instances.push({ name: `leaf${number}`, addresses: [address(2, number)], zones });
  return { instances, hints: [address(0, 1), address(0, 2)] };
}

/** Names under each of which one question is asked of the attacker's zones. */
export const ATTACKS = {
  /** A referral to a hundred name servers of somebody else's zone, none with an address (NXNSAttack, CVE-2020-8616). */
  nxns: n => [`www.s${n}.attacker.com`, 'A'],
  /** The same where each name server's name is such a referral again. */
  nxnsTwice: n => [`www.t${n}.attacker.com`, 'A'],
  /** A chain of aliases between two zones, each of many labels (CAMP, Duan et al., USENIX Security 2024). */
  chain: n => [`a.b.c.d.e.f.g.h.i.j.c${n}x0.attacker.com`, 'A'],
  /** The chain, and a fan of name servers at its end. */
  camp: n => [`a.b.c.d.e.f.g.h.i.j.c${n}y0.attacker.com`, 'A'],
};
const ATTACK_COPIES = 8;
const FAN = 100;
const CHAIN = 30;

function addAttacks({ add, delegate, glue }) {
  const at = { 'attacker.com': 7, 'attacker.net': 8 };
  for (const [zone, server] of Object.entries(at)) {
    delegate(zone, [`ns.${zone}.`]);
    glue(zone.split('.')[1], `ns.${zone}.`, address(2, server));
    let text = `${head(zone, [`ns.${zone}.`])}ns A ${address(2, server)}\n`;
    const fan = (owner, target) => Array.from({ length: FAN }, (_, k) => `${owner} NS ${target(k)}\n`).join('');
    for (let n = 0; n < ATTACK_COPIES; n++) {
      text += fan(`s${n}`, k => `victim${n}x${k}.zone1.net.`);
      text += fan(`t${n}`, k => `ns.u${n}x${k}.attacker.net.`);
      if (zone === 'attacker.net') {
        for (let k = 0; k < FAN; k++) text += fan(`u${n}x${k}`, j => `victim${n}x${k}y${j}.zone1.net.`);
      }
      for (const [letter, last] of [
        ['x', `h1.zone1.net.`],
        ['y', `www.s${n}.attacker.com.`],
      ]) {
        for (let i = 0; i < CHAIN; i++) {
          if ((i % 2 === 0) !== (zone === 'attacker.com')) continue;
          const other = i % 2 === 0 ? 'attacker.net' : 'attacker.com';
          const target = i + 1 < CHAIN ? `a.b.c.d.e.f.g.h.i.j.c${n}${letter}${i + 1}.${other}.` : last;
          text += `a.b.c.d.e.f.g.h.i.j.c${n}${letter}${i} CNAME ${target}\n`;
        }
      }
    }
    add(zone, text, [server]);
  }
}

/** `count` questions as `[name, type]`; popular names come often. */
export function questions(count, seed = 20_261_121) {
  const { below, pick } = randomNumbers(seed);
  const list = [];
  const zone = () => domainName(below(DOMAINS));
  const kinds = [
    [30, () => [`h${below(HOSTS)}.${zone()}`, 'A']],
    [10, () => [`h${below(HOSTS)}.${zone()}`, 'AAAA']],
    [4, () => [`h${below(HOSTS)}.${zone()}`, pick(['TXT', 'MX', 'HTTPS', 'CAA'])]],
    [8, () => [`${pick(['www', 'ext', 'far', 'broken'])}.${zone()}`, pick(['A', 'AAAA', 'CNAME'])]],
    [1, () => [`loop.${zone()}`, 'A']],
    [6, () => [zone(), pick(['A', 'MX', 'TXT', 'NS', 'SOA', 'AAAA', 'DS', 'DNSKEY'])]],
    [12, () => [`nx${below(5000)}.${zone()}`, 'A']],
    [2, () => [`x${below(50)}.y${below(9)}.nx.${zone()}`, 'A']],
    [5, () => [`w${below(200)}.wild.${zone()}`, pick(['A', 'AAAA'])]],
    [2, () => [`w${below(200)}.wildtxt.${zone()}`, pick(['TXT', 'A'])]],
    [3, () => [`${pick(['a.b.c.ent', 'b.c.ent', 'c.ent', 'ent'])}.${zone()}`, 'A']],
    [2, () => [`_sip._udp.${zone()}`, 'SRV']],
    [2, () => [`big.${zone()}`, 'TXT']],
    [6, () => [`s${below(45)}.sub.${zone()}`, pick(['A', 'A', 'AAAA'])]],
    [4, () => [`s${below(45)}.dn.${zone()}`, 'A']],
    [1, () => [pick(['com', 'net', 'org', '.']), pick(['NS', 'SOA', 'A'])]],
    [1, () => [`nowhere${below(100)}.${pick(['com', 'net', 'test2', 'nosuchtop'])}`, 'A']],
    [1, () => [`ns${1 + below(SERVERS)}.dns-host.net`, pick(['A', 'AAAA'])]],
  ];
  const total = kinds.reduce((sum, [weight]) => sum + weight, 0);
  while (list.length < count) {
    let draw = below(total);
    const [, make] = kinds.find(([weight]) => (draw -= weight) < 0);
    list.push(make());
  }
  return list;
}
