// The example of docs/dane.md, against a TLS server on loopback and signed zones.
import { createHash, createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { CachedLookup } from '../../../lib/node/cached-lookup.js';
import { Resolver } from '../../../lib/node/resolver.js';
import { Type } from '../../../lib/wire/iana.js';
import { Query } from '../../../lib/wire/query.js';
import { CERTIFICATE, KEY } from '../../support/certificate.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { answerOf, type Said } from '../../support/signed-internet.js';
import { NOW, SignedTree } from '../../support/signed-tree.js';

type ConnectDane = (host: string, port: number, by: object) => Promise<tls.TLSSocket>;
let connectDane: ConnectDane;
const folder = mkdtempSync(join(tmpdir(), 'shardns-dane-'));
beforeAll(async () => {
  const [, code] = /^```ts\n([\s\S]*?)^```/m.exec(readFileSync('docs/dane.md', 'utf8'))!;
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  const path = join(folder, 'dane.mjs');
  writeFileSync(path, outputText.replace("from 'shardns'", `from '${pathToFileURL('dist/index.js').href}'`));
  ({ connectDane } = (await import(path)) as { connectDane: ConnectDane });
});
afterAll(() => rmSync(folder, { recursive: true }));

let server: tls.Server;
let port: number;
let connections: number;
const open: Disposable[] = [];
beforeEach(async () => {
  connections = 0;
  server = tls.createServer({ key: KEY, cert: CERTIFICATE }, socket => socket.on('error', () => {}).end('hello'));
  server.on('connection', () => connections++);
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});
afterEach(() => {
  for (const one of open.splice(0)) one[Symbol.dispose]();
  server.close();
});

const digest = createHash('sha256')
  .update(createPublicKey(KEY).export({ type: 'spki', format: 'der' }))
  .digest('hex');

/** What the example is called with, in a world of these zones. */
function by(lie: (said: Said) => Said = said => said) {
  const at = (name: string, data: string): string[] => [
    `${name} 300 A 127.0.0.1`,
    `_${port}._tcp.${name} 300 TLSA ${data}`,
  ];
  const tree = new SignedTree({
    '.': {},
    'shop.': {
      lines: [
        ...at('www.shop.', `3 1 1 ${digest}`),
        ...at('other.shop.', `3 1 1 ${'ab'.repeat(32)}`),
        ...at('authority.shop.', `2 0 1 ${digest}`),
        'none.shop. 300 A 127.0.0.1',
      ],
    },
    'plain.': { unsigned: true, lines: at('www.plain.', `3 1 1 ${digest}`) },
  });
  const clock = new FakeClock();
  clock.wall = NOW;
  const transport = new FakeTransport(clock, octets => answerOf(tree, new Query(octets), { lie }));
  const cached = new CachedLookup(
    { servers: ['192.0.2.1'], secure: 'report', hostsFile: false, trustAnchors: [tree.signed('.').anchor] },
    { clock, udpTransport: transport, tcpTransport: transport },
  );
  open.push(cached);
  return { lookup: cached.lookup, resolver: new Resolver({ client: cached.client, secure: 'required' }) };
}

test('a server with the key that its zone has signed is talked to, whoever has certified it', async () => {
  const socket = await connectDane('www.shop', port, by());
  const [data] = (await once(socket, 'data')) as [Buffer];
  expect(data.toString()).toBe('hello');
  socket.destroy();
});

test('one with another key is not', async () => {
  await expect(connectDane('other.shop', port, by())).rejects.toThrow('another key than its TLSA records');
});

test.each([
  ['no zone has signed them', 'www.plain', undefined, { code: 'EINSECURE', bogus: false }],
  [
    'they are forged',
    'www.shop',
    (said: Said): Said => ({
      ...said,
      answer: said.answer.map(one =>
        one.type === Type.TLSA ? { ...one, data: [Buffer.from(`030101${digest}`, 'hex').fill(1, 3)] } : one,
      ),
    }),
    { code: 'EINSECURE', bogus: true },
  ],
  ['there are none, which is proven', 'none.shop', undefined, { code: 'ENOTFOUND', secure: true }],
  [
    'they are of another form',
    'authority.shop',
    undefined,
    { message: expect.stringContaining('no TLSA record 3 1 1') as string },
  ],
] as const)('nobody is connected to where %s', async (_, host, lie, error) => {
  await expect(connectDane(host, port, by(lie))).rejects.toMatchObject(error);
  expect(connections).toBe(0);
});
