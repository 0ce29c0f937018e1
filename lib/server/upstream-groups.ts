// The upstreams of a server, by the names of their groups. One that is given by name is as many servers as the name has
// addresses, and they change as it is looked up again; each address keeps what is known of it. One that is written as for
// plain text may be asked encrypted and in no other way (`upstream.discover`): it is as many as the ways that are found.
//
// Bounds: those of the options, and of HostAddresses for each name, of EncryptedWays for each such upstream; MAX_GONE servers that are asked no more are remembered,
// since a name may lead to some of its addresses at a time.
import { BoundedMap } from '../base/bounded-map.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { ServerAddress } from '../transport/transport.js';
import type { Exchanger } from '../upstream/exchange.js';
import { EncryptedWays, wayKeyOf } from '../upstream/encrypted-ways.js';
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

/** An upstream that is asked encrypted as it, or the DNS, says. */
export interface DiscoveryReport {
  readonly upstream: string;
  /** Ways that are known at present. */
  readonly ways: number;
  /** Rounds of questions of which no way came; whether the last one was such. */
  readonly failures: number;
  readonly failing: boolean;
}

/** What is looked up for upstreams, and again. */
interface Lookup {
  begin(): Promise<void>;
  again(): void;
  close(): void;
}

export class UpstreamGroups {
  /** Told of other groups than before: by settings, or because a name leads elsewhere. */
  changed: (groups: Groups) => void = () => {};
  /** What leads to this server itself. */
  own: () => Pick<OwnAddresses, 'has'> = () => NOTHING;
  #places = new Map<string, UpstreamPlace[]>();
  #hosts = new Map<string, HostAddresses>();
  #discover: ServerSettings['upstream']['discover'] = 'never';
  /** Of upstreams that are asked so, by what they are written as. */
  #ways = new Map<string, EncryptedWays>();
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
  get discoveries(): DiscoveryReport[] {
    return [...this.#ways.values()].map(({ of, places, failures, failing }) => {
      return { upstream: of, ways: places.length, failures, failing };
    });
  }
  /** Servers that names are looked up at. */
  get bootstrap(): readonly Upstream[] {
    return this.#hosts.size + this.#ways.size > 0 ? this.#bootstrap : [];
  }

  /** Servers that stay keep what is known of them; so do names. */
  use(settings: ServerSettings): Groups {
    this.#places = placesOf(settings);
    this.#bootstrapPlaces = bootstrapOf(settings);
    this.#discover = settings.upstream.discover;
    const asked = discoveredIn(this.#places, this.#discover);
    this.#ways = kept(this.#ways, asked.keys(), key => this.#waysOf(asked.get(key)!));
    this.#useHosts();
    const groups = this.#build();
    if (this.#begun) this.#look([...this.#ways.values(), ...this.#hosts.values()]);
    return groups;
  }

  /** The names that lead to upstreams as they are now. */
  #useHosts(): void {
    const names = this.#placesToAsk([...this.#places.values()].flat(), this.#ways).flatMap(one => one.name ?? []);
    this.#hosts = kept(this.#hosts, names, name => this.#hostOf(name));
  }

  #look(all: readonly Lookup[]): void {
    for (const one of all) {
      void one.begin();
      one.again();
    }
  }

  /** Looks names up, from now on. @returns when each was looked up once, or has had its time */
  async begin(): Promise<void> {
    this.#begun = true;
    await this.#firstOf([...this.#ways.values()]);
    await this.#firstOf([...this.#hosts.values()]);
  }

  /** Settings to be used. Names that they have anew are looked up before, so that nobody waits for them. */
  async prepare(settings: ServerSettings): Promise<Prepared> {
    const commit = (): void => this.changed(this.use(settings));
    if (!this.#begun) return { commit, discard: () => {} };
    const bootstrap = this.#bootstrapOf(bootstrapOf(settings), new Map());
    const places = placesOf(settings);
    const asked = [...discoveredIn(places, settings.upstream.discover)].filter(([key]) => !this.#ways.has(key));
    const ways = new Map(asked.map(([key, place]) => [key, this.#waysOf(place, bootstrap)]));
    await this.#firstOf([...ways.values()]);
    const all = this.#placesToAsk([...places.values()].flat(), new Map([...this.#ways, ...ways]), settings);
    const names = new Set(all.flatMap(one => one.name ?? []).filter(name => !this.#hosts.has(name)));
    const hosts = new Map([...names].map(name => [name, this.#hostOf(name, bootstrap)]));
    await this.#firstOf([...hosts.values()]);
    return {
      commit: () => {
        for (const [key, one] of ways) this.#ways.set(key, one);
        for (const [name, host] of hosts) this.#hosts.set(name, host);
        commit();
      },
      discard: () => {
        for (const one of [...ways.values(), ...hosts.values()]) one.close();
      },
    };
  }

  close(): void {
    for (const one of [...this.#ways.values(), ...this.#hosts.values()]) one.close();
  }

  async #firstOf(hosts: readonly Lookup[]): Promise<void> {
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
    const { clock, log } = this.parts;
    const host: HostAddresses = new HostAddresses(name, {
      clock,
      log,
      ask: query => this.#askBootstrap(query, this.#hosts.get(name) === host ? undefined : first),
      areUseless: () => {
        const all = this.#placesToAsk([...this.#places.values()].flat(), this.#ways);
        return this.#areDown(all.filter(one => one.name === name));
      },
      changed: () => {
        if (this.#hosts.get(name) === host) this.changed(this.#build());
      },
    });
    return host;
  }

  #waysOf(place: UpstreamPlace, first?: readonly Upstream[]): EncryptedWays {
    const { clock, log, exchanger } = this.parts;
    const key = wayKeyOf(place);
    const itself = place.at && new Upstream(place.at, clock, place.scheme);
    const ways: EncryptedWays = new EncryptedWays(place, {
      clock,
      log,
      ask: async query => {
        if (itself === undefined) return this.#askBootstrap(query, this.#ways.get(key) === ways ? undefined : first);
        return (await exchanger.exchange(query, [itself], tellsOfNames)).response;
      },
      use: () => {
        const reason = this.#serversOf(ways.places).find(one => one.isDown)?.lastFailure;
        return { isNone: this.#areDown(ways.places), reason };
      },
      changed: () => {
        if (this.#ways.get(key) !== ways) return;
        this.#useHosts();
        if (this.#begun) this.#look([...this.#hosts.values()]);
        this.changed(this.#build());
      },
    });
    return ways;
  }

  /** @param first in the place of those in force */
  async #askBootstrap(query: Uint8Array, first: readonly Upstream[] | undefined): Promise<Uint8Array> {
    // It would ask those that the name leads to.
    const own = this.own();
    const servers = (first ?? this.#bootstrap).filter(one => !own.has(one.at));
    if (servers.length === 0) throw new Error('nobody but this server itself is named to look it up at');
    return (await this.parts.exchanger.exchange(query, servers, tellsOfNames)).response;
  }

  #areDown(places: readonly UpstreamPlace[]): boolean {
    return this.#serversOf(places).every(one => one.isDown);
  }
  #serversOf(places: readonly UpstreamPlace[]): Upstream[] {
    return places.flatMap(place => this.#serversAt(place, new Map()));
  }

  /** In the place of those that are asked encrypted only, the ways that are known. */
  #placesToAsk(
    places: readonly UpstreamPlace[],
    ways: ReadonlyMap<string, EncryptedWays>,
    { upstream: { discover } } = { upstream: { discover: this.#discover } },
  ): UpstreamPlace[] {
    return places.flatMap(one => (isDiscovered(one, discover) ? (ways.get(wayKeyOf(one))?.places ?? []) : [one]));
  }

  #build(): Groups {
    const next = new Map<string, Upstream>();
    const groups = new Map<string, readonly Upstream[]>();
    for (const [name, places] of this.#places) {
      const asked = this.#placesToAsk(places, this.#ways);
      const servers = new Set(asked.flatMap(place => this.#serversAt(place, next)));
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

/** Whether it is asked in another way than it is written. */
function isDiscovered({ scheme, name }: UpstreamPlace, discover: ServerSettings['upstream']['discover']): boolean {
  if (scheme !== 'udp' && scheme !== 'tcp') return false;
  return discover === 'all' || (discover === 'names' && name !== undefined);
}
function discoveredIn(
  places: ReadonlyMap<string, readonly UpstreamPlace[]>,
  discover: ServerSettings['upstream']['discover'],
): Map<string, UpstreamPlace> {
  const all = [...places.values()].flat().filter(one => isDiscovered(one, discover));
  return new Map(all.map(one => [wayKeyOf(one), one]));
}

/** One for each key: that of before, where there was one; those that are wanted no more are closed. */
function kept<T extends Lookup>(before: ReadonlyMap<string, T>, keys: Iterable<string>, make: (key: string) => T) {
  const next = new Map<string, T>();
  for (const key of keys) if (!next.has(key)) next.set(key, before.get(key) ?? make(key));
  for (const [key, one] of before) if (!next.has(key)) one.close();
  return next;
}

/** Others are asked where one cannot say. */
function tellsOfNames(response: Uint8Array): boolean {
  const rcode = responseRcode(response);
  return rcode === Rcode.NOERROR || rcode === Rcode.NXDOMAIN;
}
