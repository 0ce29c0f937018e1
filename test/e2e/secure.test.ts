// Programs that want proof, behind real servers: nsd with signed zones, and unbound, which only passes signatures on or
// validates itself.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CachedLookup } from '../../lib/node/cached-lookup.js';
import type { InsecureError } from '../../lib/node/errors.js';
import type { LookupOptions } from '../../lib/node/options.js';
import { Resolver } from '../../lib/node/resolver.js';
import { Type, typeName } from '../../lib/wire/iana.js';
import { nameToText } from '../../lib/wire/name.js';
import { decodeRdata } from '../../lib/wire/rdata.js';
import { makeKey, SignedZone } from '../support/signed-zone.js';
import { until } from '../support/until.js';
import { freePort } from '../support/free-port.js';

const missing = ['nsd', 'unbound'].filter(tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
if (missing.length > 0) {
  if (process.env.CI === 'true') throw new Error(`not installed: ${missing.join(' ')}`);
  console.warn(`not installed: ${missing.join(' ')}: the end-to-end tests of proofs are skipped`);
}

const DAY = 86_400;
const now = Math.floor(Date.now() / 1000);
const zoneOf = (name: string, lines: string[], expiration: number): SignedZone =>
  new SignedZone(name, [`${name} 300 NS ns.${name}`, `ns.${name} 300 A 127.0.0.1`, ...lines], makeKey('P-256'), {
    inception: now - 2 * DAY,
    expiration,
  });
const good = zoneOf(
  'good.example.',
  [
    'www.good.example. 300 A 192.0.2.80',
    'www.good.example. 300 AAAA 2001:db8::80',
    'alias.good.example. 300 CNAME www.plain.good.example.',
    '*.wild.good.example. 300 A 192.0.2.81',
    `_443._tcp.www.good.example. 300 TLSA 3 1 1 ${'ab'.repeat(32)}`,
    'plain.good.example. 300 NS ns.plain.good.example.',
  ],
  now + DAY,
);
const old = zoneOf('old.example.', ['www.old.example. 300 A 192.0.2.82'], now - DAY);
const PLAIN = `plain.good.example. 300 SOA ns.plain.good.example. root.plain.good.example. 1 3600 600 86400 60
plain.good.example. 300 NS ns.plain.good.example.
ns.plain.good.example. 300 A 127.0.0.1
www.plain.good.example. 300 A 192.0.2.83
`;
const zoneFile = ({ rrsets }: SignedZone): string =>
  rrsets
    .flatMap(({ name, type, ttl, data, signatures }) => [
      ...data.map(one => `${nameToText(name)} ${ttl} ${typeName(type)} ${decodeRdata(type, one)}`),
      ...signatures.map(one => `${nameToText(name)} ${ttl} RRSIG ${decodeRdata(Type.RRSIG, one)}`),
    ])
    .join('\n') + '\n';

const folder = mkdtempSync(join(tmpdir(), 'shardns-secure-'));
const children: ChildProcess[] = [];
const ports = { nsd: 0, forwarder: 0, validator: 0 };
const anchors = [good.anchor, old.anchor];

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const start = (command: string, config: string): void =>
  void children.push(spawn(command, ['-d', '-c', config], { stdio: 'ignore' }));

const unbound = (port: number, options: string): string =>
  file(
    `unbound-${port}.conf`,
    `server:
  interface: 127.0.0.1@${port}
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
  logfile: "${folder}/unbound.log"
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  ede: yes
${options}
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${ports.nsd}
`,
  );

describe.skipIf(missing.length > 0)('with real servers', () => {
  beforeAll(async () => {
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
    const zones = [
      ['good.example', file('good', zoneFile(good))],
      ['old.example', file('old', zoneFile(old))],
      ['plain.good.example', file('plain', PLAIN)],
    ].map(([name, path]) => `zone:\n  name: ${name}\n  zonefile: "${path}"\n`);
    const nsd = `server:
  ip-address: 127.0.0.1@${ports.nsd}
  username: ""
  zonesdir: "${folder}"
  pidfile: "${folder}/nsd.pid"
  database: ""
  logfile: "${folder}/nsd.log"
  xfrdfile: "${folder}/xfrd"
  xfrdir: "${folder}"
  zonelistfile: "${folder}/zonelist"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
${zones.join('')}`;
    start('nsd', file('nsd.conf', nsd));
    start('unbound', unbound(ports.forwarder, '  module-config: "iterator"'));
    const trusted = anchors.map(one => `  trust-anchor: "${one}"`).join('\n');
    start('unbound', unbound(ports.validator, `  module-config: "validator iterator"\n${trusted}`));
    for (const port of [ports.forwarder, ports.validator]) {
      await until(async () => {
        using probe = new Resolver({ timeout: 300, tries: 1 });
        probe.setServers([`127.0.0.1:${port}`]);
        return (await probe.resolve4('www.good.example')).length > 0;
      });
    }
  });
  const open: Disposable[] = [];
  afterEach(() => {
    for (const one of open.splice(0)) one[Symbol.dispose]();
  });
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  const programOf = (options: LookupOptions) => {
    const cached = new CachedLookup({ resolvConf: false, hostsFile: false, ...options });
    open.push(cached);
    return { lookup: promisify(cached.lookup), resolver: new Resolver({ client: cached.client, secure: 'report' }) };
  };
  const failure = (promise: Promise<unknown>): Promise<InsecureError> =>
    promise.then(
      value => Promise.reject(new Error(`it was told ${JSON.stringify(value)}`)),
      (error: InsecureError) => error,
    );

  describe.each([
    ['which only pass signatures on', () => ({ servers: [`127.0.0.1:${ports.forwarder}`], trustAnchors: anchors })],
    ['that are trusted', () => ({ servers: [`127.0.0.1:${ports.validator}`], trustAd: true })],
  ] as [string, () => LookupOptions][])('by servers %s', (_, optionsOf) => {
    test('what is signed is secure, and what is not is told from it', async () => {
      const { resolver, lookup } = programOf({ ...optionsOf(), secure: 'report' });
      expect((await resolver.resolve4('www.good.example')).secure).toBe(true);
      expect((await resolver.resolveTlsa('_443._tcp.www.good.example')).secure).toBe(true);
      expect((await resolver.resolve4('one.wild.good.example')).secure).toBe(true);
      expect((await resolver.resolve4('www.plain.good.example')).secure).toBe(false);
      expect((await resolver.resolve4('alias.good.example')).secure).toBe(false);
      expect(await failure(resolver.resolve4('none.good.example'))).toMatchObject({ code: 'ENOTFOUND', secure: true });
      expect(await failure(resolver.resolveMx('www.good.example'))).toMatchObject({ code: 'ENODATA', secure: true });
      expect(await lookup('www.good.example', { all: true })).toEqual(
        expect.arrayContaining([
          { address: '192.0.2.80', family: 4, secure: true },
          { address: '2001:db8::80', family: 6, secure: true },
        ]) as unknown,
      );
      expect(await lookup('www.plain.good.example', 4)).toMatchObject({ secure: false });
    });

    test('a zone whose signatures have expired is refused, with the reason', async () => {
      const { lookup } = programOf({ ...optionsOf(), secure: 'required' });
      const error = await failure(lookup('www.old.example', 4));
      expect(error).toMatchObject({ code: 'EINSECURE', bogus: true });
      // Its DNSKEY records have expired with the rest: unbound has no key then.
      expect(error.reason).toMatch(/an expired signature|no DNSKEY record/);
    });
  });

  test('AD that nobody was told to trust counts for nothing', async () => {
    const { resolver } = programOf({
      servers: [`127.0.0.1:${ports.validator}`],
      secure: 'report',
      trustAnchors: ['elsewhere.example. DS 1 13 2 ' + 'AB'.repeat(32)],
    });
    expect((await resolver.resolve4('www.good.example')).secure).toBe(false);
  });
});
