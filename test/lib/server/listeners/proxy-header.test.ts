// The header of the PROXY protocol: who is named, what is no header, and that no octets are read that are not there.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressOctets, formatAddress } from '../../../../lib/base/address.js';
import { MAX_PROXY_HEADER, readProxyHeader } from '../../../../lib/server/listeners/proxy-header.js';
import { headerFor, headerOf } from '../../../support/proxy.js';

describe('a header', () => {
  test.each([
    ['192.0.2.7', 4000],
    ['2001:db8::7', 65_535],
  ])('names %s, port %i, and ends where the query begins', (address, port) => {
    const header = headerFor(address, port);
    const read = readProxyHeader(Buffer.concat([header, Buffer.from('query')]));
    expect(read).toEqual({ length: header.length, client: { address, port } });
  });

  test('names an IPv4 client in its IPv6 form as the IPv4 client that it is', () => {
    expect(readProxyHeader(headerFor('::ffff:192.0.2.7'))).toMatchObject({ client: { address: '192.0.2.7' } });
  });

  test('may have more behind the addresses, which is passed over', () => {
    const header = headerFor('192.0.2.7', 4000, Buffer.alloc(400, 3));
    expect(readProxyHeader(header)).toMatchObject({ length: header.length, client: { address: '192.0.2.7' } });
  });

  test('of a health check (LOCAL), or of one whose client is not known, names nobody', () => {
    for (const shape of [{ command: 0x20 }, { command: 0x20, family: 0x31 }, { family: 0x00 }]) {
      expect(readProxyHeader(headerOf(shape)), JSON.stringify(shape)).toEqual({ length: 16, client: undefined });
    }
  });

  test.each([
    ['version 1', Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.53 4000 53\r\n')],
    ['a query', Buffer.from('123401000001000000000000', 'hex')],
    ['another version', headerOf({ command: 0x11 })],
    ['another command', headerOf({ command: 0x22 })],
    ['a socket of this machine', headerOf({ family: 0x31, addresses: Buffer.alloc(216) })],
    ['addresses that are cut off', headerOf({ family: 0x11, addresses: Buffer.alloc(11) })],
    ['IPv6 addresses that are cut off', headerOf({ family: 0x21, addresses: Buffer.alloc(35) })],
    ['more than is taken', headerFor('192.0.2.7', 1, Buffer.alloc(MAX_PROXY_HEADER))],
  ])('is not %s', (_, octets) => expect(readProxyHeader(octets)).toBe('wrong'));

  test('is read in as many pieces as it comes in', () => {
    const header = headerFor('2001:db8::7', 4000, Buffer.alloc(20));
    for (let end = 0; end < header.length; end++) {
      expect(readProxyHeader(header.subarray(0, end))).toBe('incomplete');
    }
  });

  test('of whatever octets is read within its bounds, and what was written is read back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (octets, signed) => {
        const all = signed ? Buffer.concat([headerOf({}).subarray(0, 12), octets]) : octets;
        const read = readProxyHeader(all);
        if (typeof read === 'string') return;
        expect(read.length).toBeLessThanOrEqual(Math.min(all.length, MAX_PROXY_HEADER));
        if (read.client !== undefined)
          expect(formatAddress(addressOctets(read.client.address))).toBe(read.client.address);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(65_535), (address, port) => {
        const read = readProxyHeader(headerFor(formatAddress(address), port));
        expect(read).toMatchObject({ client: { port } });
      }),
    );
  });
});
