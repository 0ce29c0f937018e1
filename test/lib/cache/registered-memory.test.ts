// Memory that the native side goes on using: whatever becomes of it, and whoever else writes to it meanwhile.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { ByteCache } from '../../../lib/cache/bytes/byte-cache.js';
import { DnsCache } from '../../../lib/cache/dns-cache.js';
import { Engine } from '../../../lib/cache/engine.js';
import { Control, pinnedMemory } from '../../../lib/native/binding.js';
import { answerA, makeQuery, makeResponse } from '../../support/messages.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const caches: (DnsCache | Engine)[] = [];
afterEach(() => {
  for (const one of caches.splice(0)) one.close();
});
const query = Uint8Array.from(makeQuery('a.example'));
function create(): DnsCache {
  const cache = DnsCache.create({ memory: '1MiB' });
  caches.push(cache);
  expect(cache.insert(answerA(makeQuery('a.example')))).toBe(300);
  return cache;
}
const gone = (name: string): unknown =>
  expect.objectContaining({
    code: 'ERR_SHARDNS_OPTION',
    message: expect.stringContaining(`${name}: expected the buffer`),
  });
const detach = (array: ArrayBufferView<ArrayBuffer>): void => {
  structuredClone(array.buffer, { transfer: [array.buffer] });
};

// Newer than the types that this project compiles against.
interface Resizable {
  resize(octets: number): void;
  grow(octets: number): void;
}
function resizable<T>(kind: new (octets: number) => T, octets: number, maxByteLength: number): T & Resizable {
  return Reflect.construct(kind, [octets, { maxByteLength }]) as T & Resizable;
}
const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: new (shape: object) => WasmMemory } })
  .WebAssembly;
interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): void;
}

describe('the buffers of a batch', () => {
  const buffers = () => ({
    queries: Uint8Array.from(query),
    ends: Uint32Array.of(query.length),
    replies: new Uint8Array(4096),
    lengths: new Int32Array(1),
  });
  type Name = keyof ReturnType<typeof buffers>;
  const names = ['queries', 'ends', 'replies', 'lengths'] as const;

  test.each(names)('%s that were transferred are refused by name, until others are registered', name => {
    const cache = create();
    const given = buffers();
    cache.registerBatch(given.queries, given.ends, given.replies, given.lengths);
    expect(cache.answerBatch(1)).toBe(1);
    detach(given[name]);
    expect(() => cache.answerBatch(1)).toThrow(gone(name));
    expect(() => cache.answerBatch(0)).toThrow(gone(name));
    const others = buffers();
    cache.registerBatch(others.queries, others.ends, others.replies, others.lengths);
    expect(cache.answerBatch(1)).toBe(1);
    expect(others.lengths[0]).toBeGreaterThan(query.length);
  });
  test.each(names)('%s in a buffer that shrinks are refused while it is too short', name => {
    const cache = create();
    const given = buffers();
    const { byteLength } = given[name];
    const buffer = resizable(ArrayBuffer, byteLength, byteLength);
    new Uint8Array(buffer).set(new Uint8Array(given[name].buffer));
    const kinds = { queries: Uint8Array, ends: Uint32Array, replies: Uint8Array, lengths: Int32Array };
    const kept = { ...given, [name as Name]: new kinds[name](buffer) };
    cache.registerBatch(kept.queries, kept.ends, kept.replies, kept.lengths);
    expect(cache.answerBatch(1)).toBe(1);
    buffer.resize(0);
    expect(() => cache.answerBatch(1)).toThrow(gone(name));
  });
  test('the memory of a WebAssembly instance that grows is refused', () => {
    const cache = create();
    const memory = new Memory({ initial: 1, maximum: 4 });
    const { queries, ends, lengths } = buffers();
    cache.registerBatch(queries, ends, new Uint8Array(memory.buffer), lengths);
    expect(cache.answerBatch(1)).toBe(1);
    memory.grow(1);
    expect(() => cache.answerBatch(1)).toThrow(gone('replies'));
  });
  test('a length that the caller has made up is not believed', () => {
    const cache = create();
    const { queries, ends, replies, lengths } = buffers();
    cache.registerBatch(queries, ends, replies, lengths);
    detach(replies);
    Object.defineProperty(replies, 'length', { value: 4096 });
    expect(() => cache.answerBatch(1)).toThrow(gone('replies'));
  });
  test('shared memory serves, also memory that grows', () => {
    const cache = create();
    const { ends, lengths } = buffers();
    const buffer = resizable(SharedArrayBuffer, query.length, 4096);
    const queries = new Uint8Array(buffer);
    queries.set(query);
    const replies = new Uint8Array(new SharedArrayBuffer(4096));
    cache.registerBatch(queries, ends, replies, lengths);
    buffer.grow(4096);
    const fixed = new Uint8Array(queries.buffer, 0, query.length);
    cache.registerBatch(fixed, ends, replies, lengths);
    buffer.grow(4096);
    expect(cache.answerBatch(1)).toBe(1);
    expect([...replies.subarray(0, 2)]).toEqual([...query.subarray(0, 2)]);
  });
  test('ends that do not ascend, or lead beyond the queries, are refused by value', () => {
    const cache = create();
    const { queries, ends, replies, lengths } = buffers();
    cache.registerBatch(queries, ends, replies, lengths);
    ends[0] = 4000;
    expect(() => cache.answerBatch(1)).toThrow(
      expect.objectContaining({ code: 'ERR_SHARDNS_OPTION', message: expect.stringContaining('ends: ') }),
    );
  });
});

