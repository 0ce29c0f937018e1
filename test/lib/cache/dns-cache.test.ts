// DnsCache by itself, and shared with worker threads. Workers run the built library: they have no TypeScript.
import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createServer } from '../../../lib/admin/create-server.js';
import { CachedLookup } from '../../../lib/node/cached-lookup.js';
import { askUdp } from '../../support/client.js';
import { DnsServer } from '../../support/dns-server.js';
import { DnsCache, type DnsCacheHandle, type DnsCacheOptions } from '../../../lib/cache/dns-cache.js';
import { isWhole, query as workerQuery, response as workerResponse, run } from '../../support/cache-worker.mjs';
import { answerA, decode, makeQuery, makeResponse, rcodeOf, soa } from '../../support/messages.js';

const caches: DnsCache[] = [];
afterEach(() => {
  for (const one of caches.splice(0)) one.close();
});
function create(options: DnsCacheOptions = {}): DnsCache {
  const cache = DnsCache.create({ memory: '1MiB', ...options });
  caches.push(cache);
  return cache;
}
const out = new Uint8Array(4096);
function ask(cache: DnsCache, name: string, shape = {}): Buffer | undefined {
  const length = cache.answer(makeQuery(name, shape), out);
  return length > 0 ? Buffer.from(out.slice(0, length)) : undefined;
}

