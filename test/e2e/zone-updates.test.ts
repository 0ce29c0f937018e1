// Dynamic updates by nsupdate (RFC 2136), zones over TLS both ways (RFC 9103), and a secondary that starts without its primary.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeName } from '../../lib/wire/name.js';
import { loadZone } from '../../lib/zone/load-zone.js';
import type { Zone } from '../../lib/zone/zone.js';
import { CERTIFICATE, KEY } from '../support/certificate.js';
import { missingTools, RealServers } from '../support/real-server.js';
import { TransferringServer } from '../support/transferring-server.js';
import { texts } from '../support/zone-records.js';
import { until } from '../support/until.js';
import { freePort } from '../support/free-port.js';

const missing = missingTools('nsupdate', 'dig', 'kdig', 'named', 'nsd');
const SECRET = 'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
const KEYS = ['k', 'acme'].map(name => ({ name, algorithm: 'hmac-sha256', secret: SECRET }));
const TEXT = `$TTL 300
@ SOA ns mail 1 3600 600 86400 300
@ NS ns
ns A 192.0.2.53
www A 192.0.2.80
alias CNAME www
`;
function load(text = TEXT): Zone {
  const { zone } = loadZone(Buffer.from(text), { apex: encodeName('example'), file: 'zone' });
  return zone!;
}

describe.skipIf(missing.length > 0)('nsupdate', () => {
  const real = new RealServers();
  let ours: TransferringServer;
  let port = 0;
  const settings = {
    tsigKeys: KEYS,
    zoneTransfers: { folder: `${real.folder}/kept` },
    zones: [
      {
        name: 'example',
        allowTransfer: ['key k'],
        allowUpdate: [{ key: 'k' }, { key: 'acme', names: ['_acme-challenge.example'], types: ['TXT'] }],
      },
    ],
  };
  const start = async (): Promise<void> => {
    ours = await TransferringServer.start({ ...settings, listen: [`127.0.0.1:${port}`] }, [load()]);
  };

  beforeAll(async () => {
    port = await freePort();
    await start();
  });
  afterAll(async () => {
    await ours.close();
    await real.stop();
  });
  const update = async (key: string, ...lines: string[]): Promise<string> => {
    const commands = [`server 127.0.0.1 ${port}`, 'zone example', ...lines, 'send', 'answer', ''].join('\n');
    try {
      return await real.run('nsupdate', key === '' ? [] : ['-y', `hmac-sha256:${key}:${SECRET}`], commands);
    } catch (error) {
      return String((error as { stderr: string }).stderr);
    }
  };
  const has = (text: string): boolean => texts(ours.zone('example')!.records()).some(line => line.includes(text));

  test('adds and deletes, and raises the serial', async () => {
    expect(await update('k', 'update add new.example 60 A 192.0.2.7', 'update delete www.example A')).not.toMatch(
      /failed/,
    );
    expect([has('new.example. 60 A 192.0.2.7'), has('www.example. 300 A'), ours.zone('example')!.serial]).toEqual([
      true,
      false,
      2,
    ]);
    expect(await update('k', 'update delete new.example')).not.toMatch(/failed/);
    expect([has('new.example'), ours.zone('example')!.serial]).toEqual([false, 3]);
  });
  test('prerequisites that do not hold are told, each by its rcode', async () => {
    expect(await update('k', 'prereq yxdomain none.example', 'update add x.example 1 A 192.0.2.1')).toMatch(/NXDOMAIN/);
    expect(await update('k', 'prereq nxdomain ns.example', 'update add x.example 1 A 192.0.2.1')).toMatch(/YXDOMAIN/);
    expect(await update('k', 'prereq yxrrset ns.example AAAA', 'update add x.example 1 A 192.0.2.1')).toMatch(
      /NXRRSET/,
    );
    expect(await update('k', 'prereq nxrrset ns.example A', 'update add x.example 1 A 192.0.2.1')).toMatch(/YXRRSET/);
    expect(
      await update('k', 'prereq yxrrset ns.example A 192.0.2.53', 'update add y.example 1 A 192.0.2.1'),
    ).not.toMatch(/failed/);
    expect([has('x.example'), has('y.example')]).toEqual([false, true]);
  });
  test('without a key, with another one, or beyond what a key may, nothing changes', async () => {
    const { serial } = ours.zone('example')!;
    expect(await update('', 'update add x.example 1 A 192.0.2.1')).toMatch(/REFUSED/);
    expect(await update('other', 'update add x.example 1 A 192.0.2.1')).toMatch(/NOTAUTH|BADKEY/);
    expect(await update('acme', 'update add x.example 1 TXT "x"')).toMatch(/REFUSED/);
    expect(await update('acme', 'update add _acme-challenge.example 1 CNAME www.example')).toMatch(/REFUSED/);
    expect(ours.zone('example')!.serial).toBe(serial);
    expect(await update('acme', 'update add _acme-challenge.example 1 TXT "token"')).not.toMatch(/failed/);
    expect(has('_acme-challenge.example. 1 TXT "token"')).toBe(true);
  });
  test('a CNAME beside other data is ignored, and the last NS stays', async () => {
    await update(
      'k',
      'update add ns.example 1 CNAME www.example',
      'update add alias.example 1 A 192.0.2.1',
      'update delete example NS',
    );
    expect([has('ns.example. 1 CNAME'), has('alias.example. 1 A'), has('example. 300 NS')]).toEqual([
      false,
      false,
      true,
    ]);
  });
  test('what was changed is there after a restart, and goes out as a difference', async () => {
    const before = texts(ours.zone('example')!.records());
    await ours.close();
    await start();
    await until(() => ours.zone('example')!.serial > 1, 'the journal was read');
    expect(texts(ours.zone('example')!.records())).toEqual(before);
    const args = ['-y', `hmac-sha256:k:${SECRET}`, 'example', 'IXFR=1', '+nocomments', '+tcp'];
    const ixfr = await real.dig(port, ...args);
    expect(ixfr.split('\n').filter(line => line.includes('\tSOA\t')).length).toBe(4);
  });
});

