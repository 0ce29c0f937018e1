// The way down to a name (RFC 1034 section 5.3.3): from the closest zone known, by referrals, to the servers that answer for
// it, which are asked for no more of the name than they need (RFC 9156).
//
// Bounds: the referrals and minimised questions of RECURSION_LIMITS.
import type { Clock } from '../../base/clock.js';
import { below, type Random } from '../../base/random.js';
import { Rank, type RrsetCache } from '../../cache/rrset-cache.js';
import { ExtendedError, Rcode, Type } from '../../wire/iana.js';
import { countLabels, equalNames, isAtOrBelow, nameKey, nameToText, offsetOfLast } from '../../wire/name.js';
import type { Asked, Found, Referral } from './classify.js';
import {
  type ConfiguredZone,
  type Delegation,
  describeZone,
  nameServer,
  serversOf,
  Source,
  takeAddresses,
} from './delegation.js';
import { type Job, ResolutionError } from './job.js';
import type { Knowledge } from './knowledge.js';
import type { Learner } from './learner.js';
import { RECURSION_LIMITS as L } from './limits.js';
import { type Link, linkOf } from './links.js';
import type { RecursorOptions, Setting } from './options.js';
import type { Priming } from './priming.js';
import type { Heard, ZoneAsker } from './zone-asker.js';
import { zoneFor } from './zones.js';

export interface DescentParts {
  readonly rrsets: RrsetCache;
  readonly known: Knowledge;
  readonly learner: Learner;
  readonly asker: ZoneAsker;
  readonly priming: Priming;
  readonly clock: Clock;
  readonly random: Random;
  readonly setting: Setting;
  /** A denial of a part of the name, where validation shows that there is nothing below it either. */
  readonly proven: (name: Uint8Array, denial: Link & { denied: Uint8Array }, job: Job) => Promise<Link | undefined>;
}

export class Descent {
  constructor(private readonly parts: DescentParts) {}

