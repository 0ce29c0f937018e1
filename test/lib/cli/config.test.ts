// Configuration files, environment and flags; the command's own errors.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { applyFlags, checkConfig, flagsFromEnvironment, strangeVariables } from '../../../lib/cli/config.js';
import { gatherOptions } from '../../../lib/cli/serve.js';
import { readOptions } from '../../../lib/server/settings/settings.js';
import { CERTIFICATE, KEY, makeCertificate } from '../../support/certificate.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const command = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise(resolve =>
    execFile(process.execPath, ['dist/cli/main.js', ...args], { timeout: 170_000 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    ),
  );

const GOOD = `
listen: ['127.0.0.1:5300', '[::1]:5300']
cache:
  memory: 256MiB
  policy: lru
upstreams:
  default: [192.0.2.1, '192.0.2.2:5353', '[2001:db8::1]:53']
  corp: [198.51.100.1]
stale: { windowSeconds: 3600 }
`;

test('a good file is good', () => {
  expect(checkConfig(GOOD)).toHaveProperty('options');
  expect(checkConfig('')).toHaveProperty('options');
});

test('a problem names line, key, value and what was expected', () => {
  const problems = (text: string): unknown => (checkConfig(text) as { problems?: unknown }).problems;
  expect(problems('cache:\n  memory: 1x\n')).toEqual([
    { line: 2, text: expect.stringMatching(/^cache\.memory: expected octets.*got "1x"$/) },
  ]);
  expect(problems('threads: 2\ncahce: {}\n')).toEqual([
    { line: 2, text: expect.stringMatching(/^cahce: is not an option/) },
  ]);
  expect(problems('upstreams:\n  - 192.0.2.1\n  - nowhere\n')).toEqual([
    { line: 3, text: expect.stringMatching(/^upstreams\[1\]: .*got "nowhere"$/) },
  ]);
  expect(problems('a: [1\n')).toEqual([{ line: expect.any(Number), text: expect.stringMatching(/^not YAML/) }]);
  expect(problems('- 1\n')).toEqual([{ line: 1, text: expect.stringMatching(/^expected keys/) }]);
});

test('a file that multiplies by aliases is refused', () => {
  let bomb = 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n';
  for (let i = 1; i < 12; i++)
    bomb += `a${i}: &a${i} [${Array(10)
      .fill(`*a${i - 1}`)
      .join(', ')}]\n`;
  expect(checkConfig(bomb)).toHaveProperty('problems');
});

test('any text is checked without throwing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.json()), text => {
      checkConfig(text);
    }),
    { numRuns: 500 },
  );
});

test('flags win over the environment, the environment over the file', () => {
  const path = file(
    'order.yaml',
    'threads: 1\nudpSize: 1400\ncache: { memory: 8MiB, policy: lru }\nupstreams: [192.0.2.1]\n',
  );
  const { options } = gatherOptions(
    { config: path, memory: '32MiB' },
    { SHARDNS_THREADS: '3', SHARDNS_MEMORY: '16MiB' },
  );
  const settings = readOptions(options);
  expect(settings.threads).toBe(3);
  expect(settings.cache).toMatchObject({ memory: '32MiB', policy: 'lru' });
  expect(settings.udpSize).toBe(1400);
});

test('lists in the environment are separated by commas', () => {
  const flags = flagsFromEnvironment({ SHARDNS_LISTEN: '127.0.0.1:53, [::1]:53', SHARDNS_UPSTREAM: '192.0.2.1' });
  expect(applyFlags({}, flags)).toMatchObject({ listen: ['127.0.0.1:53', '[::1]:53'], upstreams: ['192.0.2.1'] });
  const named = { SHARDNS_UPSTREAM: 'tcp://dns.example, udp://[::1]:54', SHARDNS_BOOTSTRAP: '192.0.2.1,192.0.2.2' };
  expect(applyFlags({ upstream: { hedge: false } }, flagsFromEnvironment(named))).toEqual({
    upstreams: ['tcp://dns.example', 'udp://[::1]:54'],
    upstream: { hedge: false, bootstrap: ['192.0.2.1', '192.0.2.2'] },
  });
});

test('an empty variable of the environment is one not set', () => {
  const names = [
    'LISTEN',
    'UPSTREAM',
    'BOOTSTRAP',
    'THREADS',
    'MEMORY',
    'POLICY',
    'CONFIG',
    'METRICS',
    'SNAPSHOT',
    'WARM',
  ];
  const empty = Object.fromEntries([...names, 'RECURSIVE', 'LOG_LEVEL'].map(name => [`SHARDNS_${name}`, ' ']));
  expect(applyFlags({}, flagsFromEnvironment(empty))).toEqual({});
});

