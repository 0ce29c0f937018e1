// The upstreams of a server, by the names of their groups. One that is given by name is as many servers as the name has
// addresses, and they change as it is looked up again; each address keeps what is known of it.
//
// Bounds: those of the options, and of HostAddresses for each name; MAX_GONE servers that are asked no more are remembered,
// since a name may lead to some of its addresses at a time.
import { BoundedMap } from '../base/bounded-map.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { ServerAddress } from '../transport/transport.js';
import type { Exchanger } from '../upstream/exchange.js';
import { HostAddresses } from '../upstream/host-addresses.js';
import type { Scheme } from '../upstream/route.js';
import { labelOf, NOT_FOUND_YET, Upstream } from '../upstream/upstream.js';
import type { UpstreamPlace } from '../upstream/upstream-url.js';
import { Rcode } from '../wire/iana.js';
import { responseRcode } from '../wire/opt.js';
import type { OwnAddresses } from './listeners/own-addresses.js';
import type { Prepared } from './prepared.js';
import type { ServerSettings } from './settings/settings.js';
import { bootstrapOf, placesOf } from './settings/upstreams.js';

const MAX_GONE = 256;
/** How long a start, or a change, waits for the addresses of names. It goes on without those that are late. */
const FIRST_MS = 1000;

const NOTHING = { has: () => false };

type Groups = ReadonlyMap<string, readonly Upstream[]>;

export interface GroupsParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly exchanger: Exchanger;
}

/** A name that upstreams are given by. */
export interface HostReport {
  readonly name: string;
  /** At present. */
  readonly addresses: readonly string[];
  /** Rounds of questions of which no address came; whether the last one was such. */
  readonly failures: number;
  readonly failing: boolean;
}

export class UpstreamGroups {
  /** Told of other groups than before: by settings, or because a name leads elsewhere. */
  changed: (groups: Groups) => void = () => {};
  /** What leads to this server itself. */
  own: () => Pick<OwnAddresses, 'has'> = () => NOTHING;
  #places = new Map<string, UpstreamPlace[]>();
  #hosts = new Map<string, HostAddresses>();
  /** By their labels: those in the groups, and those that names are looked up at. */
  #upstreams = new Map<string, Upstream>();
  #bootstrap: readonly Upstream[] = [];
  #bootstrapPlaces: UpstreamPlace[] = [];
  readonly #gone = new BoundedMap<string, Upstream>(MAX_GONE);
  #begun = false;

  constructor(private readonly parts: GroupsParts) {}

  /** Each server once, however many groups it is in. */
  get all(): Upstream[] {
    return [...this.#upstreams.values()];
  }
  get hosts(): HostReport[] {
    return [...this.#hosts.values()].map(({ name, addresses, failures, failing }) => {
      return { name, addresses, failures, failing };
    });
  }
  /** Servers that names are looked up at. */
  get bootstrap(): readonly Upstream[] {
    return this.#hosts.size > 0 ? this.#bootstrap : [];
  }

