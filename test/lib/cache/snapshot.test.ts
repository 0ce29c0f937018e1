import { chmodSync, symlinkSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ByteCache, DnsCache } from '../../../lib/index.js';
import { answerA, makeQuery } from '../../support/messages.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a snapshot', () => {
  test.each(['s3fifo', 'lru', 'lfu', '2q'] as const)(
    'brings answers into another cache, of policy %s',
    async policy => {
      const path = join(folder, `answers-${policy}`);
      using from = DnsCache.create({ memory: '2MiB' });
      from.insert(answerA(makeQuery('a.example'), 300, '192.0.2.7'));
      const saved = await from.save(path);
      expect(saved).toEqual({ entries: 1, octets: statSync(path).size });
      expect(statSync(path).mode & 0o777).toBe(0o600);
      using to = DnsCache.create({ memory: '4MiB', policy });
      expect(await to.load(path)).toMatchObject({ entries: 1, expired: 0, rejected: 0, damaged: false });
      expect(to.peek('a.example', 'A')!.remainingSeconds).toBeGreaterThan(298);
      expect(to.peek('a.example', 'A')!.popularity).toBe(0); // looking is no hit
    },
  );

  test('brings values with their namespaces, tags and lifetimes', async () => {
    const path = join(folder, 'values');
    using from = ByteCache.create({ memory: '2MiB', codec: 'json' });
    from.namespace('users').set('a', { x: 1 }, { ttlMs: 60_000, tags: ['t'] });
    await from.save(path);
    using to = ByteCache.create({ memory: '2MiB', codec: 'json' });
    await to.load(path);
    expect(to.namespace('users').get('a')).toEqual({ x: 1 });
    expect(to.namespace('users').ttl('a')).toBeLessThanOrEqual(60_000);
    to.invalidate({ tag: 't' });
    expect(to.namespace('users').get('a')).toBeUndefined();
  });

  test('that is damaged is refused, or loaded up to the damage', async () => {
    const path = join(folder, 'cut');
    using from = ByteCache.create({ memory: '8MiB' });
    for (let i = 0; i < 40; i++) from.set(`key ${i}`, new Uint8Array(60_000).fill(i));
    await from.save(path);
    writeFileSync(path, readFileSync(path).subarray(0, 1_500_000));
    using to = ByteCache.create({ memory: '8MiB' });
    await expect(to.load(path)).rejects.toMatchObject({
      code: 'ERR_SHARDNS_FILE',
      message: `${path}: it is damaged`,
    });
    expect(to.stats().inserts).toBe(0);
    const loaded = await to.load(path, { onDamage: 'keep' });
    expect(loaded.damaged).toBe(true);
    expect(loaded.entries).toBeGreaterThan(10);
    expect(loaded.entries).toBeLessThan(40);
  });

  test('is refused by name where others may have written it, and a FIFO is not waited for', async () => {
    const path = join(folder, 'open to all');
    using cache = DnsCache.create({ memory: '1MiB' });
    await cache.save(path);
    chmodSync(path, 0o666);
    await expect(cache.load(path)).rejects.toMatchObject({
      code: 'ERR_SHARDNS_FILE',
      message: `${path}: others may write to it: take that right away (chmod go-w)`,
    });
    const link = join(folder, 'link');
    symlinkSync(path, link);
    await expect(cache.load(link)).rejects.toThrow(`${link}: it is a symbolic link, which is not followed`);
    expect(() => DnsCache.open({ path: link })).toThrow(`${link}: it is a symbolic link, which is not followed`);
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    await expect(cache.load(fifo)).rejects.toThrow(`${fifo}: it is no regular file`);
    expect(() => DnsCache.open({ path: fifo })).toThrow(`${fifo}: it is no regular file`);
  });

  test('says what is wrong', async () => {
    using cache = DnsCache.create({ memory: '1MiB' });
    await expect(cache.load(join(folder, 'nothing'))).rejects.toThrow(
      'it cannot be opened (No such file or directory)',
    );
    await expect(cache.save(join(folder, 'no', 'folder'))).rejects.toMatchObject({ code: 'ERR_SHARDNS_FILE' });
    await expect(cache.save('')).rejects.toThrow('path: expected the path of a file, got ""');
    await expect(cache.load('x', { onDamage: 'ignore' as 'keep' })).rejects.toThrow(
      'onDamage: expected refuse or keep',
    );
    await cache.save(join(folder, 'kind'));
    using bytes = ByteCache.create({ memory: '1MiB' });
    await expect(bytes.load(join(folder, 'kind'))).rejects.toThrow('its entries are of another kind');
    const pending = cache.save(join(folder, 'late'));
    cache.close(); // the work that is under way keeps what it needs
    expect((await pending).entries).toBe(0);
    await expect(cache.save(join(folder, 'later'))).rejects.toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
  });
});
