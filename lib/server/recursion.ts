// The recursion of a server: made when its settings want it, in threads where there are cores for it. Where they want it no
// more, what it has under way ends first: it is closed when a question that began last has had its time.
//
// Bound: MAX_LEFT that wait for that.
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import { type ClockDoubt, clockDoubtText } from '../dnssec/clock-doubt.js';
import type { TrustAnchors } from '../dnssec/trust.js';
import type { ValidationPolicy } from '../dnssec/verdict.js';
import type { BogusZone } from '../resolve/recurse/checker.js';
import { HeldZones } from '../resolve/recurse/held-zones.js';
import type { RecursionResult } from '../resolve/recurse/links.js';
import type { RecursorStats } from '../resolve/recurse/options.js';
import { ResolutionError } from '../resolve/recurse/job.js';
import type { Recursor } from '../resolve/recurse/recursor.js';
import type { Resolver } from '../resolve/resolver.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { Upstream } from '../upstream/upstream.js';
import { Type } from '../wire/iana.js';
import { equalNames } from '../wire/name.js';
import type { Rrset } from '../wire/rrset.js';
import type { ZoneStore } from '../zone/zone-store.js';
import type { AnchorUser } from './anchors.js';
import { BogusZones } from './bogus-zones.js';
import type { ProbesUser } from './signature-probes.js';
import type { ServerSettings } from './settings/settings.js';
import { workersOf } from './settings/recursion.js';
import { type PoolSettings, RecursionPool } from './recursion-pool.js';
import { sumOf, type WorkerTotals } from './recursion-stats.js';
import type { Prepared } from './prepared.js';
import { makeRecursor, makeRrsetMemory, updateRecursor } from './recursor-settings.js';
import { needsRecursor } from './settings/resolution.js';

const MAX_LEFT = 2;

/** A recursor with its threads, which nobody asks any more. */
interface Left {
  readonly recursor: Recursor;
  readonly pool: RecursionPool | undefined;
  readonly timer: Timer;
}

export interface RecursionDependencies {
  clock: Clock;
  random: Random;
  log: Logger;
  /** In the place of what settings say of validation. */
  policy?: ValidationPolicy;
  /** Whether it may use threads. */
  threads: boolean;
  /** Zones that it asks here in the place of their servers. */
  held: ZoneStore;
}

export class Recursion implements AnchorUser, ProbesUser {
  #pool: RecursionPool | undefined;
  /** By which it works. */
  #settings: ServerSettings | undefined;
  /** Trust anchors in the place of those of the settings. */
  #anchors: readonly string[] | undefined;
  /** Servers that leave signatures out. */
  #passedOver: readonly string[] = [];
  /** What signatures say against this machine's clock. */
  clockDoubt: string | undefined;
  /** Oldest first. */
  readonly #left: Left[] = [];

  constructor(
    private readonly resolver: Resolver,
    private readonly exchanger: Exchanger,
    private readonly dependencies: RecursionDependencies,
  ) {
    this.#bogusZones = new BogusZones(dependencies);
    this.#held = new HeldZones(dependencies.held);
    dependencies.held.onChange(({ apex, after }) => this.#pool?.hold(apex, after));
  }

  readonly #bogusZones: BogusZones;
  readonly #held: HeldZones;
  readonly #upstreams = (): readonly Upstream[] => this.resolver.groups.get('default') ?? [];

  /** This thread answers clients: what takes long is checked in libuv's pool; by workers at once. */
  get #policy(): ValidationPolicy {
    return { verify: 'pool', ...this.dependencies.policy };
  }

  get recursor(): Recursor | undefined {
    return this.resolver.recursor;
  }

