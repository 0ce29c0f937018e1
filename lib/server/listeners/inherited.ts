// Sockets that were bound before this process began, which a service manager hands over (socket activation, sd_listen_fds(3)).
// They stay open as long as the process lives, and listeners have descriptors of their own: so listeners that are opened
// anew find them again, and what comes when this process has ended waits in them for the next one.
//
// Bound: MAX_SOCKETS.
import { addressOctets, formatAddress, formatSocketAddress, type SocketAddress } from '../../base/address.js';
import { ShardnsError, show } from '../../base/errors.js';
import { binding, type HandedSocket } from '../../native/binding.js';
import { type Endpoint, isWildcard } from './endpoint.js';

const MAX_SOCKETS = 1024;
/** The first that is handed over (SD_LISTEN_FDS_START). */
const FIRST_DESCRIPTOR = 3;

export interface InheritedSocket {
  readonly fd: number;
  /** What its maker calls it (`FileDescriptorName=`). */
  readonly name: string;
  readonly over: 'udp' | 'tcp';
  readonly at: SocketAddress;
}

export class InheritedSockets {
  constructor(private readonly all: readonly InheritedSocket[]) {}

  get size(): number {
    return this.all.length;
  }

  /** As entries of `listen`: by its name one is for TLS or HTTPS. */
  get listen(): string[] {
    const entries = this.all.map(({ name, over, at }) => {
      const scheme = over === 'tcp' && (name === 'tls' || name === 'https') ? `${name}://` : '';
      return `${scheme}${formatSocketAddress(at)}`;
    });
    return [...new Set(entries)];
  }

  /** Descriptors of those at an address, which stay theirs. */
  at(over: 'udp' | 'tcp', address: SocketAddress): number[] {
    const wanted = keyOf(address);
    return this.all.filter(one => one.over === over && keyOf(one.at) === wanted).map(({ fd }) => fd);
  }

  /** Another descriptor of the one at an address, for Node, which closes it; undefined where there is none. */
  duplicate(over: 'udp' | 'tcp', address: SocketAddress): number | undefined {
    const [fd] = this.at(over, address);
    if (fd === undefined) return undefined;
    const own = binding().duplicateDescriptor(fd);
    if (own >= 0) return own;
    const where = formatSocketAddress(address);
    throw new ShardnsError('ERR_SHARDNS_LISTEN', `cannot listen on ${where}: no descriptor left (errno ${-own})`);
  }

  /**
   * What comes to a socket that nobody reads waits for ever.
   * @throws {ShardnsError} ERR_SHARDNS_LISTEN naming one that nobody would read
   */
  checkUsed(endpoints: readonly Endpoint[], by: { plane: boolean; tcp: boolean }): void {
    for (const one of this.all) {
      const { over, at } = one;
      const where = formatSocketAddress(at);
      const isIts = (endpoint: Endpoint): boolean =>
        keyOf(endpoint) === keyOf(at) && (endpoint.scheme === 'plain' ? over === 'udp' || by.tcp : over === 'tcp');
      if (!endpoints.some(isIts)) throw refused(one, `nothing of \`listen\` is for ${over.toUpperCase()} at ${where}`);
      if (over === 'tcp' || by.plane) continue;
      if (isWildcard(at)) throw refused(one, 'without the native plane a socket of all addresses is of no use');
      if (this.at('udp', at).length > 1)
        throw refused(one, 'without the native plane one socket of an address is read');
    }
  }
}

export const NO_SOCKETS = new InheritedSockets([]);

/**
 * Those that are handed to this process, which the environment tells of until they are taken.
 * @throws {ShardnsError} ERR_SHARDNS_LISTEN naming a socket that is of no use here
 */
export function takeInherited(
  environment: NodeJS.ProcessEnv,
  pid: number,
  take: (fd: number) => HandedSocket | undefined = fd => binding().takeSocket(fd),
): InheritedSockets {
  const { LISTEN_PID: whose, LISTEN_FDS: count, LISTEN_FDNAMES: names = '' } = environment;
  // Of another process, as of a shell that has started this one.
  if (whose === undefined || count === undefined || Number(whose) !== pid) return NO_SOCKETS;
  delete environment.LISTEN_PID;
  delete environment.LISTEN_FDS;
  delete environment.LISTEN_FDNAMES;
  const many = /^\d{1,4}$/.test(count) ? Number(count) : NaN;
  if (!(many <= MAX_SOCKETS)) {
    throw new ShardnsError(
      'ERR_SHARDNS_LISTEN',
      `LISTEN_FDS: expected 0 to ${MAX_SOCKETS} sockets, got ${show(count)}`,
    );
  }
  const called = names.split(':');
  const all: InheritedSocket[] = [];
  for (let i = 0; i < many; i++) {
    const fd = FIRST_DESCRIPTOR + i;
    const name = called[i] ?? '';
    const found = take(fd);
    if (found === undefined) {
      throw refused({ fd, name }, 'it is no UDP socket that is bound, and no TCP socket that listens');
    }
    const { address, port, datagrams, bothFamilies } = found;
    const at = { address, port, family: address.includes(':') ? 6 : 4 } as const;
    const one: InheritedSocket = { fd, name, over: datagrams ? 'udp' : 'tcp', at };
    const where = formatSocketAddress(at);
    // Clients of IPv4 would have other addresses than rules about clients name.
    if (bothFamilies) throw refused(one, `${where} takes IPv4 too: BindIPv6Only=ipv6-only`);
    if (!datagrams && all.some(other => other.over === 'tcp' && keyOf(other.at) === keyOf(at))) {
      throw refused(one, `there is another one for TCP at ${where}, and one is read`);
    }
    all.push(one);
  }
  return new InheritedSockets(all);
}

function refused({ fd, name }: { fd: number; name: string }, why: string): ShardnsError {
  const which = name === '' ? `descriptor ${fd}` : `descriptor ${fd}, ${show(name)}`;
  return new ShardnsError('ERR_SHARDNS_LISTEN', `a socket was handed over that cannot be used (${which}): ${why}`);
}

/** One text for all ways to write an address. */
function keyOf({ address, port }: SocketAddress): string {
  return `${formatAddress(addressOctets(address))}${/%.*$/.exec(address)?.[0] ?? ''} ${port}`;
}
