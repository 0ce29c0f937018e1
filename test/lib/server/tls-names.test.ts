// Several certificates: which one a client is shown, that each is read again by itself, and sessions that another server has
// begun.
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import { parseSocketAddress } from '../../../lib/base/address.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { frame, MessageReader } from '../../../lib/transport/framing.js';
import { type CertificateWishes, makeCertificate } from '../../support/certificate.js';
import { answerA, makeQuery, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-names-'));
afterAll(() => rmSync(folder, { recursive: true }));
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
  return path;
}
function store(name: string, wishes: CertificateWishes = {}) {
  const { certificate, key } = makeCertificate({ names: [name], subject: name, ...wishes });
  const base = name.replace('*', 'any');
  return { certificate: file(`${base}.pem`, certificate), key: file(`${base}.key`, key) };
}

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
async function start(tls: ServerOptions['tls'], more: ServerOptions = {}): Promise<TestServer> {
  const server = await TestServer.start(query => answerA(query), { listen: ['tls://127.0.0.1:0'], tls, ...more });
  ends.push(() => server.close());
  return server;
}
async function open(server: TestServer, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { address: host, port } = parseSocketAddress(server.server.addresses().tls[0], 'test');
  const socket = connect({ host, port, rejectUnauthorized: false, ...options });
  ends.push(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}
async function shown(server: TestServer, servername?: string): Promise<unknown> {
  const socket = await open(server, { servername });
  const subject: unknown = socket.getPeerCertificate().subject.CN;
  socket.destroy();
  return subject;
}
async function askOn(socket: TLSSocket): Promise<number> {
  const reader = new MessageReader();
  socket.write(frame(makeQuery('a.example')));
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    const [message] = reader.push(chunk);
    if (message !== undefined) return rcodeOf(message);
  }
}

describe('the name that a client asks for', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('chooses the certificate, else the first is shown: %s', async version => {
    const server = await start({
      ...store('dns.example'),
      certificates: [store('other.example'), store('*.wild.example'), store('second.example', { subject: 'second' })],
    });
    const named = async (servername?: string) => {
      const socket = await open(server, { servername, minVersion: version, maxVersion: version });
      expect(await askOn(socket)).toBe(0);
      return socket.getPeerCertificate().subject.CN as string;
    };
    expect(await named()).toBe('dns.example');
    expect(await named('OTHER.example')).toBe('other.example');
    expect(await named('x.wild.example')).toBe('*.wild.example');
    expect(await named('y.x.wild.example')).toBe('dns.example');
    expect(await named('second.example')).toBe('second');
    expect(await named('nobody.example')).toBe('dns.example');
    expect(server.server.report().tls!.certificates.map(one => one.names)).toEqual([
      ['dns.example'],
      ['other.example'],
      ['*.wild.example'],
      ['second.example'],
    ]);
    const text = await new Metrics(server.server).text();
    expect(text).toMatch(/days_left\{file=".*second\.example\.pem"\} 36[45]/);
  });

  test('that is given wins over one of a certificate before it', async () => {
    const server = await start({
      certificates: [
        store('wide', { names: ['dns.example', 'a.example'] }),
        { ...store('a.example'), names: ['a.example'] },
      ],
    });
    expect(await shown(server, 'a.example')).toBe('a.example');
    expect(await shown(server, 'dns.example')).toBe('wide');
    expect(await shown(server)).toBe('wide');
  });
});

test('each is read again by itself, with connections open and none dropped', async () => {
  const server = await start({ ...store('dns.example'), certificates: [store('other.example')] });
  const before = await open(server, { servername: 'other.example' });
  store('other.example', { subject: 'renewed' });
  await server.server.update({});
  expect(await shown(server, 'other.example')).toBe('renewed');
  expect(await shown(server)).toBe('dns.example');
  expect(await askOn(before)).toBe(0);
});

