// What clients are told that ask how the server is asked encrypted (DDR, RFC 9462), and that nobody else is asked for it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { parseSocketAddress } from '../../../lib/base/address.js';
import { systemClock } from '../../../lib/base/clock.js';
import { designationOf } from '../../../lib/server/designation.js';
import { tellDoubts } from '../../../lib/server/doubts.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { Class, Flag, Type } from '../../../lib/wire/iana.js';
import { decodeMessage, encodeQuestion, type ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName, nameToText } from '../../../lib/wire/name.js';
import { alpnIds, decodeParams, readServiceBinding, SvcParam } from '../../../lib/wire/svcb.js';
import { makeCertificate } from '../../support/certificate.js';
import { answerA, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-ddr-'));
afterAll(() => rmSync(folder, { recursive: true }));
const files = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') };
const made = makeCertificate({ names: ['dns.example', '127.0.0.1'] });
writeFileSync(files.certificate, made.certificate);
writeFileSync(files.key, made.key);
const tls = { ...files, names: ['dns.example', '127.0.0.1'] };

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});
const LISTEN = ['127.0.0.1:0', 'https://127.0.0.1:0/dns-query', 'tls://127.0.0.1:0'];
async function start(options: ServerOptions = {}): Promise<TestServer> {
  return (server = await TestServer.start(query => answerA(query), { listen: LISTEN, tls, ...options }));
}
const ask = async (name = '_dns.resolver.arpa', type: number = Type.SVCB) => {
  const question = { name: encodeName(name), type, dnsClass: Class.IN };
  const reply = (await server!.ask('udp', encodeQuestion({ id: 7, flags: Flag.RD, question })))!;
  return { rcode: rcodeOf(reply), ...decodeMessage(Uint8Array.from(reply)) };
};
const textOf = ({ data }: ResourceRecord): string => {
  const { priority, target } = readServiceBinding(data)!;
  return `${priority} ${nameToText(target)} ${decodeParams(data.subarray(2 + target.length))}`;
};
const portOf = (at: string): number => parseSocketAddress(at, 'test').port;

test('each encrypted way is a record, in the order of `listen`, with its port, its path and its addresses', async () => {
  await start();
  const { tls: overTls, https } = server!.server.addresses();
  const { rcode, answers, additionals } = await ask();
  expect(rcode).toBe(0);
  const hint = 'ipv4hint=127.0.0.1';
  expect(answers.map(textOf)).toEqual([
    `1 dns.example. alpn="dot" port=${portOf(overTls[0])} ${hint}`,
    `2 dns.example. alpn="h2" port=${portOf(https[0])} ${hint} dohpath="/dns-query{?dns}"`,
  ]);
  expect(answers.every(one => one.ttl === 300)).toBe(true);
  const addresses = additionals.filter(one => one.type === Type.A);
  expect(addresses.map(one => [nameToText(one.name), [...one.data]])).toEqual([['dns.example.', [127, 0, 0, 1]]]);
  expect(server!.asked).toBe(0);
});

test('letters do not matter, other types and names of the zone are NODATA, and nobody is asked for any', async () => {
  await start();
  expect((await ask('_DNS.Resolver.ARPA')).answers).toHaveLength(2);
  for (const [name, type] of [
    ['_dns.resolver.arpa', Type.TXT],
    ['resolver.arpa', Type.SVCB],
    ['x.resolver.arpa', Type.SVCB],
    ['dns.x.resolver.arpa', Type.A],
  ] as const) {
    const { rcode, answers, authorities } = await ask(name, type);
    expect([rcode, answers.length, authorities.length]).toEqual([0, 0, 1]);
  }
  expect(server!.asked).toBe(0);
});

test.each([
  ['switched off', { ddr: { enabled: false } }],
  ['without names', { tls: files }],
  ['with addresses for names alone', { tls: { ...files, names: ['127.0.0.1'] } }],
  ['without an encrypted way', { listen: ['127.0.0.1:0'], tls: undefined }],
] satisfies [string, ServerOptions][])('%s, clients are told that there is none', async (_, options) => {
  await start(options);
  const { rcode, answers, authorities } = await ask();
  expect([rcode, answers.length, authorities.length]).toEqual([0, 0, 1]);
  expect(server!.asked).toBe(0);
});

test('a change of the options is told at once, though what was told before may still be kept by clients', async () => {
  await start({ listen: ['127.0.0.1:0'], tls: undefined });
  const [plain] = server!.server.addresses().udp;
  expect((await ask()).answers).toHaveLength(0);
  await server!.server.update({ listen: [plain, 'tls://127.0.0.1:0'], tls });
  expect((await ask()).answers).toHaveLength(1);
  await server!.server.update({ ddr: { addresses: ['192.0.2.9', '2001:db8::9'], ttlSeconds: 60 } });
  const { answers } = await ask();
  expect(textOf(answers[0])).toContain('ipv4hint=192.0.2.9 ipv6hint=2001:db8::9');
  expect(answers[0].ttl).toBe(60);
  await server!.server.update({ ddr: { enabled: false } });
  expect((await ask()).answers).toHaveLength(0);
});

test("the operator's own record takes its place, and the zone may be resolved as any other", async () => {
  await start({ local: { records: ['_dns.resolver.arpa 60 SVCB 1 other.example. alpn=dot'] } });
  expect((await ask()).answers.map(textOf)).toEqual(['1 other.example. alpn="dot"']);
  await server!.server.update({ local: { records: [] }, localZones: { without: ['resolver.arpa'] } });
  await ask();
  expect(server!.asked).toBe(1);
});