test('variables that look like ours and are none are told; those of other commands and of Kubernetes are not', () => {
  const ours = ['LISTEN', 'UPSTREAM', 'LOG_LEVEL', 'CONTROL', 'TOKEN'];
  const service = ['SERVICE_HOST', 'SERVICE_PORT', 'PORT', 'PORT_53_UDP', 'PORT_53_UDP_ADDR', 'SERVICE_PORT_DNS'];
  const given = [...ours, ...service, 'UPSTREAMS', 'LOGLEVEL', 'PORTS'].map(name => [`SHARDNS_${name}`, 'x'] as const);
  expect(strangeVariables(Object.fromEntries(given))).toEqual([
    'SHARDNS_UPSTREAMS',
    'SHARDNS_LOGLEVEL',
    'SHARDNS_PORTS',
  ]);
});

test('check-zone exits 0 or 1 and says where', async () => {
  const zone = '$TTL 60\nexample.org. SOA ns host 7 2 3 4 5\nexample.org. NS ns.example.net.\n';
  const good = file('good.zone', zone);
  expect(await command('check-zone', good)).toMatchObject({
    code: 0,
    out: `${good}: good: zone example.org., serial 7, 2 records\n`,
  });
  expect(await command('check-zone', good, '--print')).toMatchObject({
    code: 0,
    out: 'example.org.\t60\tIN\tSOA\tns.example.org. host.example.org. 7 2 3 4 5\nexample.org.\t60\tIN\tNS\tns.example.net.\n',
  });
  expect((await command('check-zone', good, 'example.com')).code).toBe(1);
  const bad = await command('check-zone', file('bad.zone', `${zone}www 60 IN A 192.0.2\n`), 'example.org');
  expect(bad).toMatchObject({ code: 1, out: '' });
  expect(bad.err).toMatch(/bad\.zone:4:13: error: A data: expected an IPv4 address, got "192\.0\.2"/);
  expect((await command('check-zone', file('bare.zone', '@ 60 SOA a b 1 2 3 4 5\n'))).err).toMatch(/check-zone FILE/);
  expect(await command('check-zone')).toMatchObject({ code: 1 });
});

test('check-config exits 0 or 1 and says where', async () => {
  expect(await command('check-config', file('good.yaml', GOOD))).toMatchObject({ code: 0 });
  const bad = await command('check-config', file('bad.yaml', 'threads: many\n'));
  expect(bad.code).toBe(1);
  expect(bad.err).toMatch(/bad\.yaml:1: threads: .*number.*got "many"/);
  expect(await command('check-config', join(folder, 'missing.yaml'))).toMatchObject({ code: 1 });
  const contrary = await command(
    'check-config',
    file('contrary.yaml', 'resolver: { recursive: true }\nupstreams: [192.0.2.1]\n'),
  );
  expect(contrary).toMatchObject({ code: 0 });
  expect(contrary.err).toMatch(/contrary\.yaml: warning: upstreams are not asked: resolver\.recursive/);
  execFileSync('mkfifo', [join(folder, 'fifo.yaml')]);
  for (const [path, reason] of [
    [join(folder, 'fifo.yaml'), 'not a regular file'],
    [folder, 'not a regular file'],
    [file('large.yaml', `# ${'x'.repeat(2 ** 24)}`), 'expected at most 16777216'],
  ]) {
    const refused = await command('check-config', path);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain(`${path}: `);
    expect(refused.err).toContain(reason);
  }
});

test('check-config warns of certificates and lists that a server would not start with', async () => {
  const [other, list] = [makeCertificate({}), file('list.txt', 'a.example\n')];
  const config = (key: string, source: string): string =>
    `listen: ['tls://127.0.0.1:0']
upstreams: [192.0.2.1]
tls: { certificate: ${file('certificate.pem', CERTIFICATE)}, key: ${file('key.pem', key)} }
lists: [{ name: one, source: ${source}, format: domains }]
`;
  expect(await command('check-config', file('files.yaml', config(KEY, list)))).toMatchObject({ code: 0, err: '' });
  const { code, err } = await command('check-config', file('files.yaml', config(other.key, join(folder, 'none.txt'))));
  expect(code).toBe(0);
  expect(err).toMatch(/files\.yaml: warning: tls: \S*key\.pem: the key is not that of the certificate/);
  expect(err).toMatch(/files\.yaml: warning: lists\[0\]\.source: \S*none\.txt: cannot be read: ENOENT/);
});

