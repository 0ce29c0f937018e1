// The name servers that /etc/resolv.conf names, for a server that is given none of its own: without this server itself,
// which it may well name, and followed as networks come and go.
import { parseSocketAddress } from '../base/address.js';
import { systemClock, type Clock, type Timer } from '../base/clock.js';
import { WatchedFile } from '../base/watched-file.js';
import { parseEndpoint } from '../server/listeners/endpoint.js';
import { OwnAddresses } from '../server/listeners/own-addresses.js';
import type { Interfaces } from '../server/listeners/wildcard-listener.js';
import { parseResolvConf, type ResolvConf } from '../upstream/resolv-conf.js';

const LOOK_EVERY_MS = 1000;

export class SystemServers {
  readonly #file: WatchedFile<ResolvConf>;
  #timer: Timer | undefined;

  /** @param tell told of a file that cannot be read */
  constructor(
    path = '/etc/resolv.conf',
    private readonly clock: Clock = systemClock,
    tell?: (problem: string) => void,
    private readonly interfaces?: Interfaces,
  ) {
    this.#file = new WatchedFile(path, parseResolvConf, clock, tell);
  }

  /**
   * Whom to ask now, by a server that listens there. `own`: those left out because they are that server; `unread`: what is
   * named and is no address.
   */
  read(listen: readonly string[]): { servers: string[]; own: string[]; unread: readonly string[] } {
    const ours = new OwnAddresses(
      listen.map(text => parseEndpoint(text, 'listen')).filter(({ scheme }) => scheme === 'plain'),
      this.interfaces,
    );
    const { servers, unread } = this.#file.value;
    const isOwn = (text: string): boolean => ours.has(parseSocketAddress(text, 'resolv.conf', 53));
    return { servers: servers.filter(one => !isOwn(one)), own: servers.filter(isOwn), unread };
  }

  /** Looks each second whether other servers are named than `servers`, in whatever order, and tells of them. */
  follow(servers: string[], listen: () => readonly string[], changed: (servers: string[]) => void): void {
    this.#timer?.cancel();
    const keyOf = (list: readonly string[]): string => list.toSorted().join(' ');
    let before = keyOf(servers);
    const look = (): void => {
      this.#timer = this.clock.after(LOOK_EVERY_MS, look);
      const now = this.read(listen()).servers;
      if (keyOf(now) === before) return;
      before = keyOf(now);
      changed(now);
    };
    this.#timer = this.clock.after(LOOK_EVERY_MS, look);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