describe('of the addresses that it listens on', () => {
  const designated = (tlsAddresses: string[], options: ServerOptions = {}) =>
    designationOf(readOptions({ listen: ['tls://127.0.0.1'], tls, ...options }), [
      {
        protocol: 'tls',
        bound: tlsAddresses.map(address => ({ address, port: 853, family: address.includes(':') ? 6 : 4 })),
      },
    ]);
  test('all of the machine, and those of one link, are no hints', () => {
    const { answers, additionals } = designated(['0.0.0.0', '::', 'fe80::1%eth0']);
    expect(answers.map(textOf)).toEqual(['1 dns.example. alpn="dot" port=853']);
    expect(additionals).toEqual([]);
  });
  test('those at one port are one record, with eight of a family at the most', () => {
    const many = Array.from({ length: 20 }, (_, i) => `192.0.2.${i + 1}`);
    const { answers, additionals } = designated([...many, '2001:db8::1']);
    expect(answers).toHaveLength(1);
    const { params } = readServiceBinding(answers[0].data)!;
    expect([params.get(SvcParam.ipv4hint)!.length, params.get(SvcParam.ipv6hint)!.length]).toEqual([32, 16]);
    expect(additionals).toHaveLength(9);
  });
});

describe('clients ask in vain, which is told,', () => {
  const at = (...addresses: string[]) =>
    addresses.map(address => ({ address, port: 53, family: address.includes(':') ? 6 : 4 }));
  type Certificate = { file: string; names: string[] };
  function toldOf(plain: string[], encrypted: string[], reports: Certificate[], more: ServerOptions = {}): object[] {
    const options: ServerOptions = { listen: ['tls://127.0.0.1'], tls, ...more };
    const told: object[] = [];
    const warn = (what: object): void => void told.push(what);
    tellDoubts(options, readOptions(options), {
      clock: systemClock,
      log: { debug() {}, info() {}, error() {}, warn },
      groups: { all: [], bootstrap: [] },
      listeners: {
        own: { has: () => false },
        listening: [
          { protocol: 'udp', bound: at(...plain) },
          { protocol: 'tls', bound: at(...encrypted) },
        ],
      },
      certificates: { reports },
      ownsEngine: true,
      interfaces: () => ({
        lo: [{ address: '127.0.0.1', family: 'IPv4' }],
        eth0: [
          { address: '203.0.113.5', family: 'IPv4' },
          { address: '10.0.0.5', family: 'IPv4' },
          { address: '2001:db8::5', family: 'IPv6' },
        ],
      }),
    } as unknown as Parameters<typeof tellDoubts>[2]);
    return told;
  }
  const files = (...all: string[]) => all.map(address => ({ address, certificates: ['c.pem'] }));
  const certificate = { file: 'c.pem', names: ['dns.example', '192.0.2.1', '2001:DB8:0:0:0:0:0:1'] };

  test('at public addresses that the certificate is not for', () => {
    const plain = ['192.0.2.1', '192.0.2.2', '2001:db8::1', '127.0.0.1'];
    expect(toldOf(plain, ['192.0.2.1'], [certificate])).toEqual(files('192.0.2.2'));
  });
  test('at private ones where the encrypted way is at another address', () => {
    expect(toldOf(['10.0.0.1', 'fd00::1'], ['10.0.0.1', '192.0.2.1'], [certificate])).toEqual(files('fd00::1'));
    expect(toldOf(['10.0.0.1'], ['192.0.2.1'], [certificate], { ddr: { addresses: ['10.0.0.1'] } })).toEqual([]);
  });
  test('at each of the addresses of the machine where all are listened on', () => {
    expect(toldOf(['0.0.0.0', '::'], ['0.0.0.0', '::'], [certificate])).toEqual(files('203.0.113.5', '2001:db8::5'));
    expect(toldOf(['0.0.0.0'], ['203.0.113.5'], [certificate])).toEqual(files('203.0.113.5', '10.0.0.5'));
  });
  test('where the certificate that is for the address is shown for another name than is told', () => {
    const more: ServerOptions = {
      tls: {
        ...tls,
        certificates: [{ certificate: '/b.pem', key: '/b.key', names: ['192.0.2.9'] }],
      },
    };
    const reports = [certificate, { file: 'b.pem', names: ['192.0.2.9'] }];
    expect(toldOf(['192.0.2.9'], ['192.0.2.9'], reports, more)).toEqual(files('192.0.2.9'));
  });
});

describe('a binding of somebody else', () => {
  const name = [1, 97, 0];
  test.each([
    ['cut off in its target', [0, 1, 5, 97]],
    ['with a target that is compressed', [0, 1, 0xc0, 12]],
    ['cut off in a key', [0, 1, ...name, 0]],
    ['with a value longer than it has', [0, 1, ...name, 0, 1, 0, 9, 1]],
    ['with a key twice', [0, 1, ...name, 0, 3, 0, 2, 1, 1, 0, 3, 0, 2, 1, 1]],
    ['with keys that go down', [0, 1, ...name, 0, 3, 0, 2, 1, 1, 0, 1, 0, 2, 1, 97]],
    ['of nothing', []],
  ])('%s is none', (_, octets) => {
    expect(readServiceBinding(Uint8Array.from(octets))).toBeUndefined();
  });
  test('has ids of ALPN that fill their value', () => {
    expect(alpnIds(Uint8Array.of(2, 104, 50, 3, 100, 111, 116))).toEqual(['h2', 'dot']);
    for (const wrong of [[], [0], [3, 104, 50], [2, 104, 50, 9]])
      expect(alpnIds(Uint8Array.from(wrong))).toBeUndefined();
  });
});
