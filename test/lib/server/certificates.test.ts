// Certificates of encrypted listeners: what is wrong with one is told by its file, and one that changes is in force soon.
import { chmodSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { Logger } from '../../../lib/base/log.js';
import { Certificates } from '../../../lib/server/certificates.js';
import type { TlsContext } from '../../../lib/server/listeners/tls-source.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { makeCertificate, type MadeCertificate } from '../../support/certificate.js';
import { FakeClock } from '../../support/fake-clock.js';

const DAY_S = 86_400;
const folder = mkdtempSync(join(tmpdir(), 'shardns-tls-'));
afterAll(() => rmSync(folder, { recursive: true }));
const [certificateFile, keyFile] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];

const clock = new FakeClock();
const at = (seconds: number): Date => new Date(seconds * 1000);
const made = (days = 90, wishes = {}): MadeCertificate =>
  makeCertificate({
    names: ['dns.example', '*.dns.example', '192.0.2.1'],
    notBefore: at(clock.wall - DAY_S),
    notAfter: at(clock.wall + days * DAY_S + 60),
    ...wishes,
  });
function store({ certificate, key }: { certificate?: string; key?: string }): void {
  // As those who renew them do: another file in the place of the one before.
  for (const [path, text] of [[certificateFile, certificate] as const, [keyFile, key] as const]) {
    if (text === undefined) continue;
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }
}

let told: string[];
let certificates: Certificates;
beforeEach(() => {
  clock.wall = 1_700_000_000;
  told = [];
  const tell =
    (level: string) =>
    (what: object, message: string): void =>
      void told.push(`${level} ${message} ${JSON.stringify(what)}`);
  const log = { debug: () => {}, info: tell('info'), warn: tell('warn'), error: tell('error') };
  certificates = new Certificates(clock, log as unknown as Logger);
  return () => certificates.close();
});
const settings = (tls: Partial<ServerOptions['tls']> = {}, listen = ['tls://127.0.0.1']) =>
  readOptions({ listen, tls: { certificate: certificateFile, key: keyFile, ...tls } });
const use = (tls?: Partial<ServerOptions['tls']>): void => certificates.prepare(settings(tls)).commit();

describe('is refused', () => {
  const good = made();
  const rsa = '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n';
  test.each<[string, { certificate?: string; key?: string }, string, string]>([
    ['a certificate that has expired', made(-1), certificateFile, 'has expired'],
    ['one that is not valid yet', made(90, { notBefore: at(clock.wall + 60) }), certificateFile, 'not valid yet'],
    ['the key of another', { ...good, key: made().key }, keyFile, 'not that of the certificate'],
    ['a file without a certificate', { ...good, certificate: 'hello' }, certificateFile, 'no certificate'],
    [
      'a broken certificate behind a good one',
      { ...good, certificate: `${good.certificate}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n` },
      certificateFile,
      'certificate 2 of 2 cannot be read',
    ],
    ['a file without a key', { ...good, key: good.certificate }, keyFile, 'no private key'],
    ['a key with a passphrase', { ...good, key: rsa }, keyFile, 'passphrase'],
  ])('%s, by the name of its file', (_, files, path, what) => {
    store(files);
    expect(() => certificates.prepare(settings())).toThrow(`${path}: `);
    expect(() => certificates.prepare(settings())).toThrow(what);
  });

  test('a file that is not there, and one that may not be read', () => {
    store(good);
    unlinkSync(keyFile);
    expect(() => certificates.prepare(settings())).toThrow(`${keyFile}: cannot be read: ENOENT`);
    store(good);
    chmodSync(keyFile, 0);
    if (process.getuid?.() !== 0) expect(() => certificates.prepare(settings())).toThrow(`${keyFile}: cannot be read`);
    expect(() => certificates.prepare(settings({ key: folder }))).toThrow(`${folder}: not a regular file`);
  });

  test('a certificate that is not for every name of the server', () => {
    store(good);
    use({ names: ['dns.example', 'a.dns.example', '192.0.2.1'] });
    expect(() => use({ names: ['dns.example', 'dns.test'] })).toThrow(
      `${certificateFile}: the certificate is not for dns.test, but for dns.example, *.dns.example, 192.0.2.1`,
    );
    expect(() => use({ names: ['192.0.2.2'] })).toThrow('not for 192.0.2.2');
  });
});

