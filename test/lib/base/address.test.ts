// IPv4 addresses hidden in IPv6 ones.
import { expect, test } from 'vitest';
import { addressOctets, embeddedIPv4, formatAddress } from '../../../lib/base/address.js';

test.each([
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::ffff:0:10.1.2.3', '10.1.2.3'],
  ['::10.1.2.3', '10.1.2.3'],
  ['64:ff9b::10.1.2.3', '10.1.2.3'],
  ['64:ff9b:1::10.1.2.3', '10.1.2.3'],
  ['2002:a01:203::1', '10.1.2.3'],
  ['2001:0:4136:e378:8000:63bf:f5fe:fdfc', '10.1.2.3'],
  ['2001:db8::10.1.2.3', undefined],
  ['::1', undefined],
  ['::', undefined],
  ['10.1.2.3', undefined],
])('%s holds %s', (address, inner) => {
  const found = embeddedIPv4(addressOctets(address));
  expect(found && formatAddress(found)).toBe(inner);
});
