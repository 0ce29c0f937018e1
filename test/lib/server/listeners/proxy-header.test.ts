// The header of the PROXY protocol: who is named, what is no header, and that no octets are read that are not there.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressOctets, formatAddress } from '../../../../lib/base/address.js';
import { MAX_PROXY_HEADER, readProxyHeader } from '../../../../lib/server/listeners/proxy-header.js';
import { headerFor, headerOf } from '../../../support/proxy.js';

const tlv = (type: number, octets: number): Buffer =>
  Buffer.concat([Buffer.from([type, octets >> 8, octets & 0xff]), Buffer.alloc(octets, type)]);

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

  test.each([
    ['one', tlv(0x01, 2)],
    ['many', Buffer.concat([tlv(0x20, 8), tlv(0x02, 200), tlv(0x04, 0), tlv(0xe0, 1)])],
    ['as much as there may be', tlv(0xee, MAX_PROXY_HEADER - 28 - 3)],
  ])('may have %s TLVs behind the addresses, which are passed over', (_, tlvs) => {
    const header = headerFor('192.0.2.7', 4000, tlvs);
    expect(readProxyHeader(header)).toMatchObject({ length: header.length, client: { address: '192.0.2.7' } });
  });

  test('of a health check (LOCAL) names nobody, whatever stands behind', () => {
    for (const shape of [
      {},
      { family: 0x00 },
      { family: 0x31 },
      { family: 0x5f },
      { addresses: Buffer.alloc(7, 255) },
    ]) {
      const header = headerOf({ command: 0x20, ...shape });
      expect(readProxyHeader(header), JSON.stringify(shape)).toEqual({ length: header.length, client: undefined });
    }
  });

  test.each([
    ['whose client is not known', { family: 0x00 }],
    ['whose client is not known, by its transport alone', { family: 0x02 }],
    ['of a stream of Unix sockets', { family: 0x31, addresses: Buffer.alloc(216, '/run/dns.sock\0') }],
    ['of their datagrams', { family: 0x32, addresses: Buffer.alloc(216) }],
  ])('%s names nobody, and may have TLVs', (_, shape) => {
    for (const tlvs of [Buffer.alloc(0), tlv(0x20, 30)]) {
      const header = headerOf({ ...shape, tlvs });
      expect(readProxyHeader(Buffer.concat([header, Buffer.from('query')]))).toEqual({
        length: header.length,
        client: undefined,
      });
    }
  });

  test('names its client by whatever transport the proxy was asked', () => {
    for (const transport of [0, 1, 2]) {
      const header = headerFor('192.0.2.7', 4000);
      header[13] = 0x10 | transport;
      expect(readProxyHeader(header)).toMatchObject({ client: { address: '192.0.2.7', port: 4000 } });
    }
  });

  test.each([
    ['version 1', Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.53 4000 53\r\n')],
    ['a query', Buffer.from('123401000001000000000000', 'hex')],
    ['another version', headerOf({ command: 0x11 })],
    ['another command', headerOf({ command: 0x22 })],
    ['another family', headerOf({ family: 0x41, addresses: Buffer.alloc(216) })],
    ['another transport', headerOf({ family: 0x13, addresses: Buffer.alloc(12) })],
    ['names of Unix sockets that are cut off', headerOf({ family: 0x31, addresses: Buffer.alloc(215) })],
    ['a TLV that is longer than it', headerFor('192.0.2.7', 1, Buffer.from([1, 0, 2, 0]))],
    ['a TLV without a length', headerFor('192.0.2.7', 1, Buffer.from([1, 0]))],
    ['addresses that are cut off', headerOf({ family: 0x11, addresses: Buffer.alloc(11) })],
    ['IPv6 addresses that are cut off', headerOf({ family: 0x21, addresses: Buffer.alloc(35) })],
    ['more than is taken', headerFor('192.0.2.7', 1, Buffer.alloc(MAX_PROXY_HEADER))],
  ])('is not %s', (_, octets) => expect(readProxyHeader(octets)).toBe('wrong'));

  test('is read in as many pieces as it comes in', () => {
    const header = headerFor('2001:db8::7', 4000, tlv(0x02, 20));
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
