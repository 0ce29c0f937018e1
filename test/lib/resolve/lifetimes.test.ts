// How long what a recursor has learnt lives: never a millisecond longer than it may.
import { describe, expect, test } from 'vitest';
import { Rank } from '../../../lib/cache/rrset-cache.js';
import { lifetimeOf, negativeLifetimeOf, signatureLimit } from '../../../lib/resolve/recurse/lifetime.js';
import { Rcode, Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import { encodeRdata } from '../../../lib/wire/rdata.js';
import type { Rrset } from '../../../lib/wire/rrset.js';
import { response } from '../../support/fake-internet.js';
import { setUpRecursor, texts } from '../../support/recursor.js';

const NOW = 1_700_000_000;
const rules = { minTtl: 0, maxTtl: 86_400, negativeMinTtl: 0, negativeMaxTtl: 3600, wallSeconds: NOW };
const time = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(/[-:T]|\.\d+Z/g, '');
const signature = (type: string, originalTtl: number, expiration: number): Uint8Array =>
  encodeRdata(Type.RRSIG, `${type} 13 2 ${originalTtl} ${time(expiration)} 20200101000000 1 example. AAAA`, '.');
const a = (ttl: number, ...signatures: Uint8Array[]): Rrset => ({
  name: encodeName('www.example'),
  type: Type.A,
  ttl,
  data: [Uint8Array.of(10, 0, 0, 1)],
  signatures,
});

describe('a signature (RFC 4035 section 5.3.3)', () => {
  test('bounds its RRset by its original TTL and its expiration', () => {
    expect(signatureLimit(a(300), NOW)).toBe(Infinity);
    expect(lifetimeOf(a(300, signature('A', 200, NOW + 1000)), rules)).toBe(200);
    expect(lifetimeOf(a(300, signature('A', 300, NOW + 100)), rules)).toBe(100);
    expect(lifetimeOf(a(300, signature('A', 300, NOW + 1000), signature('A', 300, NOW + 7)), rules)).toBe(7);
  });
  test('that has expired ends it, and no minimum passes it', () => {
    expect(lifetimeOf(a(300, signature('A', 300, NOW - 1)), rules)).toBe(0);
    expect(lifetimeOf(a(300, signature('A', 300, NOW + 100)), { ...rules, minTtl: 1000 })).toBe(100);
  });
  test('bounds a denial too', () => {
    const soa: Rrset = {
      name: encodeName('example'),
      type: Type.SOA,
      ttl: 300,
      data: [encodeRdata(Type.SOA, 'ns.example. h.example. 1 2 3 4 600', '.')],
      signatures: [signature('SOA', 300, NOW + 30)],
    };
    expect(negativeLifetimeOf(soa, [soa], rules)).toBe(30);
    expect(negativeLifetimeOf(soa, [soa], { ...rules, negativeMinTtl: 60 })).toBe(30);
    expect(negativeLifetimeOf(soa, [{ ...soa, signatures: [] }], rules)).toBe(300);
  });
});

test('a TTL of zero is for those who wait, whatever the minimum; bit 31 makes it a large one (RFC 8767 section 4)', () => {
  expect(lifetimeOf(a(0), { ...rules, minTtl: 60 })).toBe(0);
  expect(lifetimeOf(a(0x7fffffff), rules)).toBe(86_400);
});

describe('in the RRset cache', () => {
  test('an RRset whose signature has expired is asked for anew', async () => {
    const { clock, internet, resolve, pass } = setUpRecursor();
    internet.override = (server, name, type) =>
      server === '192.0.2.10' && type === Type.A && name === 'www.example.com.'
        ? response(name, type, {
            answer: `www.example.com. 300 A 10.0.0.1
              www.example.com. 300 RRSIG A 13 3 300 ${time(clock.wall + 5)} 20200101000000 1 example.com. AAAA`,
          })
        : undefined;
    expect((await resolve('www.example.com')).answers[0].ttl).toBe(5);
    const before = internet.asked.length;
    await pass(4500);
    await resolve('www.example.com');
    expect(internet.asked.length).toBe(before);
    clock.wall += 5;
    await pass(600);
    await resolve('www.example.com');
    expect(internet.asked.length).toBe(before + 1);
  });
  test('a denial of TTL zero is not kept under any minimum, and ends the one before it', async () => {
    const { internet, resolve, rrsets } = setUpRecursor({ negativeMinTtl: 600, qnameMinimisation: 'off' });
    const name = encodeName('none.example.com');
    let ttl = 60;
    internet.override = (server, asked, type) =>
      server === '192.0.2.10'
        ? response(asked, type, {
            rcode: Rcode.NXDOMAIN,
            authority: `example.com. ${ttl} SOA ns.example. h.example. 1 2 3 4 600`,
          })
        : undefined;
    await resolve('none.example.com');
    expect(rrsets.nxdomain(name)!.leftMs).toBeGreaterThan(590_000);
    rrsets.putNxdomain(name, { authority: [], ttl: 0 });
    expect(rrsets.nxdomain(name)).toBeUndefined();
    ttl = 0;
    expect((await resolve('none.example.com')).leftMs).toBe(0);
    expect(rrsets.nxdomain(name)).toBeUndefined();
  });
  test('an answer put together of several ends with the first of them, to the millisecond', async () => {
    const { resolve, pass } = setUpRecursor();
    await resolve('www.example.com'); // 300 s
    await pass(1500);
    await resolve('alias.example.com'); // 300 s from now
    await pass(900);
    const { leftMs, answers } = await resolve('alias.example.com');
    expect(leftMs).toBeLessThanOrEqual(297_600);
    expect(leftMs).toBeGreaterThan(297_000);
    expect(answers.map(one => one.ttl)).toEqual([299, 297]);
  });
  test('what is left of a delegation is not rounded up from one zone to the next', async () => {
    const { resolve, recursor, pass } = setUpRecursor();
    await resolve('www.example.com');
    await pass(3_598_500);
    await resolve('www.sub.example.com');
    const left = recursor.rrsets.delegation(encodeName('sub.example.com'))!.leftMs;
    expect(left).toBeLessThanOrEqual(1500);
    expect(left).toBeGreaterThan(1000);
  });
  test('of three links only the stale one is shown with 30 s, the fresh ones as they are (RFC 8767 section 4)', async () => {
    const { recursor, rrsets, pass } = setUpRecursor();
    const put = (name: string, type: number, ttl: number, data: Uint8Array): boolean =>
      rrsets.put({ name: encodeName(name), type, ttl, data: [data], signatures: [] }, Rank.authoritative);
    put('a.example', Type.CNAME, 10, encodeName('b.example'));
    put('b.example', Type.CNAME, 3, encodeName('c.example'));
    put('c.example', Type.A, 300, Uint8Array.of(10, 0, 0, 1));
    await pass(4500);
    const ttls = (seconds: number) =>
      recursor.known
        .chain(encodeName('a.example'), Type.A, { checkingDisabled: false, staleTtl: seconds })!
        .answers.map(one => one.ttl);
    expect(ttls(30)).toEqual([5, 30, 30]);
    expect(ttls(10)).toEqual([5, 10, 10]);
    expect(recursor.known.chain(encodeName('a.example'), Type.A, { checkingDisabled: false })).toBeUndefined();
    expect(
      texts(recursor.known.chain(encodeName('a.example'), Type.A, { checkingDisabled: false, staleTtl: 30 })!),
    ).toHaveLength(3);
  });
});
