// Addresses and prefixes as people write them, and IPv4 addresses hidden in IPv6 ones.
import { expect, test } from 'vitest';
import {
  addressOctets,
  embeddedIPv4,
  formatAddress,
  parsePrefix,
  parseSocketAddress,
} from '../../../lib/base/address.js';

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

test.each(['192.0.2.1:0', '[2001:db8::1]:0'])('%s can be listened on, and not be asked', text => {
  expect(parseSocketAddress(text, 'listen').port).toBe(0);
  expect(() => parseSocketAddress(text, 'upstreams[0]', 53)).toThrow('upstreams[0]: expected ADDRESS, ADDRESS:PORT');
});

test.each([
  '10.0.0.0/',
  '10.0.0.0/ ',
  '10.0.0.0/ 8',
  '10.0.0.0/0x8',
  '10.0.0.0/1e1',
  '10.0.0.0/+8',
  '10.0.0.0/33',
  '::/129',
])('%j is no prefix', text =>
  expect(() => parsePrefix(text, 'allow[0]')).toThrow('allow[0]: expected an address or a prefix'),
);
test('a prefix has as many bits as its digits say', () => {
  expect(parsePrefix('10.0.0.0/08', '').bits).toBe(8);
  expect(parsePrefix('::/0', '').bits).toBe(0);
  expect(parsePrefix('2001:db8::1', '').bits).toBe(128);
});
