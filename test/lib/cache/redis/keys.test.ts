import { describe, expect, test } from 'vitest';
import { FleetKeys } from '../../../../lib/cache/redis/keys.js';
import { keySlot } from '../../../../lib/cache/redis/key-slot.js';

const secret = Uint8Array.from({ length: 16 }, (_, i) => i);
const text = (words: string): Uint8Array => Buffer.from(words);

describe('keys', () => {
  test('are a prefix, the namespace and 16 octets of SipHash-2-4 as letters', () => {
    const key = new FleetKeys('dns', secret).of(new Uint8Array(0));
    // The first vector of 128 bits of the authors' reference code.
    const hash = Buffer.from('a3817f04ba25a8e66df67214c7550293', 'hex');
    expect(key.toString()).toBe(`sd1:dns:${hash.toString('base64url')}`);
  });
  test('are others under another secret, in another namespace and for other octets', () => {
    const hex = (namespace: string, by: Uint8Array, octets: string): string =>
      new FleetKeys(namespace, by).of(text(octets)).toString('hex');
    const all = [
      hex('dns', secret, 'a'),
      hex('dns', secret, 'b'),
      hex('dns', new Uint8Array(16), 'a'),
      hex('other', secret, 'a'),
    ];
    expect(new Set(all).size).toBe(4);
    expect(hex('dns', secret, 'a')).toBe(all[0]);
  });
  test('are of so many octets as are named', () => {
    const keys = new FleetKeys('dns', secret);
    expect(keys.of(text('abcd'), 2)).toEqual(keys.of(text('ab')));
  });
  test('have no braces, which would choose the node in a Cluster', () => {
    const keys = new FleetKeys('dns', secret);
    for (let i = 0; i < 2000; i++) {
      const key = keys.of(text(`name ${i}`));
      expect(key.includes('{') || key.includes('}')).toBe(false);
    }
  });
});

describe('slots', () => {
  test('are those of the specification of Redis Cluster', () => {
    expect(keySlot('123456789')).toBe(0x31c3);
    expect(keySlot('foo')).toBe(12_182);
    expect(keySlot('{user1000}.following')).toBe(keySlot('user1000'));
    expect(keySlot('foo{}{bar}')).toBe(8363);
    expect(keySlot('foo{{bar}}zap')).toBe(keySlot('{bar'));
  });
});
