// The second level against real Redis servers: alone, three masters, a master that Sentinels name, by TLS, as a user with few
// rights; stopped, killed, full, read-only, and behind a way that is cut.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../lib/base/clock.js';
import { silentLogger } from '../../lib/base/log.js';
import { systemRandom } from '../../lib/base/random.js';
import { parseRedisUrl, SENTINEL_PORT } from '../../lib/cache/redis/address.js';
import { type Frame, FrameKind, Sealer } from '../../lib/cache/redis/frame.js';
import { keySlot } from '../../lib/cache/redis/key-slot.js';
import { RedisLevel } from '../../lib/cache/redis/level.js';
import { nodeRedis } from '../../lib/cache/redis/node-redis.js';
import { labelOf, type RedisOptions } from '../../lib/cache/redis/options.js';
import { Secrets } from '../../lib/cache/redis/secrets.js';
import { hasRedis, RedisServer, sleep, startCluster } from '../support/redis-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { freePort } from '../support/free-port.js';

const servers: { kill(): Promise<void> }[] = [];
const levels: RedisLevel[] = [];
const proxies: TcpProxy[] = [];
afterEach(async () => {
  await Promise.all(levels.splice(0).map(level => level.close(0)));
  for (const proxy of proxies.splice(0)) proxy.close();
});
afterAll(() => Promise.all(servers.map(server => server.kill())));

const secrets = new Secrets([randomBytes(32)]);

/** For an answer of a server that is well, on a machine that has a lot to do. */
const PATIENT_MS = 5000;

/** One instance. */
function instance(options: Partial<RedisOptions> & { urls: string[] }, changed: object = {}) {
  const { urls, mode = 'standalone', ...rest } = options;
  const places = urls.map(url => parseRedisUrl(url, 'redis', mode === 'sentinel' ? SENTINEL_PORT : undefined));
  const redis: RedisOptions = { places, mode, ...rest };
  const told: string[] = [];
  const missed: number[] = [];
  const level = new RedisLevel({
    make: nodeRedis(redis),
    label: labelOf(redis),
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    sealer: new Sealer({ secrets, encrypt: false }),
    follower: {
      invalidated: item => told.push(Buffer.from(item).toString()),
      missed: beforeMs => missed.push(beforeMs),
      following: () => {},
    },
    options: {
      namespace: 'test',
      secrets,
      deadlineMs: PATIENT_MS,
      logLength: 100_000,
      lookBackMs: 3_600_000,
      everything: Buffer.from('*'),
      ...changed,
    },
  });
  levels.push(level);
  level.begin();
  return { level, told, missed };
}
const isUp = (level: RedisLevel) => (): boolean => level.follows && level.clock.isKnown;

function put(level: RedisLevel, name: string, value: string, seconds = 60): void {
  const now = systemClock.nowMs();
  const ends = now + seconds * 1000;
  const times = { storedMs: now, expiresMs: ends, staleUntilMs: ends };
  level.write(
    level.keys.of(Buffer.from(name)),
    times,
    { kind: FrameKind.answer, flags: 0, epoch: 0 },
    Buffer.from(value),
  );
}
type Read = 'absent' | 'unread' | 'not asked' | { text: string };
function get(level: RedisLevel, name: string): Promise<Read> {
  return new Promise(resolve => {
    const asked = level.read(level.keys.of(Buffer.from(name)), FrameKind.answer, {
      found: ({ body }: Frame) => resolve({ text: body.toString() }),
      absent: () => resolve('absent'),
      unread: () => resolve('unread'),
    });
    if (!asked) resolve('not asked');
  });
}
const has = (level: RedisLevel, name: string, value: string) => async (): Promise<boolean> => {
  const read = await get(level, name);
  return typeof read === 'object' && read.text === value;
};

async function redis(options: readonly string[] = []): Promise<RedisServer> {
  const server = await RedisServer.start(options);
  servers.push(server);
  return server;
}

