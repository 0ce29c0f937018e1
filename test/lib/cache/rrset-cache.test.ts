// The second level: what is kept, what gives way to what, and octets that a stranger has written.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ByteCache } from '../../../lib/cache/bytes/byte-cache.js';
import { Rank, RrsetCache } from '../../../lib/cache/rrset-cache.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import type { Rrset } from '../../../lib/wire/rrset.js';

const name = encodeName('www.example.com');
const a = (last: number, ttl = 300): Rrset => ({
  name,
  type: Type.A,
  ttl,
  data: [Uint8Array.of(10, 0, 0, last)],
  signatures: [],
});
const soa = (ttl: number): Rrset => ({
  name: encodeName('example.com'),
  type: Type.SOA,
  ttl,
  data: [new Uint8Array(22)],
  signatures: [],
});

/** The clock of the cache goes on by itself: by so many seconds at the most a TTL is less than at once. */
const stopwatch = (): (() => number) => {
  const began = performance.now();
  return () => Math.ceil((performance.now() - began) / 1000);
};

let cache: RrsetCache;
beforeEach(() => {
  cache = new RrsetCache(ByteCache.create({ memory: '1MiB', shards: 1, staleIfErrorMs: 3_600_000 }));
});
afterEach(() => cache.close());

describe('the RRset cache', () => {
  test('gives back what was put, with the proof that goes with it and TTLs reduced by age', () => {
    const signed = { ...a(1), signatures: [Uint8Array.of(1, 2, 3)] };
    cache.put(signed, Rank.authoritative, [soa(100)]);
    cache.bytes.native.shiftClock(10_000);
    const found = cache.get(name, Type.A)!;
    // The clock goes on by itself, and a busy machine is late.
    const { ttl } = found.rrset;
    expect(found.rrset).toEqual({ ...signed, ttl });
    expect(300 - ttl).toBeGreaterThanOrEqual(10);
    expect(300 - ttl).toBeLessThan(30);
    expect(100 - found.proof[0].ttl).toBe(300 - ttl);
    expect(found.stale).toBe(false);
  });
  test('does not replace what is better by what is worse (RFC 2181 section 5.4.1)', () => {
    expect(cache.put(a(1), Rank.authoritative)).toBe(true);
    expect(cache.put(a(2), Rank.additional)).toBe(false);
    expect(cache.get(name, Type.A)!.rrset.data[0][3]).toBe(1);
    expect(cache.put(a(3), Rank.authoritative)).toBe(true);
    expect(cache.get(name, Type.A)!.rrset.data[0][3]).toBe(3);
  });
  test('gives an RRset in the last second of its life TTL 0, and none of it again', () => {
    for (let left = 1; left <= 999; left += left < 30 ? 1 : 60) {
      cache.bytes.native.shiftClock(0);
      cache.put(a(1, 2), Rank.authoritative);
      cache.putNoData(name, Type.MX, { authority: [soa(2)], ttl: 2 });
      cache.putDelegation({ ...soa(2), type: Type.NS, data: [name] }, 2000);
      cache.bytes.native.shiftClock(2000 - left);
      const [found, none] = [cache.get(name, Type.A), cache.noData(name, Type.MX)];
      const cut = cache.delegation(soa(2).name);
      for (const one of [found, none, cut]) if (one !== undefined) expect(one.leftMs).toBeLessThanOrEqual(left);
      for (const ttl of [found?.rrset.ttl, none?.ttl, none?.authority[0].ttl, cut?.ns.ttl])
        expect(ttl ?? 0).toBe(left > 990 ? ttl : 0);
      expect(found?.stale ?? false).toBe(false);
    }
  });
  test('rounds down what is left', () => {
    const lasted = stopwatch();
    cache.put(a(1, 300), Rank.authoritative);
    cache.bytes.native.shiftClock(500);
    const { ttl } = cache.get(name, Type.A)!.rrset;
    expect(ttl).toBeLessThanOrEqual(299);
    expect(ttl).toBeGreaterThanOrEqual(299 - lasted());
  });
  test('ends an RRset when it was told, before its TTL', () => {
    const lasted = stopwatch();
    cache.put(a(1, 300), Rank.authoritative, [], 60_500);
    const { ttl } = cache.get(name, Type.A)!.rrset;
    expect(ttl).toBeLessThanOrEqual(60);
    expect(ttl).toBeGreaterThanOrEqual(60 - lasted());
    cache.bytes.native.shiftClock(60_501);
    expect(cache.get(name, Type.A)).toBeUndefined();
  });
  test('does not give up what is better for what is worse and has no time to live', () => {
    cache.put(a(1), Rank.authoritative);
    expect(cache.put(a(2, 0), Rank.additional)).toBe(false);
    expect(cache.get(name, Type.A)!.rrset.data[0][3]).toBe(1);
  });
  test('keeps glue apart from answers', () => {
    cache.putGlue(a(1), 60_000);
    expect(cache.get(name, Type.A)).toBeUndefined();
    expect(cache.glue(name, Type.A)!.data[0][3]).toBe(1);
  });
  test('forgets a denial when there is something, and something when it is denied', () => {
    cache.putNxdomain(name, { authority: [soa(60)], ttl: 60 });
    cache.put(a(1), Rank.authoritative);
    expect(cache.nxdomain(name)).toBeUndefined();
    const lasted = stopwatch();
    cache.putNoData(name, Type.A, { authority: [soa(60)], ttl: 60 });
    expect(cache.get(name, Type.A)).toBeUndefined();
    const { ttl } = cache.noData(name, Type.A)!;
    expect(ttl).toBeLessThanOrEqual(60);
    expect(ttl).toBeGreaterThanOrEqual(60 - lasted());
  });
  test('does not keep a TTL of zero, which ends what was there', () => {
    cache.put(a(1), Rank.authoritative);
    expect(cache.put(a(2, 0), Rank.authoritative)).toBe(false);
    expect(cache.get(name, Type.A)).toBeUndefined();
  });
  test('gives expired RRsets only to those who allow it, with the TTL they had', () => {
    cache.put(a(1, 60), Rank.authoritative);
    cache.bytes.native.shiftClock(61_000);
    expect(cache.get(name, Type.A)).toBeUndefined();
    expect(cache.get(name, Type.A, true)).toMatchObject({ stale: true, rrset: { ttl: 60 } });
  });
  test('keeps expired RRsets for as long as it was told last', () => {
    cache.put(a(1, 60), Rank.authoritative);
    cache.bytes.native.shiftClock(120_000);
    cache.keepStale(30_000);
    expect(cache.get(name, Type.A, true)).toBeUndefined();
    cache.keepStale(90_000);
    expect(cache.get(name, Type.A, true)).toMatchObject({ stale: true });
  });
  test('forgets a name with all its types', () => {
    cache.put(a(1), Rank.authoritative);
    cache.putNoData(name, Type.MX, { authority: [soa(60)], ttl: 60 });
    cache.forgetName(name);
    expect(cache.get(name, Type.A)).toBeUndefined();
    expect(cache.noData(name, Type.MX)).toBeUndefined();
  });
  test('whatever octets are in its memory, it gives an RRset or nothing', () => {
    const key = Buffer.concat([Buffer.from([0, 0, Type.A]), name]);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), noise => {
        cache.bytes.set(key, noise, { ttlMs: 60_000 });
        const found = cache.get(name, Type.A);
        if (found !== undefined) expect(Array.isArray(found.rrset.data)).toBe(true);
      }),
    );
  });
});
