// Starts the servers of the small internet (nsd) and the resolvers that are asked: shardns, Unbound, Knot Resolver.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The benchmark network (RFC 2544): made this machine's own, for as long as it runs. Signed zones are in its second half. */
const NETWORK = '198.18.0.0/15';
const root = fileURLToPath(new URL('../..', import.meta.url));
const children = [];
// Nothing of it outlives whoever started it.
process.on('exit', () => children.forEach(child => lives(child, 'SIGKILL')));

const later = ms => new Promise(resolve => setTimeout(resolve, ms));

function start(command, args, options = {}) {
  // A group of its own, so that its children end with it.
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', 'ignore', process.env.VERBOSE ? 'inherit' : 'ignore'],
    ...options,
  });
  children.push(child);
  return child;
}

/** Whether any process of a server lives: name servers have children that go on listening for a while. */
function lives({ pid }, signal = 0) {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

/** Ends a server with its children, and waits for them. */
export async function stop(child) {
  const at = children.indexOf(child);
  if (at >= 0) children.splice(at, 1);
  lives(child, 'SIGTERM');
  for (let i = 0; lives(child); i++) {
    await later(20);
    if (i === 250) lives(child, 'SIGKILL');
  }
}

export async function stopAll() {
  await Promise.all([...children].map(stop));
}

/** One nsd an instance; each knows its own zones only. @returns how many queries they have had */
export async function startInternet(internet, folder) {
  execFileSync('ip', ['route', 'replace', 'local', NETWORK, 'dev', 'lo']);
  const configs = [];
  for (const { name, addresses, zones } of internet.instances) {
    const home = join(folder, name);
    mkdirSync(home, { recursive: true });
    let config = `server:
  ${addresses.map(one => `ip-address: ${one}@53`).join('\n  ')}
  server-count: 1
  username: ""
  database: ""
  zonesdir: "${home}"
  pidfile: "${home}/pid"
  xfrdfile: "${home}/xfrd"
  zonelistfile: "${home}/zones"
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  minimal-responses: no
remote-control:
  control-enable: yes
  control-interface: ${home}/control
`;
    for (const [i, [zone, text]] of [...zones].entries()) {
      writeFileSync(join(home, `zone${i}`), text);
      config += `zone:\n  name: "${zone}"\n  zonefile: "zone${i}"\n`;
    }
    writeFileSync(join(home, 'conf'), config);
    execFileSync('nsd-checkconf', [join(home, 'conf')]);
    start('nsd', ['-d', '-c', join(home, 'conf')]);
    configs.push(join(home, 'conf'));
  }
  for (const { addresses, zones } of internet.instances) {
    const zone = [...zones.keys()][0];
    for (const address of addresses) await until(() => ask(address, 53, zone, 'SOA', 500));
  }
  return {
    queries: () =>
      configs.reduce((sum, config) => {
        const text = execFileSync('nsd-control', ['-c', config, 'stats_noreset'], { encoding: 'utf8' });
        return sum + Number(/^num\.queries=(\d+)/m.exec(text)[1]);
      }, 0),
  };
}

/** @param policies response policy zones in their order, by name the file of each */
export async function startUnbound(
  internet,
  folder,
  port,
  { validate = internet.anchor !== undefined, policies = {} } = {},
) {
  const hints = join(folder, 'hints');
  const letters = ['a', 'b'];
  writeFileSync(
    hints,
    internet.hints
      .map(
        (one, i) => `. 3600000 NS ${letters[i]}.root-servers.net.\n${letters[i]}.root-servers.net. 3600000 A ${one}\n`,
      )
      .join(''),
  );
  const config = join(folder, 'unbound.conf');
  writeFileSync(
    config,
    `server:
  interface: 127.0.0.1@${port}
  num-threads: 1
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: "${folder}/unbound.pid"
  root-hints: "${hints}"
  do-not-query-localhost: no
  do-ip6: no
  module-config: "${Object.keys(policies).length > 0 ? 'respip ' : ''}${validate || internet.anchor === undefined ? 'validator iterator' : 'iterator'}"
  trust-anchor-signaling: no
${validate ? `  trust-anchor: "${internet.anchor}"\n` : ''}  use-syslog: no
  msg-cache-size: 128m
  rrset-cache-size: 256m
  num-queries-per-thread: 4096
  outgoing-range: 8192
  so-rcvbuf: 4m
  extended-statistics: yes
remote-control:
  control-enable: yes
  control-interface: ${folder}/unbound.control
${Object.entries(policies)
  .map(([zone, file]) => `rpz:\n  name: "${zone}"\n  zonefile: "${file}"\n`)
  .join('')}`,
  );
  const child = start('unbound', ['-d', '-c', config]);
  await until(() => ask('127.0.0.1', port, '.', 'NS', 1000));
  return child;
}

/** @param policies response policy zones in their order, by name the file of each */
export async function startBind(internet, folder, port, { policies = {} } = {}) {
  const home = join(folder, 'bind');
  mkdirSync(home, { recursive: true });
  const hints = internet.hints.map(
    (one, i) => `. 3600000 NS ${'ab'[i]}.root-servers.net.\n${'ab'[i]}.root-servers.net. 3600000 A ${one}\n`,
  );
  writeFileSync(join(home, 'hints'), hints.join(''));
  const zones = Object.entries(policies);
  writeFileSync(
    join(home, 'conf'),
    `options {
  directory "${home}";
  pid-file "${home}/pid";
  session-keyfile "${home}/session.key";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion yes;
  allow-query { any; };
  allow-recursion { any; };
  dnssec-validation no;
  empty-zones-enable no;
  minimal-responses yes;
  querylog no;
${zones.length === 0 ? '' : `  response-policy { ${zones.map(([zone]) => `zone "${zone}";`).join(' ')} };\n`}};
controls { };
zone "." { type hint; file "hints"; };
${zones.map(([zone, file]) => `zone "${zone}" { type primary; file "${file}"; allow-query { none; }; };\n`).join('')}`,
  );
  const child = start('named', ['-f', '-4', '-n', '1', '-c', join(home, 'conf')]);
  await until(() => ask('127.0.0.1', port, '.', 'NS', 1000));
  return child;
}

export async function startKnot(internet, folder, port) {
  const home = join(folder, 'knot');
  mkdirSync(home, { recursive: true });
  const config = join(folder, 'kresd.conf');
  writeFileSync(
    config,
    `net.listen('127.0.0.1', ${port}, { kind = 'dns' })
net.ipv6 = false
trust_anchors.remove('.')
${internet.anchor === undefined ? '' : `trust_anchors.add('${internet.anchor}')`}
modules.unload('priming')
modules.load('hints')
hints.root({ ['a.root-servers.net.'] = '${internet.hints[0]}', ['b.root-servers.net.'] = '${internet.hints[1]}' })
cache.size = 300 * MB
`,
  );
  const child = start('kresd', ['-n', '-q', '-c', config, home]);
  await until(() => ask('127.0.0.1', port, 'com', 'SOA', 1500));
  return child;
}

/** @param checkout whose build is started; this one's where none is given */
export async function startShardns(internet, folder, port, extra = {}, checkout = root) {
  const config = join(folder, `shardns-${port}.json`);
  writeFileSync(
    config,
    JSON.stringify({
      listen: [`127.0.0.1:${port}`],
      threads: 1,
      // Zones that are not signed have no anchor; builds of before have no such option.
      ...(readFileSync(join(checkout, 'shardns.schema.json'), 'utf8').includes('"dnssec"')
        ? { dnssec: internet.anchor === undefined ? { validate: false } : { trustAnchors: [internet.anchor] } }
        : {}),
      resolver: { recursive: true, rootHints: internet.hints, ipv6: false, doNotQueryLocalhost: false },
      log: { level: 'warn' },
      ...extra,
    }),
  );
  const child = start(process.execPath, [join(checkout, 'lib/cli/shardns.mjs'), 'serve', '--config', config]);
  await until(() => ask('127.0.0.1', port, '.', 'NS', 1000));
  return child;
}

/** Two minutes at the most: a machine may have a lot to do beside this. */
export async function until(check) {
  for (const from = Date.now(); Date.now() - from < 120_000;) {
    if (await check().then(Boolean, () => false)) return;
    await later(100);
  }
  throw new Error('a server did not come up');
}

const TYPES = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3PARAM: 51,
  HTTPS: 65,
  ANY: 255,
  CAA: 257,
};