  get #options(): RecursorOptions {
    return this.parts.setting.options;
  }

  /** One link of the answer, by the zone configured for the name where there is one. */
  toLink(name: Uint8Array, type: number, job: Job): Promise<Link> {
    const zone = zoneFor(this.#options, name, type);
    return zone?.first === true ? this.#iterateFrom(zone, name, type, job) : this.#descend(name, type, job, zone);
  }

  /** The same by what is configured above the zone that is configured for the name. */
  toLinkAbove(name: Uint8Array, type: number, job: Job): Promise<Link> {
    const options = this.#options;
    return this.#descend(name, type, job, zoneFor(options, name, type, zoneFor(options, name, type)));
  }

  async #iterateFrom(first: ConfiguredZone, name: Uint8Array, type: number, job: Job): Promise<Link> {
    for (let zone: ConfiguredZone | undefined = first; ; zone = zoneFor(this.#options, name, type, zone)) {
      try {
        return await this.#descend(name, type, job, zone);
      } catch (error) {
        if (!(error instanceof ResolutionError) || error.isFinal || zone?.first !== true || job.budget.ours)
          throw error;
        job.trace({ kind: 'failure', text: `${error.message}; resolved as if the zone was not configured` });
      }
    }
  }

  async #descend(name: Uint8Array, type: number, job: Job, configured: ConfiguredZone | undefined): Promise<Link> {
    const closest = this.#closest(name, type, job, configured);
    let delegation = closest instanceof Promise ? await closest : closest;
    let minimise = this.#options.qnameMinimisation !== 'off' && delegation.configured?.kind !== 'forward';
    const depth = countLabels(name);
    // Labels that are asked for; the zone's own are known.
    let labels = countLabels(delegation.zone);
    let renewed: Set<string> | undefined;
    let minimised = 0;
    for (let referrals = 0; ;) {
      const step =
        minimised < L.minimisedByOne ? 1 : Math.max(1, Math.ceil((depth - labels) / (L.minimised - minimised + 1)));
      const { budget } = job;
      const bounded = minimised < L.minimised && budget.minimised < L.minimisedInAll;
      labels = minimise && bounded ? Math.min(labels + step, depth) : depth;
      const full = labels === depth;
      const begin = full ? 0 : offsetOfLast(name, labels);
      if (!full) {
        minimised++;
        if (this.parts.known.isNode(name, begin)) continue;
        budget.minimised++;
      }
      const question = full ? name : name.subarray(begin);
      const asked: Asked = {
        name: question,
        type: full ? type : Type.A,
        zone: delegation.zone,
        recursive: delegation.configured?.kind === 'forward',
      };
      let heard: Heard;
      try {
        const mostTimeouts = full || this.#options.qnameMinimisation !== 'relaxed' ? undefined : L.minimisedTimeouts;
        heard = await this.parts.asker.askZone(delegation, asked, job, mostTimeouts);
      } catch (error) {
        if (!(error instanceof ResolutionError) || error.isFinal || job.budget.queries >= job.budget.maxQueries) {
          throw error;
        }
        if (!full && this.#options.qnameMinimisation === 'relaxed') {
          minimise = false;
          continue;
        }
        // What was remembered of who serves the zone may be out of date: the parent knows better.
        if (delegation.cached && renewed?.has(delegation.key) !== true && !job.budget.ours) {
          (renewed ??= new Set()).add(delegation.key);
          job.trace({
            kind: 'failure',
            text: `${describeZone(delegation)}: no server is of use; its parent is asked anew`,
          });
          this.parts.rrsets.forgetDelegation(delegation.zone);
          delegation = await this.#closest(name, type, job, configured);
          labels = countLabels(delegation.zone);
          continue;
        }
        throw error;
      }
      const { meaning, from } = heard;
      this.parts.rrsets.askedAt = budget.beganAt;
      if (meaning.kind === 'referral') {
        if (++referrals > L.referrals)
          throw new ResolutionError(`more than ${L.referrals} referrals`, ExtendedError.other);
        const above = delegation;
        delegation = this.#follow(delegation, meaning, job);
        const said = full && type === Type.DS ? saidOfDs(name, meaning) : undefined;
        if (said !== undefined) return this.parts.learner.keep(name, type, above, said, from);
        labels = countLabels(delegation.zone);
        minimised = 0;
        continue;
      }
      if (full) return this.parts.learner.keep(name, type, delegation, meaning, from);
      // RFC 9156 section 2.3: there may be names below after all, where servers deny empty non-terminals; not where the
      // denial is proven, which costs no more than the proof of the whole name would.
      if (meaning.rcode === Rcode.NXDOMAIN) {
        if (job.validates && meaning.authority.some(one => one.type !== Type.SOA && one.signatures.length > 0)) {
          const denial = this.parts.learner.denialOf(meaning);
          const noCache = delegation.configured?.noCache === true;
          const proven = await this.parts.proven(name, { ...denial, denied: question, noCache }, job);
          if (proven !== undefined) return proven;
        }
        if (this.#options.qnameMinimisation === 'strict')
          return linkOf(meaning, [], meaning.authority, { leftMs: Infinity, rank: Rank.authoritative });
        minimise = false;
        continue;
      }
      this.parts.learner.keep(question, Type.A, delegation, meaning, from);
    }
  }

  /** The deepest zone cut known on the way to the name; the root's, primed if need be, where none is. */
  #closest(
    name: Uint8Array,
    type: number,
    job: Job,
    configured: ConfiguredZone | undefined,
  ): Delegation | Promise<Delegation> {
    // Whoever resolves for others knows the cuts below, and is asked whatever was learnt of them elsewhere.
    if (configured?.kind === 'forward') return this.#configuredDelegation(configured, job);
    const now = this.parts.clock.nowMs();
    const key = nameKey(name);
    // A configured zone is above the name, or the name itself.
    const configuredAt = configured === undefined ? -1 : name.length - configured.name.length;
    const { distrusted } = job.budget;
    const { held } = this.#options;
    for (let at = 0; name[at] !== 0; at += 1 + name[at]) {
      if (at === configuredAt) return this.#configuredDelegation(configured!, job);
      // DS records stand on the parent's side of the cut.
      if (type === Type.DS && at === 0) continue;
      const own = held?.delegation(key, at, distrusted);
      if (own !== undefined) return own;
      const delegation = this.parts.known.delegation(name, at, key, now, job.fresh);
      if (delegation === undefined || isOutOfReach(delegation)) continue;
      if (job.traced) job.trace({ kind: 'zone', text: `${nameToText(delegation.zone)} is the closest zone known` });
      return delegation;
    }
    const rootAt = name.length - 1;
    const root = configuredAt === rootAt ? undefined : held?.delegation(key, rootAt, distrusted);
    return root ?? this.parts.priming.root(job, configured);
  }

  async #configuredDelegation(zone: ConfiguredZone, job: Job): Promise<Delegation> {
    const delegation: Delegation = {
      zone: zone.name,
      key: zone.key,
      servers: zone.hosts.map(({ name, way }) => ({ ...nameServer(name), way })),
      addressless: 0,
      direct: zone.direct,
      expiresAt: Number.POSITIVE_INFINITY,
      configured: zone,
      cached: false,
    };
    if (zone === this.#options.outside) {
      if (job.traced) job.trace({ kind: 'zone', text: 'outside of the configured zones: the upstreams are asked' });
      if (zone.direct.length === 0) {
        // They have names, of which none has led to an address yet: no failure of the name that is asked.
        job.budget.ours = true;
        throw new ResolutionError('no upstream has an address yet', ExtendedError.notReady);
      }
    } else if (job.traced) job.trace({ kind: 'zone', text: `${nameToText(zone.name)} is a ${zone.kind} zone` });
    if (!zone.prime) return delegation;
    const primed = await this.parts.priming.prime(delegation, job);
    return { ...primed, configured: zone };
  }

  #follow(from: Delegation, referral: Referral, job: Job): Delegation {
    const { ns, glue, foreignGlue } = referral;
    const now = this.parts.clock.nowMs();
    // A delegation lives no longer than the one that it came by (CVE-2022-30698). One whose time ended while it was
    // asked is good for those who wait, and not kept. Configured addresses last.
    const leftMs = from.direct.length > 0 ? Infinity : Math.max(from.expiresAt - now, 0);
    const lifetimeMs = Math.min(Math.min(ns.ttl, this.#options.maxTtl) * 1000, leftMs);
    const delegation: Delegation = {
      zone: ns.name,
      key: nameKey(ns.name),
      servers: shuffled(serversOf(ns, glue, this.#options.verifyGlue), this.parts.random),
      addressless: 0,
      direct: [],
      expiresAt: now + lifetimeMs,
      cached: false,
    };
    if (!from.configured?.noCache) this.parts.learner.keepReferral(referral, lifetimeMs);
    for (const rrset of foreignGlue) {
      const server = delegation.servers.find(one => one.key === nameKey(rrset.name));
      if (server !== undefined) takeAddresses(server, rrset, Source.doubtful);
    }
    this.parts.known.addAddresses(delegation);
    if (job.traced) {
      const names = ns.data.map(nameToText).join(', ');
      job.trace({ kind: 'referral', text: `${nameToText(ns.name)} is served by ${names}` });
    }
    return delegation;
  }
}

/**
 * RFC 1034 section 5.3.3: of servers that nobody can reach nothing is to be had; the parent has the addresses.
 */
function isOutOfReach({ servers, zone }: Delegation): boolean {
  for (const one of servers) if (one.addresses.length > 0 || !isAtOrBelow(one.name, zone)) return false;
  return true;
}

/**
 * What a referral to the name that DS was asked of says of it: from the parent's side, where the zone's own servers have no
 * say (RFC 4035 section 3.1.4.1). Undefined: nothing.
 */
function saidOfDs(name: Uint8Array, { ns, ds, noDs }: Referral): Found | undefined {
  if (!equalNames(ns.name, name) || (ds === undefined && noDs.length === 0)) return undefined;
  const rrsets = ds === undefined ? [] : [ds];
  return {
    kind: 'answer',
    rcode: Rcode.NOERROR,
    rrsets,
    target: undefined,
    further: [],
    authority: noDs,
    additional: [],
    authoritative: false,
  };
}

function shuffled<T>(list: T[], random: Random): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = below(random, i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}
