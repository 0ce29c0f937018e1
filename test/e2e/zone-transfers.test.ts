// Zones to and from other servers' programs over real sockets: NSD, Knot DNS and BIND as primaries and as secondaries, with
// keys (TSIG), as differences (IXFR), told of by NOTIFY.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Type } from '../../lib/wire/iana.js';
import type { ResourceRecord } from '../../lib/wire/message.js';
import { encodeName } from '../../lib/wire/name.js';
import { changeZone } from '../../lib/zone/changes.js';
import { loadZone } from '../../lib/zone/load-zone.js';
import type { Zone } from '../../lib/zone/zone.js';
import { missingTools, RealServers } from '../support/real-server.js';
import { TransferringServer } from '../support/transferring-server.js';
import { record, sortedTexts } from '../support/zone-records.js';
import { until } from '../support/until.js';
import { freePort } from '../support/free-port.js';

const missing = missingTools('nsd', 'knotd', 'named', 'dig');
const SECRET = 'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
const NAMES = ['nsd', 'knot', 'bind'] as const;
type Name = (typeof NAMES)[number];
const zoneName = (name: Name): string => `${name}.example`;

const zoneText = (name: Name, serial: number, more = ''): string => `$TTL 300
$ORIGIN ${zoneName(name)}.
@ SOA ns mail ${serial} 3600 600 86400 300
@ NS ns
ns A 192.0.2.53
www A 192.0.2.80
WWW2 A 192.0.2.81
txt TXT "one" "two; three"
*.wild MX 10 mail
mail AAAA 2001:db8::25
alias CNAME www
_sip._tcp SRV 1 2 5060 mail
${Array.from({ length: 2000 }, (_, i) => `host${i} A 10.0.${i >> 8}.${i & 255}\n`).join('')}${more}`;

function load(name: Name, text: string): Zone {
  const { zone, problems } = loadZone(Buffer.from(text), { apex: encodeName(zoneName(name)), file: 'zone' });
  if (zone === undefined) throw new Error(JSON.stringify(problems));
  return zone;
}

/** NSD and Knot DNS keep names in lower case. */
const folded = (records: Iterable<ResourceRecord>): string[] =>
  sortedTexts(records)
    .map(one => one.toLowerCase())
    .sort();