test('files are not looked at where nothing is listened for that needs them', () => {
  certificates.prepare(settings({ certificate: '/nowhere' }, ['127.0.0.1:0'])).commit();
  expect(certificates.reports).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

test('a certificate that is renewed is in force when both files have been there for two looks, with no mistake told between', async () => {
  const [first, second] = [made(), made()];
  store(first);
  use();
  const seen: TlsContext[] = [];
  certificates.follow(context => seen.push(context));
  await clock.advance(20_000);
  expect(seen).toHaveLength(1);
  store({ certificate: second.certificate });
  await clock.advance(5001);
  store({ key: second.key });
  await clock.advance(10_001);
  expect(seen.map(one => one.cert)).toEqual([first.certificate, second.certificate]);
  expect(seen[1].key).toBe(second.key);
  expect(told.map(one => one.split(' ')[0])).toEqual(['info']);
  expect([certificates.counts.reloads, certificates.counts.failures, certificates.reports[0].problem]).toEqual([
    1,
    0,
    undefined,
  ]);
});

test('a file that becomes useless is told once, and what was read before stays until it is good again', async () => {
  const first = made();
  store(first);
  use();
  const seen: TlsContext[] = [];
  certificates.follow(context => seen.push(context));
  store({ key: made().key });
  await clock.advance(60_000);
  expect(seen).toHaveLength(1);
  expect(told).toHaveLength(1);
  expect(certificates.reports[0].problem).toContain(`${keyFile}: the key is not that of the certificate`);
  unlinkSync(keyFile);
  await clock.advance(60_000);
  expect(certificates.reports[0].problem).toContain('no private key');
  store(first);
  await clock.advance(60_000);
  expect(certificates.reports[0].problem).toBeUndefined();
  expect(certificates.counts.failures).toBe(2);
});

test('a certificate that ends in 30 days is told once a day, and one that has ended as an error', async () => {
  store(made(31));
  use();
  expect(certificates.reports[0]).toMatchObject({ daysLeft: 31, names: ['dns.example', '*.dns.example', '192.0.2.1'] });
  await clock.advance(20_000);
  expect(told).toEqual([]);
  clock.wall += DAY_S;
  await clock.advance(20_000);
  expect(told).toEqual([expect.stringMatching(/^warn .*ends soon.*"daysLeft":30/)]);
  clock.wall += DAY_S;
  await clock.advance(20_000);
  expect(told).toHaveLength(2);
  clock.wall += 30 * DAY_S;
  await clock.advance(20_000);
  expect(told[2]).toMatch(/^error .*has expired/);
  expect(told).toHaveLength(3);
});

test('a certificate that has expired in force keeps no other change from being made, and is not taken up anew', () => {
  store(made(1));
  use();
  const seen: TlsContext[] = [];
  certificates.follow(context => seen.push(context));
  clock.wall += 2 * DAY_S;
  use();
  expect(certificates.reports[0]).toMatchObject({ daysLeft: -1 });
  expect(seen).toHaveLength(1);
  expect(() => use({ minVersion: 'TLSv1.3' })).toThrow('has expired');
});

test('the key of tickets is the same for all listeners, over a renewal too, and another every day', async () => {
  store(made());
  use();
  const seen: TlsContext[][] = [[], []];
  for (const of of seen) certificates.follow(context => of.push(context));
  store(made());
  use();
  const keys = (): unknown[] => seen.map(of => of.at(-1)!.ticketKeys!.toString('hex'));
  const [before] = keys();
  expect(keys()).toEqual([before, before]);
  expect(seen[0][0].ticketKeys).toHaveLength(48);
  await clock.advance(86_400_000 + 5001);
  const [after] = keys();
  expect(keys()).toEqual([after, after]);
  expect(after).not.toBe(before);
});

test('listeners are opened with what is coming, and go back to what was where that comes to nothing', () => {
  const [first, second] = [made(), made()];
  store(first);
  use();
  const seen: TlsContext[] = [];
  store(second);
  const prepared = certificates.prepare(settings());
  const end = certificates.follow(context => seen.push(context));
  prepared.discard();
  expect(seen.map(one => one.cert)).toEqual([second.certificate, first.certificate]);
  end();
  certificates.prepare(settings()).commit();
  expect(seen).toHaveLength(2);
});