  /**
   * Its memory and threads, where settings want them for the first time. What was learnt stays when the options change.
   * @throws {ShardnsError} ERR_SHARDNS_MEMORY
   */
  prepare(settings: ServerSettings): Prepared {
    if (!needsRecursor(settings)) return { commit: () => this.#leave(), discard: () => {} };
    if (this.recursor !== undefined) return { commit: () => this.#update(settings), discard: () => {} };
    const { clock, random, log, threads } = this.dependencies;
    const workers = threads ? workersOf(settings) : 0;
    const memory = makeRrsetMemory(settings, workers > 0);
    const recursor = makeRecursor(settings, memory, this.exchanger, { clock, random, ...this.#around });
    recursor.onClockDoubt = this.#onClockDoubt;
    recursor.onBogusZone = this.#onBogusZone;
    return {
      commit: () => {
        this.resolver.recursor = recursor;
        // What it was made by may be of before.
        this.#update(settings);
        if (workers === 0) return;
        const shared = { rrsets: memory.share(), fence: this.exchanger.fence.cells };
        this.#pool = new RecursionPool(this.#ofPool(settings), shared, workers, log, clock);
        this.#pool.onClockDoubt = this.#onClockDoubt;
        this.#pool.onBogusZone = this.#onBogusZone;
        for (const zone of this.dependencies.held.all()) this.#pool.hold(zone.apex, zone);
        this.resolver.pool = this.#pool;
      },
      discard: () => memory.close(),
    };
  }

  #update(settings: ServerSettings): void {
    this.#settings = settings;
    if (this.recursor !== undefined) updateRecursor(this.recursor, settings, this.#around);
    this.#pool?.update(this.#ofPool(settings));
  }
  #ofPool(settings: ServerSettings): PoolSettings {
    return { settings, anchors: this.#anchors, passedOver: this.#passedOver };
  }
  get #around() {
    const policy = this.#policy;
    const held = this.#held;
    return { upstreams: this.#upstreams, policy, anchors: this.#anchors, passedOver: this.#passedOver, held };
  }

  /** Told once, and not with each of the names that do not prove themselves for it. */
  readonly #onClockDoubt = (doubt: ClockDoubt | undefined): void => {
    const { log } = this.dependencies;
    const text = doubt && clockDoubtText(doubt);
    if (text === undefined && this.clockDoubt !== undefined) {
      log.info({}, "signatures of a trust anchor's keys are valid by the machine's clock again");
    } else if (text !== undefined && this.clockDoubt === undefined) {
      log.error({}, `${text}; until it is right, what is signed does not prove itself and is SERVFAIL`);
    }
    this.clockDoubt = text;
  };

  readonly #onBogusZone = (zone: BogusZone): void => {
    // The line of the clock has said why.
    if (!zone.isAnchored || this.clockDoubt === undefined) this.#bogusZones.tell(zone);
  };

  get believed(): TrustAnchors | undefined {
    return this.recursor?.options.validation?.anchors;
  }
  get forwardedTo(): readonly Upstream[] {
    return this.recursor?.options.outside === undefined ? [] : this.#upstreams();
  }
  passOver(keys: readonly string[]): void {
    this.#passedOver = keys;
    if (this.#settings !== undefined) this.#update(this.#settings);
  }

  believe(lines: readonly string[] | undefined, zones: readonly Uint8Array[]): void {
    this.#anchors = lines;
    // Else with the settings that they come with.
    if (zones.length === 0 || this.#settings === undefined) return;
    this.#update(this.#settings);
    // The keys that the zone is known by may be those of a revoked one.
    for (const zone of zones) this.forget(zone);
  }

  distrust(zone: Uint8Array): void {
    this.resolver.forget({ suffix: zone });
    // RRsets, and the keys that zones are known by, have no order by suffix.
    this.forget();
  }

  async fetchKeys(zone: Uint8Array): Promise<Rrset | undefined> {
    const { recursor } = this;
    if (recursor === undefined) throw new Error('nothing is resolved');
    const fetch = (checkingDisabled: boolean): Promise<RecursionResult> =>
      recursor.resolve(zone, Type.DNSKEY, { fresh: true, checkingDisabled });
    let found;
    try {
      // Where it does not prove itself others are asked.
      found = await fetch(false);
    } catch (error) {
      if (!(error instanceof ResolutionError)) throw error;
      // A zone whose last anchor was revoked does not prove itself any more, and has to say so.
      found = await fetch(true);
    }
    return found.answers.find(one => one.type === Type.DNSKEY && equalNames(one.name, zone));
  }

  /** Forgets what is known of a name (folded wire format); without one all RRsets, and what is known of servers. */
  forget(name?: Uint8Array): void {
    if (name === undefined) this.recursor?.clear();
    else this.recursor?.forgetName(name);
    this.#pool?.forget(name);
  }

  /** What it has done, in all threads; undefined where there is none. */
  stats(workers = this.workers()): (RecursorStats & { servers: number; threads: number }) | undefined {
    const { recursor } = this;
    if (recursor === undefined) return undefined;
    const own = { ...recursor.stats, servers: recursor.infrastructure.size, threads: this.#pool?.threads ?? 0 };
    return workers === undefined ? own : { ...own, ...sumOf(own, { ...workers.recursion, servers: workers.servers }) };
  }
  /** What its threads have counted, beside this one's recursor, transports and exchanger; undefined without threads. */
  workers(): WorkerTotals | undefined {
    return this.#pool?.totals();
  }

  #leave(): void {
    const { recursor } = this;
    if (recursor === undefined) return;
    const { clock } = this.dependencies;
    const timer = clock.after(recursor.options.deadlineMs, () => void this.#end(this.#left.shift()));
    this.#left.push({ recursor, pool: this.#pool, timer });
    this.#pool = this.resolver.pool = this.resolver.recursor = undefined;
    if (this.#left.length > MAX_LEFT) void this.#end(this.#left.shift());
  }

  /** Never rejects. */
  async #end(left: Left | undefined): Promise<void> {
    try {
      left?.timer.cancel();
      await left?.pool?.close();
      left?.recursor.rrsets.close();
    } catch (error) {
      this.dependencies.log.error({ err: error }, 'a recursor that is not wanted any more could not be closed');
    }
  }

  /** With what was left. */
  async close(): Promise<void> {
    this.#leave();
    await Promise.all(this.#left.splice(0).map(one => this.#end(one)));
  }
}