describe('is refused by the name of its file', () => {
  test.each([
    [
      'one that has expired',
      { notAfter: new Date(Date.now() - 1000) },
      /other\.example\.pem: the certificate has expired/,
    ],
    ['one that is not for its name', { names: ['x.example'] }, /other\.example\.pem: the certificate is not for other/],
  ])('%s among others, at the start and later', async (_, wishes, message) => {
    const good = store('dns.example');
    const wrong = () => ({ ...store('other.example', wishes), names: ['other.example'] });
    await expect(start({ ...good, certificates: [wrong()] })).rejects.toThrow(message);
    const server = await start({ ...good, certificates: [{ ...store('other.example'), names: ['other.example'] }] });
    wrong();
    await expect(server.server.update({})).rejects.toThrow(message);
    expect(await shown(server, 'other.example')).toBe('other.example');
  });
  test('the key of another', async () => {
    const [one, other] = [store('dns.example'), store('other.example')];
    const mixed = { ...one, certificates: [{ ...other, key: one.key }] };
    await expect(start(mixed)).rejects.toThrow(
      `${one.key}: the key is not that of the certificate in ${other.certificate}`,
    );
  });
});

test.each([
  [{ certificate: '/a.pem' }, /tls\.key: expected a file beside tls\.certificate/],
  [{ names: ['dns.example'] }, /tls: expected certificate and key, or certificates/],
  [
    {
      certificate: '/a',
      key: '/b',
      names: ['a.example'],
      certificates: [{ certificate: '/c', key: '/d', names: ['A.example.'] }],
    },
    /tls\.certificates\[0\]\.names\[0\]: expected a name that no other certificate is shown for/,
  ],
])('options that cannot be meant are told by their places: %j', (tls, message) => {
  expect(() => readOptions({ listen: ['tls://127.0.0.1'], tls })).toThrow(message);
});

describe('sessions', () => {
  const secret = 'cd'.repeat(48);
  async function sessionOf(server: TestServer, options: ConnectionOptions): Promise<Buffer> {
    const socket = await open(server, options);
    let session: Buffer | undefined = options.maxVersion === 'TLSv1.2' ? socket.getSession() : undefined;
    socket.on('session', (its: Buffer) => (session = its));
    await askOn(socket);
    while (session === undefined) await new Promise(resolve => setTimeout(resolve, 5));
    return session;
  }
  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'that one server has begun another with the same secret resumes, by name too: %s',
    async version => {
      const tls = {
        ...store('dns.example'),
        certificates: [store('other.example')],
        tickets: { file: file('secret', secret) },
      };
      const [one, other, alone] = [await start(tls), await start(tls), await start({ ...tls, tickets: {} })];
      for (const servername of [undefined, 'other.example']) {
        const options = { servername, minVersion: version, maxVersion: version };
        const session = await sessionOf(one, options);
        const resumed = async (server: TestServer): Promise<boolean> =>
          (await open(server, { ...options, session })).isSessionReused();
        expect([await resumed(one), await resumed(other), await resumed(alone)]).toEqual([true, true, false]);
      }
      expect(other.server.report().tls!.handshakes).toMatchObject({ full: 0, resumed: 2 });
    },
  );

  test('are not resumed by what the secret was before', async () => {
    const tls = { ...store('dns.example'), tickets: { file: file('secret', secret) } };
    const server = await start(tls);
    const session = await sessionOf(server, {});
    file('secret', 'ef'.repeat(48));
    await server.server.update({});
    expect((await open(server, { session })).isSessionReused()).toBe(false);
    file('secret', 'short');
    await expect(server.server.update({})).rejects.toThrow(/secret: expected a secret of 32 to 256 octets/);
  });
});

test('who shakes hands too often is turned away before it is greeted, and counted', async () => {
  const server = await start({ ...store('dns.example'), handshakesPerSecond: 1 });
  const sockets: TLSSocket[] = [];
  for (let i = 0; i < 5; i++) sockets.push(await open(server));
  const refused = open(server);
  await expect(
    Promise.race([refused, new Promise((_, reject) => setTimeout(() => reject(new Error('closed')), 500))]),
  ).rejects.toThrow();
  for (const one of sockets) expect(await askOn(one)).toBe(0);
  expect(server.server.report().tls!.handshakes).toMatchObject({ full: 5, refused: 1 });
  expect(await new Metrics(server.server).text()).toContain('shardns_tls_handshakes_total{outcome="refused"} 1');
});