describe.skipIf(missing.length > 0)('zones from primaries', () => {
  const real = new RealServers();
  const ports: Record<string, number> = {};
  let ours: TransferringServer;

  beforeAll(async () => {
    for (const name of [...NAMES, 'ours']) ports[name] = await freePort();
    for (const name of NAMES) real.file(`${name}/zone`, zoneText(name, 1));
    real.file(
      'nsd/nsd.conf',
      `server:
  ip-address: 127.0.0.1@${ports.nsd}
  username: ""
  zonesdir: "${real.folder}/nsd"
  zonelistfile: "zone.list"
  database: ""
  xfrdfile: "xfrd.state"
  xfrdir: "${real.folder}/nsd"
  pidfile: "nsd.pid"
  rrl-ratelimit: 0
remote-control:
  control-enable: yes
  control-interface: ${real.folder}/nsd/control
key:
  name: "k"
  algorithm: hmac-sha256
  secret: "${SECRET}"
zone:
  name: ${zoneName('nsd')}
  zonefile: zone
  provide-xfr: 127.0.0.1 k
  notify: 127.0.0.1@${ports.ours} k
  store-ixfr: yes
  create-ixfr: yes
`,
    );
    real.file(
      'knot/knot.conf',
      `server:
  rundir: ${real.folder}/knot
  listen: 127.0.0.1@${ports.knot}
database:
  storage: ${real.folder}/knot
key:
  - id: k
    algorithm: hmac-sha512
    secret: ${SECRET}
remote:
  - id: ours
    address: 127.0.0.1@${ports.ours}
    key: k
acl:
  - id: ours
    address: 127.0.0.1
    key: k
    action: transfer
zone:
  - domain: ${zoneName('knot')}
    file: ${real.folder}/knot/zone
    notify: ours
    acl: ours
    zonefile-load: difference
`,
    );
    real.file(
      'bind/named.conf',
      `options {
  directory "${real.folder}/bind";
  pid-file "named.pid"; session-keyfile none;
  listen-on port ${ports.bind} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; notify explicit; notify-delay 0; startup-notify-rate 1000;
};
controls { };
key k { algorithm hmac-sha384; secret "${SECRET}"; };
zone "${zoneName('bind')}" {
  type primary; file "zone"; ixfr-from-differences yes;
  allow-transfer { key k; };
  also-notify { 127.0.0.1 port ${ports.ours} key k; };
};
`,
    );
    real.start('nsd', ['-d', '-c', `${real.folder}/nsd/nsd.conf`]);
    real.start('knotd', ['-c', `${real.folder}/knot/knot.conf`]);
    real.start('named', ['-g', '-c', `${real.folder}/bind/named.conf`]);
    for (const name of NAMES) {
      await until(
        async () => (await real.dig(ports[name], '+short', zoneName(name), 'SOA')).includes(' 1 3600'),
        `${name} answers`,
      );
    }
  });
  afterAll(async () => {
    await ours?.close();
    await real.stop();
  });

  const algorithms: Record<Name, string> = { nsd: 'hmac-sha256', knot: 'hmac-sha512', bind: 'hmac-sha384' };
  const change = async (name: Name, text: string): Promise<void> => {
    real.file(`${name}/zone`, text);
    if (name === 'nsd') await real.run('nsd-control', ['-c', `${real.folder}/nsd/nsd.conf`, 'reload', zoneName(name)]);
    else if (name === 'knot')
      await real.run('knotc', ['-s', `${real.folder}/knot/knot.sock`, 'zone-reload', zoneName(name)]);
    else process.kill(Number(await real.run('cat', ['bind/named.pid'])), 'SIGHUP');
  };

  test.each(NAMES)(
    '%s: all of it with a key, then what has changed, within a second of its NOTIFY',
    async name => {
      await ours?.close();
      ours = await TransferringServer.start({
        listen: [`127.0.0.1:${ports.ours}`],
        tsigKeys: [{ name: 'k', algorithm: algorithms[name], secret: SECRET }],
        zones: [{ name: zoneName(name), primaries: [`127.0.0.1:${ports[name]} key k`] }],
      });
      await until(() => ours.zone(zoneName(name))?.serial === 1, `${name}: AXFR ${ours.lines.join('\n')}`);
      expect(folded(ours.zone(zoneName(name))!.records())).toEqual(folded(load(name, zoneText(name, 1)).records()));
      // Before and after the change, so that there is a difference of both kinds.
      const next = zoneText(name, 2, 'new A 192.0.2.99\n').replace('host77 A 10.0.0.77\n', '');
      const began = performance.now();
      await change(name, next);
      await until(() => ours.zone(zoneName(name))?.serial === 2, `${name}: IXFR ${ours.lines.join('\n')}`);
      const tookMs = performance.now() - began;
      console.log(`${name}: from its reload to served in ${Math.round(tookMs)} ms`);
      expect(folded(ours.zone(zoneName(name))!.records())).toEqual(folded(load(name, next).records()));
      const had = ours.lines.filter(line => line.includes('a zone was had'));
      console.log(had.join('\n'));
      expect(had.at(-1)).toContain('"way":"IXFR"');
    },
    60_000,
  );

  test('a wrong secret is told, and nothing is served', async () => {
    await ours?.close();
    ours = await TransferringServer.start({
      listen: [`127.0.0.1:${ports.ours}`],
      tsigKeys: [{ name: 'k', algorithm: 'hmac-sha256', secret: Buffer.from('another secret').toString('base64') }],
      zones: [{ name: zoneName('nsd'), primaries: [`127.0.0.1:${ports.nsd} key k`] }],
    });
    await until(() => ours.lines.some(line => line.includes('cannot be had')), 'a line of the log');
    expect(ours.lines.find(line => line.includes('cannot be had'))).toMatch(/BADSIG|says NOTAUTH|not signed/);
    expect(ours.zone(zoneName('nsd'))).toBeUndefined();
  });
});

