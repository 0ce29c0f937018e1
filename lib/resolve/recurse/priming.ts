// The root's servers (RFC 8109): by the cache, by their own word, and by the hints where they cannot be asked. Stub zones
// that are to be primed are asked for their own servers in the same way.
//
// Bounds: one priming for all who wait for it; after one that failed the hints serve for RECURSION_LIMITS.primingRetryMs.
import type { Clock } from '../../base/clock.js';
import { isOurs } from '../../base/errors.js';
import { Rank, type RrsetCache } from '../../cache/rrset-cache.js';
import { ExtendedError, Type } from '../../wire/iana.js';
import { nameKey } from '../../wire/name.js';
import type { Asked } from './classify.js';
import { type ConfiguredZone, type Delegation, directAddress, serversOf } from './delegation.js';
import { Job, ResolutionError } from './job.js';
import type { Knowledge } from './knowledge.js';
import { RECURSION_LIMITS as L } from './limits.js';
import type { Setting } from './options.js';
import type { ZoneAsker } from './zone-asker.js';

/** What all wait for who need the root's servers, and when it was begun, by the fence of the RRset cache. */
interface UnderWay {
  readonly beganAt: number;
  readonly delegation: Promise<Delegation>;
}

export class Priming {
  #underWay: UnderWay | undefined;
  #failedUntil = 0;

  constructor(
    private readonly rrsets: RrsetCache,
    private readonly known: Knowledge,
    private readonly asker: ZoneAsker,
    private readonly clock: Clock,
    private readonly setting: Setting,
  ) {}

  /** Primes again at the next question. */
  forgetFailure(): void {
    this.#failedUntil = 0;
  }

  /** The root with its servers, primed where they are not known. */
  async root(job: Job, configured: ConfiguredZone | undefined): Promise<Delegation> {
    const zone = Uint8Array.of(0);
    const direct = configured?.direct ?? this.setting.options.rootHints.map(address => directAddress(address));
    const now = this.clock.nowMs();
    const hints: Delegation = {
      zone,
      key: nameKey(zone),
      servers: [],
      addressless: 0,
      direct,
      expiresAt: now,
      cached: false,
    };
    const known = this.rrsets.delegation(zone);
    if (known !== undefined) {
      const delegation = { ...hints, servers: serversOf(known.ns, [], false), expiresAt: now + known.leftMs };
      this.known.addAddresses(delegation);
      if (delegation.servers.some(one => one.addresses.length > 0)) delegation.direct = [];
      return delegation;
    }
    if (now < this.#failedUntil) return hints;
    // One priming for all who wait for it; it takes none of their queries.
    const { fence } = this.rrsets;
    let priming = this.#underWay;
    if (priming === undefined || fence.hasForgotten(zone, priming.beganAt)) {
      priming = this.#underWay = this.#begin(hints, fence.now);
    }
    const primed = await priming.delegation;
    if (job.traced) job.trace({ kind: 'zone', text: primed === hints ? 'the root, by its hints' : 'the root, primed' });
    return { ...primed, servers: primed.servers.map(one => ({ ...one })) };
  }

  #begin(hints: Delegation, beganAt: number): UnderWay {
    const { deadlineMs } = this.setting.options;
    const job = Job.begin(this.clock, { maxQueries: L.queries, beganAt, deadlineMs });
    const delegation = this.prime(hints, job)
      .catch((error: unknown) => {
        if (!isOurs(error) && this.#underWay === priming) this.#failedUntil = this.clock.nowMs() + L.primingRetryMs;
        return hints;
      })
      .finally(() => {
        if (this.#underWay === priming) this.#underWay = undefined;
      });
    const priming: UnderWay = { beganAt, delegation };
    return priming;
  }

  /** RFC 8109: the root's servers by their own word. */
  async prime(hints: Delegation, job: Job): Promise<Delegation> {
    this.setting.stats.primings++;
    const asked: Asked = { name: hints.zone, type: Type.NS, zone: hints.zone, recursive: false };
    const { meaning } = await this.asker.askZone(hints, asked, job);
    const ns = meaning.kind === 'answer' ? meaning.rrsets.find(one => one.type === Type.NS) : undefined;
    if (ns === undefined) throw new ResolutionError('the root servers do not name themselves', ExtendedError.other);
    const ttl = Math.min(ns.ttl, this.setting.options.maxTtl);
    this.rrsets.askedAt = job.budget.beganAt;
    this.rrsets.putDelegation({ ...ns, ttl }, ttl * 1000);
    this.rrsets.put({ ...ns, ttl }, Rank.authoritative);
    const delegation: Delegation = {
      ...hints,
      servers: serversOf(ns, meaning.kind === 'answer' ? meaning.additional : [], false),
      expiresAt: this.clock.nowMs() + ttl * 1000,
    };
    this.known.addAddresses(delegation);
    if (delegation.servers.some(one => one.addresses.length > 0)) delegation.direct = [];
    return delegation;
  }
}
