// Which prefix an address lies in, however the address is written.
import { expect, test } from 'vitest';
import { parsePrefix } from '../../../lib/base/address.js';
import { PrefixTable } from '../../../lib/base/prefix-table.js';

test('the longest prefix decides, and a mapped IPv4 address is found as what it is', () => {
  const prefixes = ['192.0.2.0/24', '192.0.2.7', '2001:db8::/32', 'fe80::/10', '0.0.0.0/0'];
  const table = new PrefixTable(prefixes.map(text => [parsePrefix(text, ''), text] as const));
  expect(table.find('192.0.2.8')).toBe('192.0.2.0/24');
  expect(table.find('192.0.2.7')).toBe('192.0.2.7');
  expect(table.find('::ffff:192.0.2.7')).toBe('192.0.2.7');
  expect(table.find('::ffff:c000:208')).toBe('192.0.2.0/24');
  expect(table.find('2001:db8:1::')).toBe('2001:db8::/32');
  expect(table.find('fe80::1%eth0')).toBe('fe80::/10');
  expect(table.find('2001:db9::')).toBeUndefined();
});