describe('alone', () => {
  test('what is inserted is answered, with the id and letters of the query', () => {
    const cache = create();
    expect(cache.insert(answerA(makeQuery('a.example'), 60, '192.0.2.7'))).toBe(60);
    const reply = decode(ask(cache, 'A.Example', { id: 77 })!);
    expect(reply.id).toBe(77);
    expect(reply.questions![0].name).toBe('A.Example');
    expect(reply.answers![0]).toMatchObject({ type: 'A', data: '192.0.2.7', ttl: 60 });
    expect(cache.answer(makeQuery('b.example'), out)).toBeLessThan(0);
  });
  test('what may not be stored says why; octets that are no response are an error', () => {
    const cache = create();
    const of = (shape: object) => makeResponse(makeQuery('a.example'), shape);
    expect(cache.insert(of({ rcode: 2 }))).toBe('uncacheable');
    expect(cache.insert(of({ rcode: 3 }))).toBe('no SOA');
    expect(cache.insert(of({ rcode: 3, authorities: [soa('example')] }))).toBe(60);
    expect(cache.insert(answerA(makeQuery('a.example'), 0))).toBe('TTL 0');
    expect(() => cache.insert(Buffer.from('nonsense'))).toThrow(
      expect.objectContaining({ code: 'ERR_SHARDNS_MESSAGE' }),
    );
    expect(() => cache.insert(makeQuery('a.example'))).toThrow(/no well-formed DNS response/);
  });
  test('a batch is answered like its queries one by one', () => {
    const cache = create();
    const names = ['a.example', 'b.example', 'missing.example', 'c.example'];
    for (const name of ['a.example', 'b.example', 'c.example']) cache.insert(answerA(makeQuery(name)));
    const queries = names.map(name => makeQuery(name));
    const ends = new Uint32Array(4);
    const packed = new Uint8Array(1024);
    queries.reduce((at, one, i) => {
      packed.set(one, at);
      return (ends[i] = at + one.length);
    }, 0);
    const [replies, lengths] = [new Uint8Array(4 * 1024), new Int32Array(4)];
    cache.registerBatch(packed, ends, replies, lengths);
    expect(cache.answerBatch(4)).toBe(3);
    for (const [i, name] of names.entries()) {
      const alone = ask(cache, name);
      if (alone === undefined) expect(lengths[i]).toBeLessThan(0);
      else expect(Buffer.from(replies.slice(i * 1024, i * 1024 + lengths[i]))).toEqual(alone);
    }
  });
  test('DO, CD and tenants have answers of their own', () => {
    const cache = create();
    cache.insert(answerA(makeQuery('a.example'), 60, '192.0.2.1'));
    cache.insert(answerA(makeQuery('a.example'), 60, '192.0.2.2'), { dnssecOk: true });
    cache.insert(answerA(makeQuery('a.example'), 60, '192.0.2.3'), { tenant: 9 });
    const address = (reply: Buffer): unknown => (decode(reply).answers![0] as { data: unknown }).data;
    expect(address(ask(cache, 'a.example')!)).toBe('192.0.2.1');
    expect(address(ask(cache, 'a.example', { dnssecOk: true })!)).toBe('192.0.2.2');
    expect(ask(cache, 'a.example', { cd: true })).toBeUndefined();
    const length = cache.answer(makeQuery('a.example'), out, { tenant: 9 });
    expect(address(Buffer.from(out.slice(0, length)))).toBe('192.0.2.3');
  });
  test('peek, delete and entries', () => {
    const cache = create();
    cache.insert(answerA(makeQuery('a.example')));
    cache.insert(makeResponse(makeQuery('gone.example'), { rcode: 3, authorities: [soa('example')] }), { tenant: 4 });
    ask(cache, 'a.example');
    expect(cache.peek('A.example.', 'A')).toMatchObject({ popularity: 1, remainingSeconds: expect.closeTo(300, 0) });
    expect(cache.peek('a.example', 'AAAA')).toBeUndefined();
    expect([...cache.entries()].map(one => `${one.name} ${one.type} ${one.negative} ${one.tenant}`).sort()).toEqual([
      'a.example. A false 0',
      'gone.example. A true 4',
    ]);
    expect([...cache.entries(1)]).toHaveLength(1);
    expect(cache.delete('a.example', 'A')).toBe(true);
    expect(cache.delete('a.example', 'A')).toBe(false);
    expect(ask(cache, 'a.example')).toBeUndefined();
    expect(() => cache.peek('a.example', 'NONSENSE')).toThrow(/type: expected a mnemonic.*NONSENSE/);
  });
  test('what was forgotten is not listed, by name, suffix, tenant and all', () => {
    const cache = create({ memory: '64MiB' });
    const names = (): string[] => [...cache.entries()].map(one => one.name).sort();
    for (const name of ['a.one.example', 'b.one.example', 'c.two.example', 'd.two.example'])
      cache.insert(answerA(makeQuery(name)));
    cache.insert(answerA(makeQuery('e.two.example')), { tenant: 7 });
    cache.invalidate({ name: 'd.two.example' });
    expect(names()).toEqual(['a.one.example.', 'b.one.example.', 'c.two.example.', 'e.two.example.']);
    cache.invalidate({ suffix: 'one.example' });
    expect(names()).toEqual(['c.two.example.', 'e.two.example.']);
    cache.invalidate({ tenant: 7 });
    cache.insert(answerA(makeQuery('a.one.example')));
    expect(names()).toEqual(['a.one.example.', 'c.two.example.']);
    cache.invalidate({ all: true });
    expect(names()).toEqual([]);
  });
  test('thousands of entries are listed once each', () => {
    const cache = create({ memory: '4MiB' });
    for (let n = 0; n < 5000; n++) cache.insert(workerResponse(n, 1));
    const names = [...cache.entries()].map(one => one.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBe(cache.stats().entries);
  });
  test('invalidation by name, suffix, tenant and of all', () => {
    // In a small region they share places, which forgets more than was asked for.
    const cache = create({ memory: '64MiB' });
    const fill = (): void => {
      for (const name of ['a.example', 'b.a.example', 'c.test']) cache.insert(answerA(makeQuery(name)));
    };
    const left = (): string[] => ['a.example', 'b.a.example', 'c.test'].filter(name => ask(cache, name) !== undefined);
    fill();
    cache.invalidate({ name: 'a.example' });
    expect(left()).toEqual(['b.a.example', 'c.test']);
    fill();
    cache.invalidate({ suffix: 'example' });
    expect(left()).toEqual(['c.test']);
    cache.invalidate({ all: true });
    expect(left()).toEqual([]);
  });
  test('wrong options and use after close are errors that say what is wrong', () => {
    expect(() => create({ memory: 17 })).toThrow(/memory: .*got 17/);
    expect(() => create({ shards: 3 })).toThrow(/shards: expected 0 or a power of two, got 3/);
    expect(() => create({ colour: 1 } as DnsCacheOptions)).toThrow('colour: is not an option');
    expect(() => create({ memory: '1MiB', shards: 256 })).toThrow(
      expect.objectContaining({ code: 'ERR_SHARDNS_MEMORY' }),
    );
    const cache = create();
    expect(() => cache.answer(makeQuery('a'), new Uint8Array(10))).toThrow(/out: expected 1024 octets or more, got 10/);
    expect(() => cache.share()).toThrow(/shared: expected true/);
    expect(() => cache.answer('a' as never, out)).toThrow(/query: expected a Uint8Array, got "a"/);
    expect(() => cache.insert(5 as never)).toThrow(/response: expected a Uint8Array, got 5/);
    expect(() => cache.insert(answerA(makeQuery('a')), { tenant: -1 })).toThrow(/tenant: expected .*, got -1/);
    expect(() => cache.invalidate({ tenant: 2 ** 32 })).toThrow(/tenant: expected .*, got 4294967296/);
    expect(() => cache.invalidate({} as never)).toThrow(
      'invalidate: expected { name }, { suffix }, { tenant } or { all: true }, got {}',
    );
    expect(() => cache.answerBatch(1)).toThrow(/count: expected 0 to 0, .*got 1/);
    expect(() => cache.registerBatch(out, out as never, out, out as never)).toThrow(/ends: expected .*Uint32Array/);
    cache.close();
    cache.close();
    for (const use of [
      () => cache.answer(makeQuery('a'), out),
      () => cache.stats(),
      () => cache.insert(answerA(makeQuery('a'))),
      () => [...cache.entries()],
      () => cache.share(),
      () => cache.answerBatch(1),
    ]) {
      expect(use).toThrow(expect.objectContaining({ code: 'ERR_SHARDNS_CLOSED' }));
    }
  });
  test('rcodes of queries that are no lookup come as replies', () => {
    const cache = create();
    expect(rcodeOf(ask(cache, 'a.example', { type: 'AXFR' })!)).toBe(5);
  });
});

describe('shared', () => {
  const start = (handle: DnsCacheHandle, operations: number | undefined, seed: number): Worker =>
    new Worker(new URL('../../support/cache-worker.mjs', import.meta.url), {
      workerData: { handle, operations, seed },
    });
  type Result = { hits: number; wrong: number; writes: number };
  const resultOf = (worker: Worker): Promise<Result> =>
    new Promise((resolve, reject) => {
      worker.on('message', message => typeof message === 'object' && resolve(message as Result));
      worker.on('error', reject);
    });

  test('attached in the same thread it is the same cache', () => {
    const cache = create({ shared: true });
    const other = DnsCache.attach(cache.share());
    caches.push(other);
    cache.insert(answerA(makeQuery('a.example')));
    expect(ask(other, 'a.example')).toEqual(ask(cache, 'a.example'));
    other.invalidate({ all: true });
    expect(ask(cache, 'a.example')).toBeUndefined();
    expect(other.stats().inserts).toBe(1);
  });

  test('two workers and this thread, reading and writing: nothing torn, nothing of another name', async () => {
    const total = Number(process.env.SHARDNS_TORTURE_READS ?? (process.env.CI === 'true' ? 100_000_000 : 3_000_000));
    const cache = create({ shared: true, shards: 1 }); // fewer places than names: everything moves all the time
    const handle = cache.share();
    const workers = [1, 2].map(seed => resultOf(start(handle, Math.ceil(total / 3), seed)));
    const own = run(cache, Math.ceil(total / 3), 3);
    const results = [own, ...(await Promise.all(workers))];
    expect(results.map(one => one.wrong)).toEqual([0, 0, 0]);
    for (const one of results) expect(one.hits).toBeGreaterThan(total / 20);
  }, 600_000);

  test('workers terminated at any instant leave a cache that works', async () => {
    const cache = create({ shared: true, shards: 1 });
    const handle = cache.share();
    const rounds = process.env.CI === 'true' ? 200 : 20;
    for (let round = 0; round < rounds; round++) {
      const worker = start(handle, undefined, round);
      await new Promise(resolve => worker.once('message', resolve));
      await new Promise(resolve => setTimeout(resolve, (round * 7) % 10));
      await worker.terminate();
      expect(run(cache, 1000, round).wrong).toBe(0);
    }
    const n = 5;
    cache.insert(workerResponse(n, 3));
    const length = cache.answer(workerQuery(n), out);
    expect(isWhole(out, length, n, workerQuery(n))).toBe(true);
  });

  test('a server and lookups of the program use one cache, and leave it open', async () => {
    const cache = create({ shared: true });
    const upstream = await DnsServer.start({
      'one.example': { A: [{ type: 'A', name: 'one.example', ttl: 300, data: '192.0.2.1' }] },
    });
    const server = await createServer({ listen: ['127.0.0.1:0'], upstreams: [upstream.address] }, { cache });
    await askUdp(server.addresses().udp[0], makeQuery('one.example'));
    const attached = DnsCache.attach(cache.share());
    caches.push(attached);
    using lookups = new CachedLookup({ servers: ['192.0.2.53'], hostsFile: false }, { cache: attached });
    const address = await new Promise((resolve, reject) =>
      lookups.lookup('one.example', 4, (error, found) => (error ? reject(error) : resolve(found))),
    );
    expect(address).toBe('192.0.2.1');
    expect(upstream.countOf('one.example')).toBe(1);
    await server.close();
    lookups.close();
    upstream.close();
    expect(ask(cache, 'one.example')).toBeDefined();
  });

  test('a thread that scribbles over the memory harms answers, not the process', () => {
    const cache = create({ shared: true, shards: 1 });
    const octets = new Uint8Array(cache.share().memory);
    let state = 99;
    const draw = (n: number): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % n;
    for (let round = 0; round < 300; round++) {
      // Behind the head; the lock's own word is left out: a lock that is never let go is waited for.
      const at = 40_000 + draw(octets.length - 41_000);
      for (let i = 0; i < 64; i++) octets[at + i] = draw(256);
      for (let i = 0; i < 50; i++) {
        cache.insert(workerResponse(draw(4000), draw(256)));
        cache.answer(workerQuery(draw(4000)), out);
      }
    }
    cache.invalidate({ all: true });
    cache.insert(workerResponse(7, 3));
    const length = cache.answer(workerQuery(7), out);
    expect(isWhole(out, length, 7, workerQuery(7))).toBe(true);
  });

  test('memory that is no cache is refused with a reason', () => {
    const cache = create({ shared: true });
    const handle = cache.share();
    const refused = (memory: SharedArrayBuffer): string => {
      try {
        caches.push(DnsCache.attach({ ...handle, memory }));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_SHARDNS_MEMORY' });
        return (error as Error).message;
      }
      return 'attached';
    };
    expect(refused(new SharedArrayBuffer(100))).toMatch(/smaller than any cache/);
    expect(refused(new SharedArrayBuffer(2 << 20))).toMatch(/no cache/);
    // One octet of its head changed: magic, version, sizes, shards, buckets, policy.
    const whole = new Uint8Array(handle.memory);
    const magic = Buffer.from(whole.slice(0, 128)).indexOf('SHARDN01');
    expect(magic).toBeGreaterThanOrEqual(0);
    for (const word of [0, 8, 12, 16, 24, 32, 36, 40]) {
      const before = whole[magic + word + 3];
      whole[magic + word + 3] = 0x7f;
      expect(refused(handle.memory)).not.toBe('attached');
      whole[magic + word + 3] = before;
    }
    expect(refused(handle.memory)).toBe('attached');
    const short = new SharedArrayBuffer((1 << 20) + 64 - 4096);
    new Uint8Array(short).set(whole.subarray(0, short.byteLength));
    expect(refused(short)).not.toBe('attached');
    for (const nonsense of [
      undefined,
      null,
      {},
      { kind: 'shardns.DnsCache' },
      { ...handle, memory: new ArrayBuffer(9) },
    ]) {
      expect(() => DnsCache.attach(nonsense as DnsCacheHandle)).toThrow(/handle: expected what share\(\) returned/);
    }
  });
});

describe('in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shardns-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('processes that are killed while they write leave a cache that works', async () => {
    const path = join(folder, 'killed');
    using cache = DnsCache.open({ path, memory: '1MiB', shards: 1 });
    const program = fileURLToPath(new URL('../../support/file-process.mjs', import.meta.url));
    let hits = 0;
    for (let round = 0; round < 12; round++) {
      const processes = [1, 2].map(() => fork(program, [path]));
      const ends = processes.map(
        one => new Promise(resolve => one.once('exit', (code, signal) => resolve(signal ?? code))),
      );
      await Promise.all(processes.map(one => new Promise(resolve => one.once('message', resolve))));
      const until = performance.now() + 20 + 3 * round;
      while (performance.now() < until) {
        const result = run(cache, 1000, round);
        expect(result.wrong).toBe(0);
        hits += result.hits;
      }
      for (const one of processes) one.kill('SIGKILL');
      expect(await Promise.all(ends)).toEqual(['SIGKILL', 'SIGKILL']);
      expect(run(cache, 2000, round).wrong).toBe(0);
      expect(cache.engine.native.checkInvariants()).toBe(true);
    }
    expect(hits).toBeGreaterThan(1000);
  });

  test('a worker that is terminated lets go of the file', async () => {
    const path = join(folder, 'worker');
    using cache = DnsCache.open({ path, memory: '1MiB' });
    for (let i = 0; i < 20; i++) {
      const code = `import(${JSON.stringify(new URL('../../../dist/index.js', import.meta.url).href)}).then(({ DnsCache }) => {
        const cache = DnsCache.open({ path: ${JSON.stringify(path)} });
        require('node:worker_threads').parentPort.postMessage(cache.stats().entries);
        for (;;) cache.stats();
      })`;
      const worker = new Worker(code, { eval: true });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      await worker.terminate();
    }
    const { ino } = statSync(path);
    const open = readdirSync('/proc/self/fd').filter(fd => inodeOf(fd) === ino);
    expect(open).toHaveLength(1);
    expect(cache.stats().entries).toBe(0);
  });
});

function inodeOf(fd: string): number | undefined {
  try {
    return statSync(`/proc/self/fd/${fd}`).ino;
  } catch {
    return undefined; // the one that read the folder
  }
}