/** @param flags `dnssecOk` (DO), `checkingDisabled` (CD), `authenticData` (AD) */
export function encodeQuery(id, name, type, { dnssecOk, checkingDisabled, authenticData } = {}) {
  const labels = name === '.' ? [] : name.split('.');
  const wire = Buffer.concat([...labels.map(one => Buffer.from([one.length, ...Buffer.from(one)])), Buffer.from([0])]);
  const low = (authenticData ? 0x20 : 0) | (checkingDisabled ? 0x10 : 0);
  const head = Buffer.from([id >> 8, id & 255, 1, low, 0, 1, 0, 0, 0, 0, 0, 1]);
  const code = TYPES[type];
  const opt = Buffer.from([0, 0, 41, 0x04, 0xd0, 0, 0, dnssecOk ? 0x80 : 0, 0, 0, 0]);
  return Buffer.concat([head, wire, Buffer.from([code >> 8, code & 255, 0, 1]), opt]);
}

/**
 * One question over TCP; the response's octets, or undefined where the connection ends before, or there is none in time.
 * @param from the client's address
 */
export function askByTcp(port, name, type, flags, { from, timeoutMs = 10_000 } = {}) {
  return new Promise(resolve => {
    const query = encodeQuery(7, name, type, flags);
    const socket = connect({ port, host: '127.0.0.1', localAddress: from }, () => {
      socket.write(Buffer.concat([Buffer.of(query.length >> 8, query.length & 255), query]));
    });
    let received = Buffer.alloc(0);
    socket.on('data', data => {
      received = Buffer.concat([received, data]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      resolve(received.subarray(2));
      socket.destroy();
    });
    socket.on('error', () => resolve(undefined));
    socket.on('close', () => resolve(undefined));
    socket.setTimeout(timeoutMs, () => socket.destroy());
  });
}

/** One question over UDP; the response's octets. */
export function ask(address, port, name, type, timeoutMs, { flags, from } = {}) {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const timer = setTimeout(() => done(new Error('no reply')), timeoutMs);
    const done = (error, message) => {
      clearTimeout(timer);
      socket.close();
      if (error) reject(error);
      else resolve(message);
    };
    socket.on('message', message => done(undefined, message));
    socket.on('error', done);
    const send = () => socket.connect(port, address, () => socket.send(encodeQuery(7, name, type, flags)));
    if (from === undefined) send();
    else socket.bind(0, from, send);
  });
}