describe.skipIf(!hasRedis)('a Redis', () => {
  test('has what one instance wrote for the others, for as long as it holds', async () => {
    const server = await redis();
    const [one, other] = [instance({ urls: [server.url] }), instance({ urls: [server.url] })];
    await until(isUp(one.level), 'one');
    await until(isUp(other.level), 'the other');
    put(one.level, 'a', 'what it says', 60);
    put(one.level, 'b', 'more');
    await until(has(other.level, 'a', 'what it says'));
    const all = await Promise.all(['a', 'b', 'c'].map(name => get(other.level, name)));
    expect(all).toEqual([{ text: 'what it says' }, { text: 'more' }, 'absent']);
    expect(other.level.reads.stats.commands).toBeLessThan(other.level.reads.stats.reads);
    const [key] = (await server.cli('--raw', 'KEYS', '*')).split('\n');
    expect(key.startsWith('sd1:test:')).toBe(true);
    one.level.writer.say(Buffer.from('x'));
    await until(() => other.told.includes('x'), 'the invalidation');
  });

  test('that has stopped is given up in time, and taken back when it goes on', async () => {
    const server = await redis();
    const one = instance({ urls: [server.url] }, { deadlineMs: 20 });
    await until(isUp(one.level));
    server.stop();
    const took: number[] = [];
    for (let i = 0; i < 10; i++) {
      const began = performance.now();
      expect(['unread', 'not asked']).toContain(await get(one.level, 'a'));
      took.push(performance.now() - began);
    }
    // Three that are late, and nothing after them.
    expect(one.level.reads.stats.failed).toBeLessThanOrEqual(5);
    expect(one.level.connection.isConnected).toBe(false);
    server.goOn();
    await until(isUp(one.level), 'its return');
    put(one.level, 'a', 'back');
    await until(has(one.level, 'a', 'back'));
  });

  test('that was killed has what lives when it is started again', async () => {
    const server = await redis();
    const one = instance({ urls: [server.url] });
    await until(isUp(one.level));
    put(one.level, 'before', 'v');
    await until(has(one.level, 'before', 'v'));
    await server.kill();
    await until(() => !one.level.connection.isConnected, 'the loss');
    expect(await get(one.level, 'before')).toBe('not asked');
    for (let i = 0; i < 500; i++) put(one.level, `${i}`, `value ${i}`);
    put(one.level, 'short', 'v', 0.05);
    await sleep(200);
    expect(one.level.writes.size).toBe(501);
    await server.start();
    await until(() => one.level.writes.size === 0, 'the writes');
    expect(one.level.writes.stats).toMatchObject({ written: 501, expired: 1 });
    for (const i of [0, 250, 499]) expect(await get(one.level, `${i}`)).toEqual({ text: `value ${i}` });
    expect(await get(one.level, 'before')).toBe('absent');
  });

  test.each<[string, (server: RedisServer) => Promise<unknown>, (server: RedisServer) => Promise<unknown>, RegExp]>([
    [
      'full',
      server => server.cli('CONFIG', 'SET', 'maxmemory', '1'),
      server => server.cli('CONFIG', 'SET', 'maxmemory', '0'),
      /OOM/,
    ],
    [
      'read-only',
      server => server.cli('REPLICAOF', '127.0.0.1', '1'),
      server => server.cli('REPLICAOF', 'NO', 'ONE'),
      /READONLY/,
    ],
  ])('that is %s is read, and written to when it is so no more', async (_, spoil, mend, why) => {
    const server = await redis();
    const one = instance({ urls: [server.url] });
    await until(isUp(one.level));
    put(one.level, 'a', 'before');
    await until(has(one.level, 'a', 'before'));
    await spoil(server);
    put(one.level, 'b', 'after');
    one.level.writer.say(Buffer.from('x'));
    await until(() => why.test(one.level.writes.lastError ?? ''), 'the refusal');
    // One that takes no writes is connected to anew, in case its address is another server's by now.
    await until(has(one.level, 'a', 'before'));
    await mend(server);
    await until(has(one.level, 'b', 'after'), 'the write');
    await until(() => one.told.includes('x'), 'the invalidation');
  });

  test('that is told what the guide says is used by a user with no more rights than it needs', async () => {
    const guide = readFileSync('docs/fleet.md', 'utf8');
    const [, told] = /in its `redis\.conf`:\n\n```\n([\s\S]*?)```/.exec(guide)!;
    const folder = mkdtempSync(join(tmpdir(), 'shardns-redis-conf-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'redis.conf');
    // The test itself is the default user.
    const here = told.replace(/^bind .*$/m, 'bind 127.0.0.1').replace('user default off\n', '');
    writeFileSync(file, here.replace('>PASSWORD', '>pass:word'));
    const port = await freePort();
    const server = await RedisServer.startWith([file, '--port', String(port), '--dir', folder], port);
    servers.push(server);
    expect(await server.cli('CONFIG', 'GET', 'maxmemory-policy')).toContain('allkeys-lfu');
    const one = instance({ urls: [`redis://dns:pass%3Aword@127.0.0.1:${port}`] });
    await until(isUp(one.level), 'the user');
    put(one.level, 'a', 'v');
    await until(has(one.level, 'a', 'v'));
    one.level.remove(one.level.keys.of(Buffer.from('a')));
    await until(async () => (await get(one.level, 'a')) === 'absent');
    one.level.writer.say(Buffer.from('x'));
    await until(() => one.told.includes('x'));
    expect(await server.cli('ACL', 'LOG')).toBe('');
  });

  test('that a user with a wrong password may not use costs nothing', async () => {
    const server = await redis();
    await server.cli('CONFIG', 'SET', 'requirepass', 'right');
    const one = instance({ urls: [server.url], password: 'wrong' });
    await sleep(300);
    expect(one.level.connection.isConnected).toBe(false);
    expect(await get(one.level, 'a')).toBe('not asked');
  });
});

describe.skipIf(!hasRedis)('a way to Redis that is cut at random', () => {
  test('loses no invalidation', { timeout: 240_000 }, async () => {
    const server = await redis();
    const proxy = await TcpProxy.start(server.port);
    proxies.push(proxy);
    const [writer, reader] = [instance({ urls: [server.url] }), instance({ urls: [proxy.url] })];
    await until(isUp(writer.level));
    await until(isUp(reader.level));
    const ALL = Number(process.env.FLEET_INVALIDATIONS ?? 10_000);
    let said = 0;
    for (let cut = 0; said < ALL; cut++) {
      for (let i = 0; i < ALL / 20; i++) writer.level.writer.say(Buffer.from(`${said++}`));
      // More than may wait would be said as one.
      await until(() => writer.level.writer.size < 1000);
      await sleep(20 + (systemRandom.uint32() % 50));
      if (cut % 2 === 0) proxy.cut();
      else if (cut % 5 === 0) proxy.silence();
      await sleep(20 + (systemRandom.uint32() % 100));
      proxy.open();
    }
    await until(() => reader.told.length >= ALL && reader.level.follows, 'all invalidations');
    expect(reader.told).toEqual(Array.from({ length: ALL }, (_, i) => `${i}`));
    expect(reader.missed).toEqual([]);
    expect(reader.level.connection.stats.lost).toBeGreaterThan(1);
  });

  test('forgets everything once where more were said than the log keeps', { timeout: 240_000 }, async () => {
    const server = await redis();
    const proxy = await TcpProxy.start(server.port);
    proxies.push(proxy);
    const short = { logLength: 1000 };
    const [writer, reader] = [instance({ urls: [server.url] }, short), instance({ urls: [proxy.url] }, short)];
    await until(isUp(writer.level));
    await until(isUp(reader.level));
    writer.level.writer.say(Buffer.from('first'));
    await until(() => reader.told.length === 1);
    proxy.cut();
    // A batch has 64: so many entries that those of before are cut off.
    for (let i = 0; i < 400; i++) {
      for (let j = 0; j < 640; j++) writer.level.writer.say(Buffer.from(`${i} ${j}`));
      await until(() => writer.level.writer.size === 0);
    }
    proxy.open();
    await until(() => reader.level.follows && reader.missed.length > 0, 'the gap');
    writer.level.writer.say(Buffer.from('last'));
    await until(() => reader.told.includes('last'));
    expect(reader.missed).toHaveLength(1);
  });
});

describe.skipIf(!hasRedis)('three masters', () => {
  test('share what is written, and lose no more than one loses', { timeout: 240_000 }, async () => {
    const nodes = await startCluster();
    servers.push(...nodes);
    const urls = nodes.map(({ url }) => url);
    const [one, other] = [1, 2].map(() => instance({ urls, mode: 'cluster' }, { deadlineMs: 500 }));
    await until(isUp(one.level), 'one');
    await until(isUp(other.level), 'the other');
    const names = Array.from({ length: 90 }, (_, i) => `name ${i}`);
    for (const name of names) put(one.level, name, name);
    await until(() => one.level.writes.size === 0, 'the writes');
    for (const name of names) await until(has(other.level, name, name), name);
    one.level.writer.say(Buffer.from('x'));
    await until(() => other.told.includes('x'), 'the invalidation');
    // The slots are the nodes': what this library takes for a key's is where it is.
    const [name] = names;
    const key = one.level.keys.of(Buffer.from(name));
    const slots = await Promise.all(nodes.map(node => node.cli('CLUSTER', 'COUNTKEYSINSLOT', String(keySlot(key)))));
    expect(slots.map(Number).reduce((sum, count) => sum + count)).toBeGreaterThan(0);

    // One that does not have the log.
    const log = `${one.level.keys.prefix}inv`;
    const ofLog = one.level.connection.nodeOf(log)!;
    const victim = nodes.find(({ port }) => !ofLog.endsWith(`:${port}`))!;
    const isVictims = (one: string): boolean =>
      other.level.connection.nodeOf(other.level.keys.of(Buffer.from(one)))!.endsWith(`:${victim.port}`);
    const lost = names.filter(isVictims);
    const kept = names.filter(one => !isVictims(one));
    expect(lost.length).toBeGreaterThan(5);
    const [gone] = lost;
    for (const [spoil, mend] of [
      [() => victim.stop(), () => victim.goOn()],
      [() => victim.kill(), () => victim.start()],
    ] as const) {
      await spoil();
      const found = { gone: 0, kept: 0 };
      for (let round = 0; round < 20; round++) {
        if (typeof (await get(other.level, gone)) === 'object') found.gone++;
        for (const name of kept.slice(0, 20)) if (await has(other.level, name, name)()) found.kept++;
      }
      // The nodes that are there go on, but for a read or two that this busy machine is late with.
      expect(found.gone).toBe(0);
      expect(found.kept).toBeGreaterThan(380);
      expect(await get(other.level, gone)).toBe('not asked');
      await mend();
      const isBack = async (): Promise<boolean> => {
        const read = await get(other.level, gone);
        return read === 'absent' || typeof read === 'object';
      };
      await until(isBack, 'its return');
    }
  });
});

describe.skipIf(!hasRedis)('a master that Sentinels name', () => {
  test('may be another one after a failure', { timeout: 240_000 }, async () => {
    const master = await redis();
    const replica = await redis(['--replicaof', '127.0.0.1', String(master.port)]);
    const sentinel = await startSentinel(master.port);
    servers.push(sentinel);
    await until(
      async () => (await sentinel.cli('SENTINEL', 'replicas', 'main')).includes(String(replica.port)),
      'the replica',
    );
    const one = instance({ urls: [sentinel.url], mode: 'sentinel', masterName: 'main' });
    await until(isUp(one.level), 'the master');
    put(one.level, 'a', 'v');
    await until(has(one.level, 'a', 'v'));
    await until(async () => (await replica.cli('DBSIZE')) !== '0', 'the copy');
    await master.kill();
    for (let i = 0; i < 300; i++) {
      put(one.level, 'b', 'after');
      if ((await replica.cli('ROLE').catch(() => '')).startsWith('master')) break;
      await sleep(100);
    }
    await until(has(one.level, 'b', 'after'), 'the new master').catch(() =>
      until(has(one.level, 'b', 'after'), 'the new master'),
    );
    expect(await get(one.level, 'a')).toEqual({ text: 'v' });
  });
});

async function startSentinel(masterPort: number): Promise<RedisServer> {
  const { mkdtempSync, writeFileSync } = await import('node:fs');
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  const port = await freePort();
  const file = join(mkdtempSync(join(tmpdir(), 'shardns-sentinel-')), 'sentinel.conf');
  writeFileSync(
    file,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `sentinel monitor main 127.0.0.1 ${masterPort} 1`,
      'sentinel down-after-milliseconds main 1000',
      'sentinel failover-timeout main 3000',
      '',
    ].join('\n'),
  );
  return RedisServer.startWith([file, '--sentinel'], port);
}
