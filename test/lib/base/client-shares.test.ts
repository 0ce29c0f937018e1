import { describe, expect, test } from 'vitest';
import { ClientShares, clientOf } from '../../../lib/base/client-shares.js';

describe('shares of clients', () => {
  test('a client holds its share and no more, and others theirs', () => {
    const shares = new ClientShares(2);
    expect([shares.take('192.0.2.1'), shares.take('192.0.2.1'), shares.take('192.0.2.1')]).toEqual([true, true, false]);
    expect(shares.take('192.0.2.2')).toBe(true);
    shares.release('192.0.2.1');
    expect(shares.take('192.0.2.1')).toBe(true);
  });

  test('the addresses of one /56 are one client, those of another are not', () => {
    expect(clientOf('2001:db8:0:aa00::1')).toBe(clientOf('2001:db8:0:aaff:ffff::2'));
    expect(clientOf('2001:db8:0:ab00::1')).not.toBe(clientOf('2001:db8:0:aa00::1'));
    expect(clientOf('fe80::1%eth0')).toBe(clientOf('fe80::1'));
  });

  test('an IPv4 address in its mapped form is the IPv4 client', () => {
    expect(clientOf('::ffff:192.0.2.1')).toBe(clientOf('192.0.2.1'));
  });

  test('nothing is kept of clients that hold nothing', () => {
    const shares = new ClientShares(2);
    for (let i = 0; i < 1000; i++) {
      shares.take(`10.0.${i >> 8}.${i & 255}`);
      shares.release(`10.0.${i >> 8}.${i & 255}`);
    }
    expect(shares.clients).toBe(0);
  });
});