describe.skipIf(missing.length > 0)('zones to secondaries', () => {
  const real = new RealServers();
  const ports: Record<string, number> = {};
  let ours: TransferringServer;
  const own: Record<Name, Zone> = Object.fromEntries(NAMES.map(name => [name, load(name, zoneText(name, 1))])) as never;

  beforeAll(async () => {
    for (const name of [...NAMES, 'ours']) ports[name] = await freePort();
    ours = await TransferringServer.start(
      {
        listen: [`127.0.0.1:${ports.ours}`],
        tsigKeys: [{ name: 'k', algorithm: 'hmac-sha256', secret: SECRET }],
        zones: NAMES.map(name => ({
          name: zoneName(name),
          allowTransfer: ['127.0.0.0/8 key k'],
          notify: [`127.0.0.1:${ports[name]} key k`],
        })),
      },
      NAMES.map(name => own[name]),
    );
    for (const name of NAMES) real.file(`${name}/empty`, '');
    real.file(
      'nsd/nsd.conf',
      `server:
  ip-address: 127.0.0.1@${ports.nsd}
  username: ""
  zonesdir: "${real.folder}/nsd"
  zonelistfile: "zone.list"
  database: ""
  xfrdfile: "xfrd.state"
  xfrdir: "${real.folder}/nsd"
  pidfile: "nsd.pid"
  rrl-ratelimit: 0
key:
  name: "k"
  algorithm: hmac-sha256
  secret: "${SECRET}"
zone:
  name: ${zoneName('nsd')}
  zonefile: zone
  request-xfr: 127.0.0.1@${ports.ours} k
  allow-notify: 127.0.0.1 k
  provide-xfr: 127.0.0.1 NOKEY
`,
    );
    real.file(
      'knot/knot.conf',
      `server:
  rundir: ${real.folder}/knot
  listen: 127.0.0.1@${ports.knot}
database:
  storage: ${real.folder}/knot
key:
  - id: k
    algorithm: hmac-sha256
    secret: ${SECRET}
remote:
  - id: ours
    address: 127.0.0.1@${ports.ours}
    key: k
acl:
  - id: ours
    address: 127.0.0.1
    key: k
    action: notify
  - id: anybody
    address: 127.0.0.1
    action: transfer
zone:
  - domain: ${zoneName('knot')}
    file: ${real.folder}/knot/zone
    master: ours
    acl: [ours, anybody]
`,
    );
    real.file(
      'bind/named.conf',
      `options {
  directory "${real.folder}/bind";
  pid-file "named.pid"; session-keyfile none;
  listen-on port ${ports.bind} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; notify no;
};
controls { };
key k { algorithm hmac-sha256; secret "${SECRET}"; };
zone "${zoneName('bind')}" {
  type secondary; file "zone"; masterfile-format text;
  primaries { 127.0.0.1 port ${ports.ours} key k; };
  allow-transfer { 127.0.0.1; };
};
`,
    );
    real.start('nsd', ['-d', '-V3', '-c', `${real.folder}/nsd/nsd.conf`]);
    real.start('knotd', ['-c', `${real.folder}/knot/knot.conf`]);
    real.start('named', ['-g', '-c', `${real.folder}/bind/named.conf`]);
  });
  afterAll(async () => {
    await ours?.close();
    await real.stop();
  });

  const served = async (name: Name): Promise<string[]> => {
    const text = await real.dig(ports[name], zoneName(name), 'AXFR', '+onesoa', '+nocomments', '+nocmd', '+nostats');
    const lines = text.split('\n').filter(line => line !== '' && !line.startsWith(';'));
    return folded(load(name, lines.join('\n')).records());
  };
  const hasSerial = async (name: Name, serial: number): Promise<boolean> =>
    (await real.dig(ports[name], '+short', zoneName(name), 'SOA')).includes(` ${serial} 3600`);

  test.each(NAMES)(
    '%s has all of it, then what has changed, record for record',
    async name => {
      await until(
        () => hasSerial(name, 1),
        () => `${name}: AXFR\n${ours.lines.join('\n')}\n${real.output}`,
      );
      expect(await served(name)).toEqual(folded(own[name].records()));
      let zone = own[name];
      for (const serial of [2, 3]) {
        const domain = zoneName(name);
        const removed: ResourceRecord[] = [zone.soa, record(`host${serial}.${domain}`, 'A', `10.0.0.${serial}`)];
        const added = [
          record(domain, 'SOA', `ns.${domain}. mail.${domain}. ${serial} 3600 600 86400 300`),
          record(`new${serial}.${domain}`, 'A', '192.0.2.1'),
          record(`a.new${serial}.${domain}`, 'MX', `5 mail.${domain}.`),
        ];
        zone = changeZone(zone, { removed, added });
        ours.change(zone);
        const began = performance.now();
        await until(
          () => hasSerial(name, serial),
          `${name}: serial ${serial}\n${ours.lines.join('\n')}\n${real.output}`,
        );
        console.log(`${name}: serial ${serial} from replaced to served in ${Math.round(performance.now() - began)} ms`);
      }
      expect(await served(name)).toEqual(folded(zone.records()));
      const sent = ours.lines.filter(line => line.includes('a zone was sent') && line.includes(zoneName(name)));
      console.log(sent.join('\n'));
      expect(sent.some(line => line.includes('"kind":"differences"'))).toBe(true);
    },
    60_000,
  );

  test('dig: without the key REFUSED, with it all of it, its signature verified', async () => {
    const domain = zoneName('nsd');
    expect(await real.dig(ports.ours, domain, 'AXFR')).toContain('Transfer failed');
    const all = await real.dig(ports.ours, '-y', `hmac-sha256:k:${SECRET}`, domain, 'AXFR', '+nocomments');
    expect(all).not.toMatch(/verify failed|Couldn't verify/);
    expect(all.split('\n').filter(line => line.includes('\tA\t') || line.includes('\tAAAA\t')).length).toBeGreaterThan(
      2000,
    );
    const soa = await real.dig(ports.ours, '-y', `hmac-sha256:k:${SECRET}`, domain, 'SOA', '+norec');
    expect(soa).toMatch(/flags: qr aa;/);
    expect(soa).not.toMatch(/verify|WARNING/);
    const wrong = await real.dig(
      ports.ours,
      '-y',
      `hmac-sha256:k:${Buffer.from('wrong wrong').toString('base64')}`,
      domain,
      'SOA',
    );
    expect(wrong).toMatch(/status: NOTAUTH|BADSIG/);
    const none = await real.dig(ports.ours, '-y', `hmac-sha256:other:${SECRET}`, domain, 'SOA');
    expect(none).toMatch(/BADKEY|NOTAUTH/);
    const ixfr = await real.dig(ports.ours, '-y', `hmac-sha256:k:${SECRET}`, domain, 'IXFR=1', '+nocomments', '+tcp');
    expect(ixfr.split('\n').filter(line => line.includes('\tSOA\t')).length).toBe(4);
    expect(Type.IXFR).toBe(251);
  });
});