describe('the buffers of single calls', () => {
  function registered(): { engine: Engine; arrays: [Uint8Array, Uint8Array, Uint32Array] } {
    const engine = new Engine({ memoryBytes: 1 << 20, shards: 1, policy: 's3fifo', averageEntryBytes: 184 });
    caches.push(engine);
    expect(engine.insert(answerA(makeQuery('a.example')), {}, 0)).toBe(300);
    const arrays: [Uint8Array, Uint8Array, Uint32Array] = [
      new Uint8Array(512),
      new Uint8Array(4096),
      new Uint32Array(Control.words),
    ];
    arrays[0].set(query);
    arrays[2][Control.queryLength] = query.length;
    engine.native.register(...arrays);
    expect(engine.native.answer()).toBeGreaterThan(0);
    return { engine, arrays };
  }
  test.each([0, 1, 2])('ordinary memory is looked up at each call: buffer %i transferred', which => {
    const { engine, arrays } = registered();
    detach(arrays[which] as Uint8Array<ArrayBuffer>);
    const { native } = engine;
    expect(() => native.answer()).toThrow(expect.objectContaining({ code: 'ERR_SHARDNS_OPTION' }));
    if (which === 1) {
      expect(() => native.finish(query, query, 0, 0)).toThrow(/detached/);
      expect(() => native.refuse(query, 5, 0, '')).toThrow(/detached/);
    }
    if (which === 2) expect(() => native.list(0, 0, new Uint8Array(65_536))).toThrow();
  });
  test("the engine's own cannot be transferred", () => {
    const engine = new Engine({ memoryBytes: 1 << 20, shards: 1, policy: 's3fifo', averageEntryBytes: 184 });
    caches.push(engine);
    for (const array of [engine.query, engine.reply]) {
      expect(() => detach(array as unknown as Uint8Array<ArrayBuffer>)).toThrow();
      expect(array.length).toBeGreaterThan(65_000);
    }
  });
  test('a byte cache looks ordinary memory up too', () => {
    const cache = ByteCache.create({ memory: '1MiB' });
    cache.set('key', Uint8Array.of(1, 2, 3));
    const value = new Uint8Array(65_600);
    cache.native.register(value, new Uint32Array(pinnedMemory(28)), new Float64Array(pinnedMemory(8)));
    expect(cache.native.get('key', 0, 0)).toBe(3);
    detach(value);
    expect(() => cache.native.get('key', 0, 0)).toThrow(/detached/);
    expect(() => cache.set('key', 'text' as unknown as Uint8Array)).toThrow();
    cache.close();
  });
});

describe('a cache that is let go of without close()', () => {
  const settle = async (): Promise<number> => {
    for (let i = 0; i < 8; i++) {
      collect();
      await new Promise(resolve => setImmediate(resolve));
    }
    return process.memoryUsage().arrayBuffers;
  };
  test.each([
    ['DnsCache', () => void DnsCache.create({ memory: '1MiB' })],
    ['ByteCache', () => void ByteCache.create({ memory: '1MiB' })],
    [
      'DnsCache with a batch',
      () => {
        const cache = DnsCache.create({ memory: '1MiB' });
        cache.registerBatch(new Uint8Array(512), new Uint32Array(1), new Uint8Array(65_536), new Int32Array(1));
      },
    ],
  ])('%s keeps no buffers', async (_, make) => {
    for (let i = 0; i < 10; i++) make();
    const before = await settle();
    for (let i = 0; i < 60; i++) make();
    expect((await settle()) - before).toBeLessThan(20 * 65_536);
  });
});

describe('octets that another thread changes while they are read', () => {
  test('are survived by every call that takes some', async () => {
    const cache = create();
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 1, 2, 3, 4]);
    const response = makeResponse(makeQuery('hhh.xx'), {});
    response.writeUInt16BE(4, 6);
    const whole = Buffer.concat([response, record, record, record, record]);
    const memory = new SharedArrayBuffer(1 << 16);
    new Uint8Array(memory).fill(0x7f); // no label, no pointer, no end
    const shared = new Uint8Array(memory, 0, whole.length);
    shared.set(whole);
    const asked = new Uint8Array(memory, 4096, query.length);
    asked.set(query);
    const worker = new Worker(
      `const { workerData: { memory, at } } = require('node:worker_threads');
       const owner = new Uint16Array(memory, at, 1), label = new Uint8Array(memory, 4096 + 12, 1);
       for (;;) for (let i = 0; i < 1000; i++) { owner[0] = 0x0cc0; owner[0] = 0xffff; label[0] = 63; owner[0] = 0x0cc0; label[0] = 1; }`,
      { eval: true, execArgv: [], workerData: { memory, at: response.length + 48 } },
    );
    await new Promise(resolve => worker.once('online', resolve));
    const out = new Uint8Array(4096);
    const { engine } = cache;
    cache.registerBatch(asked, Uint32Array.of(asked.length), out, new Int32Array(1));
    for (let i = 0; i < 100_000; i++) {
      engine.insert(shared, {}, 0);
      engine.finish(asked, shared, true, 0, 0xffff);
      engine.refuse(asked, { rcode: 5, extendedError: 0xffff }, { udp: true });
      cache.answer(asked, out);
      cache.answerBatch(1);
    }
    await worker.terminate();
    expect(await Promise.resolve(cache.answer(query, out))).toBeGreaterThan(0);
  });
});
