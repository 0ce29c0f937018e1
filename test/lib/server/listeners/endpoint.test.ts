// Addresses to listen on as people write them.
import { expect, test } from 'vitest';
import { overlaps } from '../../../../lib/server/listeners/overlaps.js';
import { parseEndpoint } from '../../../../lib/server/listeners/endpoint.js';
import { readOptions } from '../../../../lib/server/settings/settings.js';

test.each([
  ['192.0.2.1:53', 'plain', '192.0.2.1', 53],
  ['[2001:db8::1]:0', 'plain', '2001:db8::1', 0],
  ['udp+tcp://192.0.2.1:53', 'plain', '192.0.2.1', 53],
  ['tls://192.0.2.1', 'tls', '192.0.2.1', 853],
  ['TLS://192.0.2.1:8853', 'tls', '192.0.2.1', 8853],
  ['tls://[::]', 'tls', '::', 853],
  ['tls://[fe80::1%eth0]:0', 'tls', 'fe80::1%eth0', 0],
])('%s is %s at %s, port %i', (text, scheme, address, port) => {
  expect(parseEndpoint(text, 'listen[0]')).toMatchObject({ scheme, address, port });
});

test.each([
  ['192.0.2.1', 'ADDRESS:PORT'],
  ['tls://::1', 'tls://[IPv6]:PORT'],
  ['tls://dns.example:853', 'tls://ADDRESS'],
  ['tls://192.0.2.1:853/x', 'tls://ADDRESS'],
  ['tls://192.0.2.1:99999', 'tls://ADDRESS'],
  ['tls://', 'tls://ADDRESS'],
  ['udp+tcp://192.0.2.1', 'udp+tcp://ADDRESS:PORT'],
  ['sctp://192.0.2.1:53', 'tls://ADDRESS:PORT'],
])('%s is refused by name, with what was expected', (text, expected) => {
  expect(() => parseEndpoint(text, 'listen[3]')).toThrow('listen[3]: expected ');
  expect(() => parseEndpoint(text, 'listen[3]')).toThrow(expected);
  expect(() => parseEndpoint(text, 'listen[3]')).toThrow(text);
});

test('one address and port is listed once, whatever is listened for there', () => {
  expect(overlaps(['127.0.0.1:853', 'tls://127.0.0.1'])).toEqual([
    { at: 1, message: 'expected an address that is listed once' },
  ]);
  expect(overlaps(['tls://0.0.0.0', 'tls://192.0.2.1'])).toHaveLength(1);
  expect(overlaps(['0.0.0.0:53', 'tls://0.0.0.0', 'tls://[::]', 'tls://127.0.0.1:0', 'tls://127.0.0.1:0'])).toEqual([]);
});

test('an encrypted address wants a certificate', () => {
  expect(() => readOptions({ listen: ['127.0.0.1:0', 'tls://127.0.0.1'] })).toThrow(
    'listen[1]: expected tls.certificate and tls.key beside an encrypted address, got "tls://127.0.0.1"',
  );
  expect(() => readOptions({ tls: { certificate: '/a' } as never })).toThrow('tls.key');
  expect(() => readOptions({ tls: { certificate: '/a', key: '/b', names: ['a..b'] } })).toThrow('tls.names[0]');
});