describe.skipIf(missing.length > 0)('over TLS', () => {
  const real = new RealServers();
  const servers: TransferringServer[] = [];
  afterAll(async () => {
    for (const one of servers) await one.close();
    await real.stop();
  });

  test('a zone goes from one server to the other, and only so where the rule says tls', async () => {
    const tls = { certificate: real.file('certificate.pem', CERTIFICATE), key: real.file('key.pem', KEY) };
    const [tlsPort, port] = [await freePort(), await freePort()];
    const primary = await TransferringServer.start(
      {
        listen: [`127.0.0.1:${port}`, `tls://127.0.0.1:${tlsPort}`],
        tls,
        tsigKeys: KEYS,
        zones: [{ name: 'example', allowTransfer: ['tls 127.0.0.1 key k'] }],
      },
      [load()],
    );
    servers.push(primary);
    const authorities = real.file('authorities.pem', CERTIFICATE);
    const from = (at: string) => ({
      listen: ['127.0.0.1:0'],
      tsigKeys: KEYS,
      zones: [{ name: 'example', primaries: [at] }],
      upstream: { tlsAuthorities: authorities },
    });
    const secondary = await TransferringServer.start(from(`tls://127.0.0.1:${tlsPort}#loop.example key k`));
    servers.push(secondary);
    await until(() => secondary.zone('example')?.serial === 1, `XoT\n${secondary.lines.join('\n')}`);
    expect(texts(secondary.zone('example')!.records())).toEqual(texts(load().records()));
    const plain = await TransferringServer.start(from(`127.0.0.1:${port} key k`));
    servers.push(plain);
    await until(() => plain.lines.some(line => line.includes('REFUSED')), 'it is refused over TCP');
    expect(plain.zone('example')).toBeUndefined();
    // Whoever cannot prove its name is asked nothing.
    const doubted = await TransferringServer.start(from(`tls://127.0.0.1:${tlsPort}#other.example key k`));
    servers.push(doubted);
    await until(() => doubted.lines.some(line => line.includes('cannot be had')), 'it is not believed');
    expect(doubted.zone('example')).toBeUndefined();
    const kdig = await real.run('kdig', [
      '@127.0.0.1',
      '-p',
      String(tlsPort),
      '+tls',
      '-y',
      `hmac-sha256:k:${SECRET}`,
      'example',
      'AXFR',
    ]);
    expect(kdig).toMatch(/www\.example\.\s+300\s+IN\s+A\s+192\.0\.2\.80/);
  });
});

describe.skipIf(missing.length > 0)('a secondary', () => {
  const real = new RealServers();
  afterAll(() => real.stop());

  test('serves after a restart without its primary, with its journal', async () => {
    const port = await freePort();
    const primary = await TransferringServer.start(
      {
        listen: [`127.0.0.1:${port}`],
        tsigKeys: KEYS,
        zones: [{ name: 'example', allowTransfer: ['127.0.0.1 key k'] }],
      },
      [load()],
    );
    const settings = {
      listen: ['127.0.0.1:0'],
      tsigKeys: KEYS,
      zoneTransfers: { folder: `${real.folder}/secondary` },
      zones: [{ name: 'example', primaries: [`127.0.0.1:${port} key k`] }],
    };
    const first = await TransferringServer.start(settings);
    await until(() => first.zone('example')?.serial === 1, `AXFR\n${first.lines.join('\n')}`);
    primary.change(load(TEXT.replace(' 1 3600', ' 2 3600').concat('more A 192.0.2.1\n')));
    first.server.zoneTransfers.refresh('example', false);
    await until(() => first.zone('example')?.serial === 2, `IXFR\n${first.lines.join('\n')}`);
    await primary.close();
    const had = texts(first.zone('example')!.records());
    await first.close();
    const second = await TransferringServer.start(settings);
    expect(texts(second.zone('example')!.records())).toEqual(had);
    expect(second.server.zoneTransfers.report().zones[0].secondary).toMatchObject({ state: 'serving', serial: 2 });
    expect(await real.dig(Number(second.server.addresses().udp[0].split(':')[1]), 'more.example', 'A')).toMatch(
      /flags: qr aa[^]*more\.example\.\s+300\s+IN\s+A\s+192\.0\.2\.1/,
    );
    await second.close();
  });
});
