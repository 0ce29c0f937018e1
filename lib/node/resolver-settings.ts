// Servers and addresses that a Resolver is given: in the forms that Node takes, with its errors.
import { isIP } from 'node:net';
import { formatSocketAddress, parseSocketAddress } from '../base/address.js';
import type { LocalAddress } from '../transport/transport.js';
import { argumentError, checkType } from './arguments.js';
import { labelOf } from '../upstream/upstream.js';
import { normalAddress } from './hosts.js';
import { isUrl, parseServer } from './server-place.js';

const DNS_PORT = 53;

function readServer(text: string): string {
  if (isUrl(text)) return readUrl(text);
  const bracketed = /^\[([^[\]]*)\](?::(\d+))?/.exec(text);
  const parts = bracketed !== null && isIP(bracketed[1]) !== 0 ? bracketed : /^(.+?)(?::(\d+))?$/.exec(text);
  const plain = isIP(text) !== 0;
  const address = plain ? text : (parts?.[1] ?? '');
  const family = isIP(address);
  if (family === 0) {
    throw Object.assign(new TypeError(`Invalid IP address: ${text}`), { code: 'ERR_INVALID_IP_ADDRESS' });
  }
  const port = (plain ? 0 : Number(parts?.[2] ?? 0)) || DNS_PORT;
  if (port > 65_535) {
    const error = new RangeError(`Port should be >= 0 and < 65536. Received type number (${port}).`);
    throw Object.assign(error, { code: 'ERR_SOCKET_BAD_PORT' });
  }
  return formatSocketAddress({ address: normalAddress(address), port, family: family as 4 | 6 });
}

/** One that is asked over TLS or HTTPS. */
function readUrl(text: string): string {
  try {
    const { at, scheme } = parseServer(text, 'servers');
    return labelOf(at, scheme!);
  } catch (error) {
    throw Object.assign(new TypeError((error as Error).message), { code: 'ERR_INVALID_ARG_VALUE' });
  }
}

/** `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`, and URLs as options have them; none at all, and holes, are taken as Node does. */
export function readServers(servers: unknown): string[] {
  if (!Array.isArray(servers)) throw argumentError('servers', 'an instance of Array', servers);
  const read = new Set<string>();
  (servers as unknown[]).forEach((server, i) => {
    checkType(`servers[${i}]`, 'string', server);
    read.add(readServer(server as string));
  });
  return [...read];
}

/** As they were given, without port 53. */
export function showServers(servers: readonly string[]): string[] {
  return servers.map(text => {
    if (isUrl(text)) return text;
    const at = parseSocketAddress(text, 'servers', DNS_PORT);
    return at.port === DNS_PORT ? normalAddress(at.address) : formatSocketAddress(at);
  });
}

/** The first may be of either family, the second is of the other; where there is none, the kernel chooses. */
export function localAddressOf(ipv4: unknown, ipv6: unknown): LocalAddress {
  checkType('ipv4', 'string', ipv4);
  if (ipv6 !== undefined) checkType('ipv6', 'string', ipv6);
  const given = [ipv4, ipv6].filter(one => one !== undefined) as string[];
  const families = given.map(one => isIP(one));
  let wrong: string | undefined;
  if (families.includes(0)) wrong = 'Invalid IP address.';
  else if (families[0] === families[1]) wrong = `Cannot specify two IPv${families[0]} addresses.`;
  if (wrong !== undefined) throw Object.assign(new TypeError(wrong), { code: 'ERR_INVALID_ARG_VALUE' });
  return { v4: given[families.indexOf(4)], v6: given[families.indexOf(6)] };
}
