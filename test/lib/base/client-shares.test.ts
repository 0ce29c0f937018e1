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

  test('a client alone holds half, for what it leaves is then no more than what it has', () => {
    const shares = new ClientShares(2);
    let free = 100;
    while (shares.take('192.0.2.1', free)) free--;
    expect(free).toBe(50);
    while (shares.take('192.0.2.2', free)) free--;
    expect(free).toBe(25);
    // The first gives back more than it has left others: it may have no more before it holds as little as they leave.
    for (; free < 40; free++) shares.release('192.0.2.1');
    expect([shares.held('192.0.2.1'), shares.take('192.0.2.1', free)]).toEqual([35, true]);
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
