// Which addresses of servers are this server itself, however they are written.
import type { NetworkInterfaceInfo } from 'node:os';
import { expect, test } from 'vitest';
import { parseSocketAddress } from '../../../../lib/base/address.js';
import { OwnAddresses } from '../../../../lib/server/listeners/own-addresses.js';

const interfaces = (): NodeJS.Dict<NetworkInterfaceInfo[]> => ({
  lo: [{ address: '127.0.0.1' }, { address: '::1' }] as NetworkInterfaceInfo[],
  eth0: [{ address: '192.0.2.7' }, { address: '2001:db8::7' }, { address: 'fe80::7' }] as NetworkInterfaceInfo[],
});
const leads = (listen: string[], server: string): boolean =>
  new OwnAddresses(
    listen.map(text => parseSocketAddress(text, '')),
    interfaces,
  ).has(parseSocketAddress(server, '', 53));

test.each([
  [['127.0.0.1:53'], '127.0.0.1'],
  [['127.0.0.1:53'], '0.0.0.0'],
  [['127.0.0.1:53'], '::ffff:127.0.0.1'],
  [['[::1]:53'], '0:0:0:0:0:0:0:1'],
  [['[::1]:53'], '::'],
  [['0.0.0.0:53'], '127.0.0.1'],
  [['0.0.0.0:53'], '127.9.9.9'],
  [['0.0.0.0:53'], '192.0.2.7'],
  [['0.0.0.0:53'], '0.0.0.0'],
  [['0.0.0.0:53'], '::ffff:192.0.2.7'],
  [['[::]:53'], '::1'],
  [['[::]:53'], '2001:db8:0::7'],
  [['[::]:53'], '[fe80::7%eth0]:53'],
  [['[fe80::7%eth0]:53'], 'fe80::7'],
  [['192.0.2.7:5300', '127.0.0.1:5300'], '192.0.2.7:5300'],
])('a server that listens on %j is %s', (listen, server) => expect(leads(listen, server)).toBe(true));

test.each([
  [['127.0.0.1:53'], '127.0.0.2'],
  [['127.0.0.1:5300'], '127.0.0.1'],
  [['127.0.0.2:53'], '0.0.0.0'],
  [['0.0.0.0:53'], '192.0.2.8'],
  [['0.0.0.0:53'], '::1'],
  [['[::]:53'], '127.0.0.1'],
  [['[fe80::7%eth0]:53'], '[fe80::7%eth1]:53'],
])('a server that listens on %j is not %s', (listen, server) => expect(leads(listen, server)).toBe(false));
