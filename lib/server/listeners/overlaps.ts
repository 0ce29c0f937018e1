// Addresses to listen on that are listed twice: nothing can listen twice on an address and port, and what the kernel says
// of the second looks as if another program had it. What is listened for there does not matter: TLS wants a port for itself.
import { addressOctets, formatAddress, formatSocketAddress, type SocketAddress } from '../../base/address.js';
import { isWildcard, parseEndpoint } from './endpoint.js';

/** What is wrong with which of them. Those that cannot be read are passed over, and those of port 0: another one each time. */
export function overlaps(listen: readonly string[]): { at: number; message: string }[] {
  const read = listen.map(readFixed);
  const everywhere = new Set(read.flatMap(one => (one !== undefined && isWildcard(one) ? [familyPort(one)] : [])));
  const seen = new Set<string>();
  return read.flatMap((one, at) => {
    if (one === undefined) return [];
    const label = formatSocketAddress(one);
    const twice = seen.has(label);
    seen.add(label);
    if (twice) return [{ at, message: 'expected an address that is listed once' }];
    if (isWildcard(one) || !everywhere.has(familyPort(one))) return [];
    const all = `${one.family === 4 ? '0.0.0.0' : '[::]'}:${one.port}`;
    return [{ at, message: `expected an address that is not part of ${all}, which is listed too` }];
  });
}

const familyPort = ({ family, port }: SocketAddress): string => `${family} ${port}`;

/** With one text for all ways to write the address; its scope stays. */
function readFixed(text: string): SocketAddress | undefined {
  try {
    const { address, port, family } = parseEndpoint(text, '');
    const scope = /%.*$/.exec(address)?.[0] ?? '';
    return port === 0 ? undefined : { address: formatAddress(addressOctets(address)) + scope, port, family };
  } catch {
    return undefined;
  }
}
