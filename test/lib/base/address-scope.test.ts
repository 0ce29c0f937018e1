import { expect, test } from 'vitest';
import { scopeOf } from '../../../lib/base/address-scope.js';

test.each([
  ['127.0.0.53', 'loopback'],
  ['::1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['10.96.0.10', 'private'],
  ['172.16.0.1', 'private'],
  ['172.32.0.1', 'public'],
  ['192.168.1.1', 'private'],
  ['::ffff:192.168.1.1', 'private'],
  ['169.254.169.253', 'private'],
  ['100.100.100.100', 'private'],
  ['fe80::1%eth0', 'private'],
  ['fd00::53', 'private'],
  ['9.9.9.9', 'public'],
  ['::ffff:9.9.9.9', 'public'],
  ['2001:db8::1', 'public'],
] as const)('%s is %s', (address, scope) => {
  expect(scopeOf(address)).toBe(scope);
});