  /** Servers that stay keep what is known of them; so do names. */
  use(settings: ServerSettings): Groups {
    this.#places = placesOf(settings);
    this.#bootstrapPlaces = bootstrapOf(settings);
    const hosts = new Map<string, HostAddresses>();
    for (const name of namesIn(this.#places)) hosts.set(name, this.#hosts.get(name) ?? this.#hostOf(name));
    for (const [name, host] of this.#hosts) if (!hosts.has(name)) host.close();
    this.#hosts = hosts;
    const groups = this.#build();
    if (this.#begun) {
      for (const host of hosts.values()) {
        void host.begin();
        host.again();
      }
    }
    return groups;
  }

  /** Looks names up, from now on. @returns when each was looked up once, or has had its time */
  begin(): Promise<void> {
    this.#begun = true;
    return this.#firstOf([...this.#hosts.values()]);
  }

  /** Settings to be used. Names that they have anew are looked up before, so that nobody waits for them. */
  async prepare(settings: ServerSettings): Promise<Prepared> {
    const commit = (): void => this.changed(this.use(settings));
    if (!this.#begun) return { commit, discard: () => {} };
    const bootstrap = this.#bootstrapOf(bootstrapOf(settings), new Map());
    const fresh = namesIn(placesOf(settings))
      .filter(name => !this.#hosts.has(name))
      .map(name => this.#hostOf(name, bootstrap));
    await this.#firstOf(fresh);
    return {
      commit: () => {
        for (const host of fresh) this.#hosts.set(host.name, host);
        commit();
      },
      discard: () => {
        for (const host of fresh) host.close();
      },
    };
  }

  close(): void {
    for (const host of this.#hosts.values()) host.close();
  }

  async #firstOf(hosts: readonly HostAddresses[]): Promise<void> {
    if (hosts.length === 0) return;
    let late: { cancel(): void } | undefined;
    const time = new Promise<void>(resolve => {
      late = this.parts.clock.after(FIRST_MS, resolve);
    });
    // Sockets and timers of ours let the process end: not before it has begun to listen.
    const alive = setInterval(() => {}, 0x3fff_ffff);
    await Promise.race([Promise.all(hosts.map(one => one.begin())), time]);
    clearInterval(alive);
    late?.cancel();
  }

  /** @param first asked until it is in force: those of the settings that it comes with */
  #hostOf(name: string, first?: readonly Upstream[]): HostAddresses {
    const { clock, log, exchanger } = this.parts;
    const host: HostAddresses = new HostAddresses(name, {
      clock,
      log,
      ask: async query => {
        const isInForce = this.#hosts.get(name) === host;
        const given = isInForce || first === undefined ? this.#bootstrap : first;
        // It would ask those that the name leads to.
        const own = this.own();
        const servers = given.filter(one => !own.has(one.at));
        if (servers.length === 0) throw new Error('nobody but this server itself is named to look it up at');
        return (await exchanger.exchange(query, servers, tellsOfNames)).response;
      },
      changed: () => {
        if (this.#hosts.get(name) === host) this.changed(this.#build());
      },
    });
    return host;
  }

  #build(): Groups {
    const next = new Map<string, Upstream>();
    const groups = new Map<string, readonly Upstream[]>();
    for (const [name, places] of this.#places) {
      const servers = new Set(places.flatMap(place => this.#serversAt(place, next)));
      groups.set(name, servers.size === 0 && places.length > 0 ? NOT_FOUND_YET : [...servers]);
    }
    for (const [label, one] of this.#upstreams) if (!next.has(label)) this.#gone.set(label, one);
    for (const label of next.keys()) this.#gone.delete(label);
    this.#bootstrap = this.#bootstrapOf(this.#bootstrapPlaces, next);
    this.#upstreams = next;
    return groups;
  }

  #serversAt({ scheme, port, at, name, tls, path }: UpstreamPlace, next: Map<string, Upstream>): Upstream[] {
    if (at !== undefined) return [this.#serverAt(at, scheme, next)];
    return (this.#hosts.get(name!)?.addresses ?? []).map(address => {
      return this.#serverAt({ address, port, family: address.includes(':') ? 6 : 4, tls, path }, scheme, next);
    });
  }

  #serverAt(at: ServerAddress, scheme: Scheme, next: Map<string, Upstream>): Upstream {
    const label = labelOf(at, scheme);
    const known = next.get(label) ?? this.#upstreams.get(label) ?? this.#gone.get(label);
    const server = known ?? new Upstream(at, this.parts.clock, scheme);
    next.set(label, server);
    return server;
  }

  /** Those of the groups where they are the same, so that what is known of them is known once. */
  #bootstrapOf(places: readonly UpstreamPlace[], groups: ReadonlyMap<string, Upstream>): Upstream[] {
    const known = new Map([...this.#bootstrap.map(one => [one.label, one] as const), ...this.#upstreams, ...groups]);
    return places.map(
      ({ at, scheme }) => known.get(labelOf(at!, scheme)) ?? new Upstream(at!, this.parts.clock, scheme),
    );
  }
}

function namesIn(places: ReadonlyMap<string, readonly UpstreamPlace[]>): string[] {
  return [...new Set([...places.values()].flat().flatMap(one => one.name ?? []))];
}

/** Others are asked where one cannot say. */
function tellsOfNames(response: Uint8Array): boolean {
  const rcode = responseRcode(response);
  return rcode === Rcode.NOERROR || rcode === Rcode.NXDOMAIN;
}