test('check-config warns of zone files that cannot be served, with the first thing that is wrong', async () => {
  const config = `zonesOnly: true
zones:
  - { name: good.example, file: ${file('zone.good', '$TTL 1\n@ SOA a b 1 2 3 4 5\n@ NS a.test.\n')} }
  - { name: bad.example, file: ${file('zone.bad', '$TTL 1\n@ SOA a b 1 2 3 4 5\n@ NS a.test.\nx A 192.0.2\n')} }
  - { name: gone.example, file: ${join(folder, 'zone.gone')} }
`;
  const { code, err } = await command('check-config', file('zones.yaml', config));
  expect(code).toBe(0);
  expect(err.trim().split('\n')).toEqual([
    expect.stringMatching(/zones\.yaml: warning: zones\[1\]\.file: \S*zone\.bad:4:5: error: A data: expected an IPv4/),
    expect.stringMatching(/zones\.yaml: warning: zones\[2\]\.file: \S*zone\.gone: cannot be read: ENOENT/),
  ]);
});

test('a client that is no address is a problem with a line, of a view and of a list', () => {
  expect(
    checkConfig(`upstreams: [192.0.2.1]
views: [{ name: kid, clients: [tablet] }]
lists:
  - { name: one, source: /list.txt, format: domains, clients: ['aa:bb:cc:dd:ee:ff'] }
`),
  ).toEqual({
    problems: [
      { line: 2, text: expect.stringMatching(/^views\[0\]\.clients\[0\]: expected an address or a prefix.*"tablet"$/) },
      { line: 4, text: expect.stringMatching(/^lists\[0\]\.clients\[0\]: expected an address or a prefix/) },
    ],
  });
});

test('each mistake on the command line is one clear line and exit 1', async () => {
  for (const [args, message] of [
    [['serve', '--listen', 'nowhere'], /listen\[0\].*got "nowhere"/],
    [['serve', '--bogus'], /bogus/],
    [['serve', '--memory', '12'], /cache\.memory.*got "12"/],
    [['serve', '--config', join(folder, 'absent.yaml')], /absent\.yaml: cannot be read/],
    [['serve', '--for', '3s'], /--for goes with --demo/],
    [['serve', '--demo', '--upstream', '192.0.2.1'], /--demo has an upstream/],
    [['fly'], /unknown command "fly"/],
  ] as [string[], RegExp][]) {
    const { code, err } = await command(...args);
    expect(code).toBe(1);
    expect(err).toMatch(message);
    expect(err.trim().split('\n')).toHaveLength(1);
  }
});

test('a switch in the environment is 1, true, yes, on or their contraries; of anything else it is said', async () => {
  for (const [text, value] of [
    ['1', true],
    ['Yes', true],
    ['on', true],
    ['0', false],
    ['false', false],
    ['No', false],
    ['off', false],
  ] as const) {
    expect(flagsFromEnvironment({ SHARDNS_RECURSIVE: text }).recursive).toBe(value);
  }
  expect(() => flagsFromEnvironment({ SHARDNS_RECURSIVE: 'ja' })).toThrow(/SHARDNS_RECURSIVE: expected .*got "ja"/);
});

test('ctl reaches a server by a host name too', async () => {
  for (const [server, message] of [
    ['localhost:1', /localhost:1: .*ECONNREFUSED/],
    ['nowhere', /--server: expected HOST:PORT.*got "nowhere"/],
    ['a b:1', /--server: expected HOST:PORT.*got "a b:1"/],
    ['localhost:70000', /--server: expected HOST:PORT.*got "localhost:70000"/],
  ] as const) {
    const { code, err } = await command('ctl', 'trace', 'a.example', '--server', server);
    expect(code).toBe(1);
    expect(err).toMatch(message);
  }
});

test('--help is understood behind every command', async () => {
  for (const args of [
    ['serve', '--help'],
    ['serve', '-h'],
    ['ctl', '--help'],
    ['ctl', 'trace', '--help'],
    ['check-config', '--help'],
    ['build', '--help'],
  ]) {
    expect(await command(...args)).toMatchObject({ code: 0, out: expect.stringContaining('shardns serve') as string });
  }
});

test('--version and --help answer', async () => {
  expect((await command('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect((await command('--help')).out).toContain('shardns serve');
});
