// Whom proxies ask for: the last address that is no proxy of ours, in either header, and nothing that a client could have
// written.
import { describe, expect, test } from 'vitest';
import { parsePrefix } from '../../../../lib/base/address.js';
import { ForwardedFor, type ForwardedHeader } from '../../../../lib/server/listeners/forwarded-for.js';

const PEER = { address: '10.0.0.1', port: 4000 };
function build(header: ForwardedHeader = 'x-forwarded-for', from = ['10.0.0.0/8', '2001:db8:f::/48']): ForwardedFor {
  const forwarded = new ForwardedFor();
  forwarded.use({ header, from: from.map(text => parsePrefix(text, 'test')) });
  return forwarded;
}
const clientOf = (text: string, header: ForwardedHeader = 'x-forwarded-for'): string => {
  const { address, port } = build(header).clientOf(text, header, PEER);
  return `${address} ${port}`;
};

describe('X-Forwarded-For', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1 0'],
    ['192.0.2.1:4711', '192.0.2.1 4711'],
    ['2001:db8::1', '2001:db8::1 0'],
    ['[2001:DB8:0::1]:4711', '2001:db8::1 4711'],
    ['::ffff:192.0.2.1', '192.0.2.1 0'],
    // What stands before the last address that is no proxy, the client may have written itself.
    ['198.51.100.66, 192.0.2.1', '192.0.2.1 0'],
    ['198.51.100.66, 192.0.2.1, 10.0.0.2,10.0.0.3', '192.0.2.1 0'],
    ['nonsense"\\, 192.0.2.1', '192.0.2.1 0'],
    // Proxies alone: the first of them asks.
    ['10.0.0.7, 10.0.0.2', '10.0.0.7 0'],
    [' , 192.0.2.1 , ', '192.0.2.1 0'],
    ['', '10.0.0.1 4000'],
  ])('%j is of %s', (text, client) => {
    expect(clientOf(text)).toBe(client);
  });

  test.each([
    'unknown',
    '_hidden',
    '192.0.2',
    '192.0.2.256',
    '[192.0.2.1]',
    'fe80::1%eth0',
    '1'.repeat(8000),
    'a,b\0c',
  ])('what is no address is nobody, and whoever has passed it on asks: %j', text => {
    expect(clientOf(text)).toBe('10.0.0.1 4000');
    expect(clientOf(`192.0.2.1, ${text}, 10.0.0.2`)).toBe('10.0.0.2 0');
  });

  test('as many are looked at as may stand behind each other', () => {
    expect(clientOf(['192.0.2.1', ...Array.from({ length: 14 }, () => '10.0.0.2')].join())).toBe('192.0.2.1 0');
    expect(clientOf(['192.0.2.1', ...Array.from({ length: 5000 }, () => '10.0.0.2')].join())).toBe('10.0.0.2 0');
    expect(clientOf(','.repeat(8000))).toBe('10.0.0.1 4000');
  });
});

describe('Forwarded (RFC 7239)', () => {
  test.each([
    ['for=192.0.2.1', '192.0.2.1 0'],
    ['For="[2001:db8::1]:4711";proto=https;by=10.0.0.1', '2001:db8::1 4711'],
    ['by=10.0.0.1; for=192.0.2.1 ; host="a,b"', '192.0.2.1 0'],
    ['for=198.51.100.66, for=192.0.2.1', '192.0.2.1 0'],
    ['for=198.51.100.66;host="x, for=203.0.113.9", for=10.0.0.2', '198.51.100.66 0'],
    ['for=unknown', '10.0.0.1 4000'],
    ['for="_gazonk", for=10.0.0.2', '10.0.0.2 0'],
    ['host=192.0.2.1', '10.0.0.1 4000'],
    ['for="192.0.2.1', '10.0.0.1 4000'],
    ['xfor=192.0.2.1', '10.0.0.1 4000'],
    // What a proxy passes on in quotes, such as the host that was asked for, the client has written.
    ['proto=https;host="x;for=203.0.113.9;y";for=192.0.2.1', '192.0.2.1 0'],
    ['host="x;for=203.0.113.9;y"', '10.0.0.1 4000'],
    [String.raw`host="\";for=203.0.113.9;\"";for="192.0.2.1"`, '192.0.2.1 0'],
    [String.raw`for="192\.0.2.1"`, '192.0.2.1 0'],
    // Each parameter is there once (section 4), and an element is nothing but parameters.
    ['for=203.0.113.9;for=192.0.2.1', '10.0.0.1 4000'],
    ['host=x;for=203.0.113.9;y;for=192.0.2.1', '10.0.0.1 4000'],
    ['for=192.0.2.1;host=a b', '10.0.0.1 4000'],
    ['for=192.0.2.1;host=dns.example:443;', '192.0.2.1 0'],
  ])('%j is of %s', (text, client) => {
    expect(clientOf(text, 'forwarded')).toBe(client);
  });
});

test('long headers of nothing but marks are read in no time', () => {
  for (const text of [
    '"'.repeat(8000),
    '\\'.repeat(8000),
    `${'"\\'.repeat(4000)},`,
    '; '.repeat(4000),
    ';for='.repeat(1600),
  ]) {
    const began = performance.now();
    for (let i = 0; i < 20; i++) for (const header of ['forwarded', 'x-forwarded-for'] as const) clientOf(text, header);
    expect(performance.now() - began).toBeLessThan(10_000);
  }
});

test('only those are believed that are listed, also when a connection of theirs was begun before', () => {
  const forwarded = build();
  expect(forwarded.headerOf('10.9.9.9')).toBe('x-forwarded-for');
  expect(forwarded.headerOf('::ffff:10.9.9.9')).toBe('x-forwarded-for');
  expect(forwarded.headerOf('192.0.2.1')).toBeUndefined();
  expect(new ForwardedFor().headerOf('10.9.9.9')).toBeUndefined();
  forwarded.use({ header: 'forwarded', from: [parsePrefix('10.0.0.0/8', 'test')] });
  expect(forwarded.clientOf('192.0.2.1', 'x-forwarded-for', PEER)).toBe(PEER);
  forwarded.use({ header: 'x-forwarded-for', from: [] });
  expect(forwarded.clientOf('192.0.2.1', 'x-forwarded-for', PEER)).toBe(PEER);
});
