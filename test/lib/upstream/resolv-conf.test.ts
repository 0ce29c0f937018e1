import { expect, test } from 'vitest';
import { parseSocketAddress } from '../../../lib/base/address.js';
import { parseResolvConf } from '../../../lib/upstream/resolv-conf.js';

test('a link-local server keeps its scope: it cannot be reached without', () => {
  const { servers } = parseResolvConf('nameserver fe80::53%eth0\nnameserver 192.0.2.1%eth0\nnameserver 192.0.2.2\n');
  expect(servers).toEqual(['[fe80::53%eth0]:53', '192.0.2.2:53']);
  expect(parseSocketAddress(servers[0], 'test')).toEqual({ address: 'fe80::53%eth0', port: 53, family: 6 });
});

test('lines end in CRLF too, and comments with them', () => {
  expect(parseResolvConf('search a.example # b c\r\nnameserver 192.0.2.1\r\noptions ndots:2\r\n')).toMatchObject({
    search: ['a.example'],
    servers: ['192.0.2.1:53'],
    ndots: 2,
  });
});
