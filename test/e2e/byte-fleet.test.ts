// Byte caches of a fleet over real Redis servers: by TLS, and as a Cluster that loses a master.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { ByteCache, type ByteCacheOptions, type ByteLevelOptions } from '../../lib/index.js';
import { makeCertificate } from '../support/certificate.js';
import { hasRedis, RedisServer, startCluster } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { freePort } from '../support/free-port.js';

const servers: RedisServer[] = [];
const caches: ByteCache<string>[] = [];
afterEach(() => caches.splice(0).forEach(cache => cache.close()));
afterAll(() => Promise.all(servers.map(server => server.kill())));

// A deadline that a busy machine keeps: what is tested is not how fast it is.
const patient = { secret: 'a secret of thirty-two octets...', hedgeMs: 2000, deadlineMs: 2000 };
function instance(redis: ByteLevelOptions, own: Partial<ByteCacheOptions<string>> = {}): ByteCache<string> {
  const settings: ByteCacheOptions<string> = { memory: '4MiB', ttlMs: 60_000, ...own, redis };
  const cache = ByteCache.create({ ...settings, codec: 'utf8' });
  caches.push(cache);
  return cache;
}
const follows = (cache: ByteCache<string>) => (): boolean => cache.stats().level!.follows;

describe.skipIf(!hasRedis)('a Redis that is reached by TLS', () => {
  test('is believed by the authority that is named, and not without', async () => {
    const authority = makeCertificate({ subject: 'authority', isAuthority: true });
    const { certificate, key } = makeCertificate({ names: ['127.0.0.1', 'redis.test'], issuer: authority });
    const folder = mkdtempSync(join(tmpdir(), 'shardns-redis-tls-'));
    const [certificateFile, keyFile] = [join(folder, 'certificate'), join(folder, 'key')];
    writeFileSync(certificateFile, certificate);
    writeFileSync(keyFile, key);
    const port = await freePort();
    const tls = ['--tls-port', String(port), '--tls-cert-file', certificateFile, '--tls-key-file', keyFile];
    const server = await RedisServer.start([...tls, '--tls-ca-cert-file', certificateFile, '--tls-auth-clients', 'no']);
    servers.push(server);
    const url = `rediss://127.0.0.1:${port}`;
    const ca = authority.certificate;
    const one = instance({ url, tls: { ca, servername: 'redis.test' }, ...patient });
    const other = instance({ url, tls: { ca }, ...patient });
    const strange = instance({ url, ...patient });
    const misled = instance({ url, tls: { ca, servername: 'another.test' }, ...patient });
    await until(follows(one), 'by its name');
    await until(follows(other), 'by its address');
    one.set('k', 'v');
    await one.settled(2000);
    expect(await other.read('k')).toBe('v');
    other.delete('k');
    await until(() => !one.has('k'), 'the invalidation');
    for (const cache of [strange, misled]) expect(cache.stats().level!.connected).toBe(false);
    expect(await strange.fetch('k', () => 'loaded')).toBe('loaded');
  });
});

describe.skipIf(!hasRedis)('three masters', () => {
  test('have values, invalidations, leases and durable writes of a byte cache', async () => {
    const nodes = await startCluster();
    servers.push(...nodes);
    const redis: ByteLevelOptions = { url: nodes.map(({ url }) => url), mode: 'cluster', leaseMs: 20_000, ...patient };
    const [one, other] = [instance(redis), instance(redis)];
    await until(follows(one), 'one');
    await until(follows(other), 'the other');
    const keys = Array.from({ length: 60 }, (_, i) => `key ${i}`);
    let loads = 0;
    const load = async (key: unknown): Promise<string> => {
      loads++;
      await new Promise(resolve => setTimeout(resolve, 50));
      return `value of ${String(key)}`;
    };
    // Both at once: one of them loads each.
    const both = await Promise.all([one, other].flatMap(cache => keys.map(key => cache.fetch(key, load))));
    expect(both).toEqual([...keys, ...keys].map(key => `value of ${key}`));
    expect(loads).toBe(keys.length);
    one.set('key 1', 'changed', { tags: ['t'] });
    await one.settled(2000);
    await until(async () => (await other.read('key 1')) === 'changed', 'the change');
    other.invalidate({ tag: 't' });
    await until(() => !one.has('key 1'), 'the invalidation');

    const stored = new Map<string, string>();
    const writer: NonNullable<ByteCacheOptions<string>['writer']> = {
      durable: true,
      write: batch => batch.forEach(({ key, value }) => stored.set(String(key), value!)),
    };
    const durable = instance(redis, { writer });
    await until(() => durable.stats().level!.connected);
    await Promise.all(keys.map(key => durable.write(key, `stored ${key}`)));
    await until(() => stored.size === keys.length, 'the store');
    await durable.end();

    // One master is gone: what the others have is found, what they take is written.
    const log = 'sd1:bytes:inv';
    const slots = await Promise.all(nodes.map(node => node.cli('EXISTS', log).catch(String)));
    const victim = nodes[slots.findIndex(answer => !answer.startsWith('1'))];
    await victim.kill();
    for (const key of keys) one.set(key, 'after', { ttlMs: 50_000 });
    const arrived = async (): Promise<boolean> => {
      const sizes = await Promise.all(nodes.filter(node => node !== victim).map(node => node.cli('DBSIZE')));
      return one.stats().level!.queued < 35 && sizes.every(size => Number(size) > 0);
    };
    await until(arrived, 'what the other nodes take');
    await victim.start();
    await until(() => one.stats().level!.queued === 0, 'what it had not taken');
  });
});
