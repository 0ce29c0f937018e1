// Trust anchors that follow the keys of their zones (RFC 5011), on a fake clock and network, with the file that keeps their
// state from start to start.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createSocket } from 'node:dgram';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Rank, Security } from '../../../lib/cache/rrset-cache.js';
import { securityOf } from '../../../lib/cache/rrset-entry.js';
import { keyTag } from '../../../lib/dnssec/key.js';
import { Server } from '../../../lib/server/server.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { Flag, Rcode, Type } from '../../../lib/wire/iana.js';
import { decodeMessage, encodeMessage } from '../../../lib/wire/message.js';
import { encodeName, nameToText } from '../../../lib/wire/name.js';
import { Query } from '../../../lib/wire/query.js';
import { recordsOfAll } from '../../../lib/wire/rrset.js';
import { askUdp } from '../../support/client.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { answerA, makeQuery } from '../../support/messages.js';
import { revoked, RolledZone } from '../../support/key-rollover.js';
import { makeKey, type SigningKey } from '../../support/signed-zone.js';

const DAY = 86_400;
const [K1, K2, K3] = Array.from({ length: 3 }, () => makeKey('P-256'));
const tag = (key: SigningKey): number => keyTag(key.data);

let folder: string;
let file: string;
let clock: FakeClock;
let zones: RolledZone[];
let root: RolledZone;
let server: Server;
let isDown: boolean;
let probes: number;
let lines: { level: string; message: string; fields: Record<string, unknown> }[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-anchors-'));
  file = join(folder, 'anchors.json');
  clock = new FakeClock();
  root = new RolledZone('.', K1);
  zones = [root];
  isDown = false;
  probes = 0;
  lines = [];
});
afterEach(async () => {
  await (server as Server | undefined)?.close();
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

const log = Object.fromEntries(
  ['debug', 'info', 'warn', 'error'].map(level => [
    level,
    (fields: Record<string, unknown>, message: string) => lines.push({ level, message, fields }),
  ]),
) as never;

/** A forwarder that validates, whose upstream has the zones' keys. */
async function start(options: ServerOptions['dnssec'] = {}): Promise<void> {
  const transport = new FakeTransport(clock, octets => {
    const query = new Query(octets);
    if (isDown) throw new Error('the network is down');
    if (query.type === Type.DNSKEY) probes++;
    const zone = zones.findLast(one => one.isOf(query.name))!;
    const { rcode, answer, authority } = zone.answer(query.name, query.type, clock.wall);
    return encodeMessage({
      id: (octets[0] << 8) | octets[1],
      flags: Flag.QR | Flag.RD | Flag.RA | rcode,
      question: { name: octets.slice(12, query.questionEnd - 4), type: query.type, dnsClass: 1 },
      answers: recordsOfAll(answer, true),
      authorities: recordsOfAll(authority, true),
      additionals: [],
    })!;
  });
  // In libuv's pool it would take time that is not the clock's.
  const validationPolicy = { verify: 'sync' } as const;
  const dependencies = { clock, log, udpTransport: transport, tcpTransport: transport, validationPolicy };
  server = new Server({ ...optionsOf(options), listen: ['127.0.0.1:0'] }, {}, dependencies);
  await server.listen();
  await settle();
}
const optionsOf = (dnssec: ServerOptions['dnssec']): ServerOptions => ({
  udp: 'dgram',
  cache: { memory: '1MiB' },
  upstreams: ['192.0.2.1'],
  listen: ['127.0.0.1:0'],
  dnssec: { validate: true, anchorFile: file, trustAnchors: [root.ds(K1)], ...dnssec },
});

/** Days go by, for timers and for people. */
async function pass(days: number): Promise<void> {
  for (let hours = 24 * days; hours > 0; hours--) {
    clock.wall += 3600;
    await clock.advance(3_600_000);
  }
}
/** The process ends, and begins again with what the file has. */
async function restart(options: ServerOptions['dnssec'] = {}): Promise<void> {
  const before = states();
  await server.close();
  await start(options);
  expect(states()).toEqual(before);
}
/** `tag state` of each anchor of a zone, as the report has them. */
const states = (zone = '.'): string[] =>
  server
    .report()
    .anchors.zones.find(one => one.zone === zone)!
    .anchors.map(one => `${one.tag} ${one.state}`);
/** Tags of the root's keys that validation believes. */
const believed = (): number[] => server.recursor!.options.validation!.anchors.rootTags;
const told = (text: string): string[] =>
  lines.filter(one => one.message.includes(text)).map(one => `${one.level} ${JSON.stringify(one.fields)}`);
const kept = (): { zones: { zone: string; keys: { tag: number; state: string }[] }[] } =>
  JSON.parse(readFileSync(file, 'utf8')) as never;

describe('a rollover, with a restart in each state', () => {
  test('Start: the key of a configured DS record is valid when it is seen', async () => {
    await start();
    await clock.advance(1000);
    expect(states()).toEqual([`${tag(K1)} valid`]);
    await server.anchors.written;
    expect(kept().zones[0].keys).toMatchObject([{ tag: tag(K1), state: 'valid' }]);
    expect(believed()).toEqual([tag(K1)]);
    await restart();
    expect(believed()).toEqual([tag(K1)]);
  });

  test('AddPend: a new key that an anchor signs is believed after thirty days, or forgotten when it goes', async () => {
    await start();
    await pass(1);
    root.publish([K1, K2], [K1]);
    await pass(2);
    expect(states()).toEqual([`${tag(K1)} valid`, `${tag(K2)} addPend`]);
    expect(believed()).toEqual([tag(K1)]);
    await restart();
    root.publish([K1]);
    await pass(2);
    expect(states()).toEqual([`${tag(K1)} valid`]);
    root.publish([K1, K2], [K1]);
    await pass(28);
    await restart();
    expect(believed()).toEqual([tag(K1)]);
    await pass(4);
    expect(states()).toEqual([`${tag(K1)} valid`, `${tag(K2)} valid`]);
    expect(believed()).toEqual([tag(K1), tag(K2)]);
    expect(told('has changed its state')).toContain(`info {"zone":".","tag":${tag(K2)},"from":"addPend","to":"valid"}`);
  });

  test('a key that no anchor signs is not followed', async () => {
    await start();
    await pass(1);
    root.publish([K1, K2], [K2]);
    await pass(40);
    expect(states()).toEqual([`${tag(K1)} valid`]);
    expect(server.report().anchors.zones[0].problem).toContain('DNSKEY');
    expect(told('cannot be followed').length).toBe(1);
    expect(server.report().anchors.failures).toBeGreaterThan(30);
    root.publish([K1]);
    await pass(1);
    expect(told('prove themselves again').length).toBe(1);
  });

  test('Missing: a valid key that goes is believed, comes back, and is forgotten after 366 days', async () => {
    await start({ trustAnchors: [root.ds(K1), root.ds(K2)] });
    root.publish([K1, K2]);
    await pass(1);
    root.publish([K2]);
    await pass(1);
    expect(states()).toEqual([`${tag(K1)} missing`, `${tag(K2)} valid`]);
    await restart({ trustAnchors: [root.ds(K1), root.ds(K2)] });
    expect(believed()).toEqual([tag(K1), tag(K2)]);
    root.publish([K1, K2]);
    await pass(1);
    expect(states()).toEqual([`${tag(K1)} valid`, `${tag(K2)} valid`]);
    root.publish([K2]);
    root.ttl = root.validity = 300 * DAY;
    await pass(350);
    expect(states()).toEqual([`${tag(K1)} missing`, `${tag(K2)} valid`]);
    await pass(40);
    expect(states()).toEqual([`${tag(K2)} valid`]);
    expect(believed()).toEqual([tag(K2)]);
  });

  test('Revoked and Removed: a key revokes itself and is not believed again, though it is configured still', async () => {
    const trustAnchors = [root.ds(K1), root.ds(K2)];
    root.publish([K1, K2]);
    await start({ trustAnchors });
    await pass(1);
    // Whoever has no key cannot revoke it.
    root.publish([revoked(K1), K2], [K2]);
    await pass(1);
    expect(states()).toEqual([`${tag(K1)} valid`, `${tag(K2)} valid`]);
    root.publish([revoked(K1), K2]);
    await pass(1);
    expect(states()).toEqual([`${tag(revoked(K1))} revoked`, `${tag(K2)} valid`]);
    expect(believed()).toEqual([tag(K2)]);
    await restart({ trustAnchors });
    expect(believed()).toEqual([tag(K2)]);
    root.publish([K1, K2]);
    await pass(2);
    expect(states()).toEqual([`${tag(revoked(K1))} revoked`, `${tag(K2)} valid`]);
    root.publish([K2]);
    await pass(31);
    expect(states()).toEqual([`${tag(K2)} valid`]);
    expect(told('has changed its state').at(-1)).toContain('"to":"removed"');
    await restart({ trustAnchors });
    await pass(2);
    expect(believed()).toEqual([tag(K2)]);
  });

  test('a zone of which every anchor was revoked is as if it had none (RFC 5011 section 5)', async () => {
    await start();
    await pass(1);
    root.publish([revoked(K1)]);
    await pass(1);
    expect(states()).toEqual([`${tag(revoked(K1))} revoked`]);
    expect(believed()).toEqual([]);
    expect(told('every trust anchor of the zone was revoked').length).toBe(1);
    root.publish([K3]);
    await pass(40);
    expect(states()).toEqual([`${tag(revoked(K1))} revoked`]);
    await restart();
    expect((await server.recursor!.resolve(root.name, Type.DNSKEY, {})).secure).toBe(false);
    // The operator's word brings it back.
    await server.update({ dnssec: { trustAnchors: [root.ds(K1), root.ds(K3)] } });
    await pass(1);
    expect(states()).toContain(`${tag(K3)} valid`);
    expect((await server.recursor!.resolve(root.name, Type.DNSKEY, {})).secure).toBe(true);
  });
});

describe('two zones', () => {
  test('each follows its own keys, at its own times', async () => {
    const corp = new RolledZone('corp.example', K3);
    corp.ttl = 7200;
    zones.push(corp);
    await start({ trustAnchors: [root.ds(K1), corp.ds(K3)] });
    await pass(1);
    expect([states('.'), states('corp.example.')]).toEqual([[`${tag(K1)} valid`], [`${tag(K3)} valid`]]);
    const [first, second] = server.report().anchors.zones;
    // A day by the TTL of two, and an hour; less up to a tenth.
    expect(first.nextProbeSeconds! - first.lastSuccessSeconds!).toBeGreaterThanOrEqual(0.9 * DAY - 1);
    expect(first.nextProbeSeconds! - first.lastSuccessSeconds!).toBeLessThanOrEqual(DAY);
    expect(second.nextProbeSeconds! - second.lastSuccessSeconds!).toBeGreaterThanOrEqual(3240 - 1);
    expect(second.nextProbeSeconds! - second.lastSuccessSeconds!).toBeLessThanOrEqual(3600);
    corp.ttl = 2 * DAY;
    corp.publish([K3, K2], [K3]);
    await pass(32);
    expect([states('.'), states('corp.example.')]).toEqual([
      [`${tag(K1)} valid`],
      [`${tag(K3)} valid`, `${tag(K2)} valid`],
    ]);
    await restart({ trustAnchors: [root.ds(K1), corp.ds(K3)] });
    // One of them is configured no more.
    await server.replace(optionsOf({ trustAnchors: [root.ds(K1)] }));
    await server.anchors.written;
    expect(server.report().anchors.zones.map(one => one.zone)).toEqual(['.']);
    expect(kept().zones.map(one => one.zone)).toEqual(['.']);
  });
});

test('a zone that has revoked all of its keys is judged by the anchor above it', async () => {
  const corp = new RolledZone('corp.example', K3);
  zones.push(corp);
  await start({ trustAnchors: [root.ds(K1), corp.ds(K3)] });
  await pass(1);
  corp.publish([revoked(K3)]);
  await pass(2);
  expect(states('corp.example.')).toEqual([`${tag(revoked(K3))} revoked`]);
  const { anchors } = server.recursor!.options.validation!;
  expect(anchors.all.map(one => nameToText(one.zone))).toEqual(['.']);
  expect(told('every trust anchor of the zone was revoked').length).toBe(1);
  // The root's keys: there is nothing above it.
  root.publish([revoked(K1)]);
  await pass(2);
  expect(server.recursor!.options.validation!.anchors.all).toEqual([]);
  expect(believed()).toEqual([]);
});

test('what an anchor has proven below its zone is forgotten when it is revoked', async () => {
  root.publish([K1, K2]);
  await start({ trustAnchors: [root.ds(K1), root.ds(K2)] });
  await pass(1);
  const { recursor, engine } = server;
  const name = encodeName('www.example.');
  recursor!.rrsets.put(
    { name, type: Type.A, ttl: 604_800, data: [Uint8Array.of(192, 0, 2, 1)], signatures: [] },
    Rank.answer,
    [],
    604_800_000,
    securityOf(Security.secure),
  );
  const query = makeQuery('www.example');
  engine.insert(answerA(query, 604_800), {}, clock.wall);
  root.publish([K1, K2, K3], [K1]);
  await pass(1);
  // A key more takes nothing from anybody.
  expect(recursor!.rrsets.get(name, Type.A)).toBeDefined();
  expect(engine.answer(query, {})).toBeGreaterThan(0);
  root.publish([revoked(K1), K2]);
  await pass(1);
  expect(states()).toContain(`${tag(revoked(K1))} revoked`);
  expect(recursor!.rrsets.get(name, Type.A)).toBeUndefined();
  expect(engine.answer(query, {})).toBeLessThanOrEqual(0);
});

describe('other options while it runs', () => {
  test('an anchor that is configured anew is believed at once, and one that is taken away no more', async () => {
    root.publish([K1, K2], [K1]);
    await start();
    await pass(1);
    expect(states()).toEqual([`${tag(K1)} valid`, `${tag(K2)} addPend`]);
    await server.replace(optionsOf({ trustAnchors: [root.ds(K1), root.ds(K2), root.ds(K3)] }));
    expect(believed().sort()).toEqual([tag(K1), tag(K2), tag(K3)].sort());
    await clock.advance(1000);
    expect(states()).toEqual([`${tag(K1)} valid`, `${tag(K2)} valid`, `${tag(K3)} configured`]);
    root.publish([K1, K2]);
    await server.replace(optionsOf({ trustAnchors: [root.ds(K2)] }));
    expect(believed()).toEqual([tag(K2)]);
    await pass(2);
    // It is published still, so it is a key like any other.
    expect(states()).toEqual([`${tag(K2)} valid`, `${tag(K1)} addPend`]);
  });

  test('the file comes and goes with its option, which forgets nothing that was cached', async () => {
    await start({ anchorFile: undefined });
    expect([existsSync(file), states()]).toEqual([false, [`${tag(K1)} fixed`]]);
    const { entries } = server.engine.stats();
    await server.update({ dnssec: { anchorFile: file } });
    await clock.advance(1000);
    expect(states()).toEqual([`${tag(K1)} valid`]);
    expect(server.engine.stats().entries).toBe(entries);
    // A key that was known to be the zone's is not, where the file knows better.
    root.publish([revoked(K1)]);
    await server.anchors.refresh();
    await server.update({ dnssec: { anchorFile: join(folder, 'another.json') } });
    expect(believed()).toEqual([tag(K1)]);
    await server.update({ dnssec: { anchorFile: file } });
    expect(believed()).toEqual([]);
    await server.replace(optionsOf({ anchorFile: undefined }));
    expect(states()).toEqual([`${tag(K1)} fixed`]);
  });

  test('a network that is away is asked again after an hour, and a look may be asked for', async () => {
    isDown = true;
    await start();
    await clock.advance(10_000);
    expect(probes).toBe(0);
    expect(server.report().anchors).toMatchObject({ failures: 1, zones: [{ lastSuccessSeconds: 0 }] });
    isDown = false;
    await pass(1 / 24);
    expect(states()).toEqual([`${tag(K1)} valid`]);
    const before = probes;
    await server.anchors.refresh();
    expect(probes).toBeGreaterThan(before);
  });

  test('without validation nothing is followed, and it is told', async () => {
    await start({ validate: false });
    await clock.advance(10_000);
    expect([probes, existsSync(file), server.report().anchors.validates]).toEqual([0, false, false]);
    expect(lines.map(one => one.message)).toContain(
      'dnssec.anchorFile has no effect: nothing is validated (dnssec.validate)',
    );
  });
});

describe('a file that is not what it should be', () => {
  const good = async (): Promise<string> => {
    await start();
    await clock.advance(1000);
    await server.close();
    return readFileSync(file, 'utf8');
  };
  test.each<[string, (text: string) => string, string]>([
    ['cut', text => text.slice(0, text.length / 2), 'not JSON, or cut: '],
    ['empty', () => '', 'it is empty'],
    ['of another program', () => '; autotrust trust anchor file\n', 'not JSON, or cut: '],
    ['of another kind', () => '{"zones":[]}', 'no file of trust anchors: format: expected "shardns trust anchors"'],
    ['of another version', text => text.replace('"version": 1', '"version": 2'), 'version: expected 1, got 2'],
    [
      'with a state that is none',
      text => text.replace('"valid"', '"trusted"'),
      'zones[0].keys[0].state: expected one of',
    ],
    [
      'with a key that was changed',
      text => text.replace(/("key": "257 3 13 ...)./, '$1A'),
      'zones[0].keys[0].tag: expected',
    ],
    [
      'with a time that is none',
      text => text.replace(/"since": "2/, '"since": "x'),
      'zones[0].keys[0].since: expected a time',
    ],
    ['with what is not known', text => text.replace('"keys"', '"kyes"'), 'zones[0]."kyes": is not known'],
  ])('%s is told and left as it is, and the configured anchors count', async (_, spoil, problem) => {
    const text = spoil(await good());
    writeFileSync(file, text);
    await start();
    await pass(2);
    expect(readFileSync(file, 'utf8')).toBe(text);
    expect(states()).toEqual([`${tag(K1)} fixed`]);
    expect(believed()).toEqual([tag(K1)]);
    const [line] = told('the file of trust anchors is not used');
    expect(line).toContain(`error {"reason":"${file}: ${problem.replaceAll('"', '\\"')}`);
    expect(server.report().anchors.problem).toContain(`${file}: ${problem}`);
    // Mended, it is read with the configuration.
    rmSync(file);
    await server.replace(optionsOf({}));
    await clock.advance(1000);
    expect(states()).toEqual([`${tag(K1)} valid`]);
  });

  test('one that others may write to is not believed', async () => {
    await good();
    chmodSync(file, 0o666);
    await start();
    expect(server.report().anchors.problem).toBe(`${file}: others may write to it: chmod go-w`);
  });
  test('a folder in its place is not', async () => {
    mkdirSync(file);
    await start();
    expect(server.report().anchors.problem).toBe(`${file}: not a regular file`);
  });
  test('a folder that takes no files is told, and what is learnt counts meanwhile', async () => {
    rmSync(folder, { recursive: true }); // root may write to any that there is
    await start();
    expect(told('its folder takes no files').length).toBe(1);
    await clock.advance(1000);
    expect(states()).toEqual([`${tag(K1)} valid`]);
    mkdirSync(folder);
    await pass(2);
    await server.anchors.written;
    expect(kept().zones.length).toBe(1);
    expect(server.report().anchors.problem).toBeUndefined();
  });
  test('what cannot be moved into its place is told once, and leaves nothing behind', async () => {
    await start();
    await clock.advance(1000);
    await server.anchors.written;
    rmSync(file);
    mkdirSync(join(file, 'full'), { recursive: true });
    await pass(3);
    await server.anchors.written;
    expect(told('could not be kept').length).toBe(1);
    expect(server.report().anchors.problem).toContain(`${file}: cannot be written: `);
    expect(readdirSync(folder)).toEqual(['anchors.json']);
  });
});

test('threads that resolve believe what the file says from the moment it changes', async () => {
  // Threads run what is built.
  const { createServer } = (await import('../../../dist/index.js' as string)) as typeof import('../../../lib/index.js');
  const wall = (): number => Math.floor(Date.now() / 1000);
  const socket = createSocket('udp4');
  socket.on('message', (octets, from) => {
    const query = new Query(octets);
    const { rcode, answer, authority } = root.answer(query.name, query.type, wall());
    const reply = encodeMessage({
      id: (octets[0] << 8) | octets[1],
      flags: Flag.QR | Flag.RD | Flag.RA | rcode,
      question: { name: octets.subarray(12, query.questionEnd - 4), type: query.type, dnsClass: 1 },
      answers: recordsOfAll(answer, true),
      authorities: recordsOfAll(authority, true),
      additionals: [],
    })!;
    socket.send(reply, from.port, from.address);
  });
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  const control = join(folder, 'control.sock');
  root.publish([K1, K2]);
  const threaded = await createServer({
    ...optionsOf({ trustAnchors: [root.ds(K1), root.ds(K2)], aggressive: false }),
    udp: 'native',
    threads: 1,
    cache: { memory: '4MiB' },
    upstreams: [`127.0.0.1:${socket.address().port}`],
    resolver: { workers: 1 },
    control,
  });
  const update = (): Promise<string[]> =>
    new Promise((resolve, reject) => {
      const asking = request({ socketPath: control, method: 'POST', path: '/v1/anchors/update' }, response => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => {
          const { zones: all } = JSON.parse(text) as ReturnType<Server['report']>['anchors'];
          resolve(all.flatMap(one => one.anchors.map(({ tag: its, state }) => `${its} ${state}`)));
        });
      });
      asking.on('error', reject).end();
    });
  const ask = async (name: string): Promise<number> => {
    const reply = (await askUdp(threaded.addresses().udp[0], makeQuery(name, { dnssecOk: true }), 60_000))!;
    return decodeMessage(reply).flags & (15 | Flag.AD);
  };
  try {
    expect(await update()).toEqual([`${tag(K1)} valid`, `${tag(K2)} valid`]);
    expect(await ask('before')).toBe(Rcode.NXDOMAIN | Flag.AD);
    root.publish([revoked(K1), K2]);
    expect(await update()).toEqual([`${tag(revoked(K1))} revoked`, `${tag(K2)} valid`]);
    expect(await ask('between')).toBe(Rcode.NXDOMAIN | Flag.AD);
    // Whoever has stolen it signs with it still.
    root.publish([K1]);
    threaded.invalidate('all');
    expect(await ask('after')).toBe(Rcode.SERVFAIL);
  } finally {
    await threaded.close();
    socket.close();
  }
});
