// Answers that follow from what was validated, without asking anybody: that a name or its data does not exist, what a
// wildcard makes of a name (RFC 8198, RFC 9077), and what a DNAME makes of a name below it (RFC 6672 section 5.3.2).
//
// Bounds: those of DenialIndex.
import type { Clock } from '../../base/clock.js';
import { type CachedRrset, Rank, type RrsetCache, Security } from '../../cache/rrset-cache.js';
import { securityOf, statusIn } from '../../cache/rrset-entry.js';
import { lastLabels, ownerLabels, wildcardOf } from '../../dnssec/canonical.js';
import { type Denied, DenialIndex } from '../../dnssec/denial-index.js';
import { parseSignature } from '../../dnssec/signature.js';
import type { Validation } from '../../dnssec/validator.js';
import type { SecureZone } from '../../dnssec/zone-keys.js';
import { Rcode, Type } from '../../wire/iana.js';
import { equalNames, foldName } from '../../wire/name.js';
import type { Rrset } from '../../wire/rrset.js';
import { throughDname } from './classify.js';
import type { Job } from './job.js';
import type { Link } from './links.js';
import type { Setting, ValidationOptions } from './options.js';
import { zoneOf } from './zones.js';

const SECURE = securityOf(Security.secure);
const DENIALS = new Set<number>([Type.SOA, Type.NSEC, Type.NSEC3]);

export class Synthesis {
  readonly #denials = new DenialIndex();
  /** There may be a DNAME in the cache: few zones have one. */
  #knowsDnames = false;

  constructor(
    private readonly rrsets: RrsetCache,
    private readonly clock: Clock,
    private readonly setting: Setting,
  ) {}

  clear(): void {
    this.#denials.clear();
  }
  forgetName(name: Uint8Array): void {
    this.#denials.forget(name);
  }

  /** Keeps what of the data of a secure link says something of other names too. */
  learnData(link: Link, verdict: Validation, leftMs: number): void {
    if (this.setting.options.validation?.aggressive !== true) return;
    const isSecure = (one: Rrset): boolean => verdict.rrsets.get(one)?.status === 'secure';
    for (const one of link.rrsets) {
      if (one.type === Type.DNAME) this.#knowsDnames = true;
      const labels = verdict.rrsets.get(one)?.labels ?? 0;
      if (!isSecure(one) || one.signatures.length === 0 || labels >= ownerLabels(one.name)) continue;
      const name = wildcardOf(lastLabels(one.name, labels));
      this.rrsets.put({ ...one, name }, link.rank, [], Math.min(leftMs, one.ttl * 1000), SECURE);
    }
  }

  /**
   * Keeps the denials among what a question has had checked, good as they are whatever became of the question: of the link,
   * beside it, and of delegations on the way to it.
   */
  learnDenials({ checked }: Validation, leftMs: number, isOfLink: (one: Rrset) => boolean): void {
    const { validation, negativeMaxTtl } = this.setting.options;
    if (validation?.aggressive !== true) return;
    const zones = new Map<SecureZone, { soa?: Rrset; proofs: Rrset[] }>();
    for (const [one, { by, verdict }] of checked) {
      if (!DENIALS.has(one.type) || verdict.status !== 'secure' || verdict.labels !== ownerLabels(one.name)) continue;
      if (one.type === Type.SOA && !equalNames(one.name, by.zone)) continue;
      const mostMs = isOfLink(one) ? leftMs : Infinity;
      const ttl = Math.min(one.ttl, verdict.ttl, negativeMaxTtl, Math.floor(mostMs / 1000));
      const bounded = { ...one, ttl, signatures: [...verdict.good] };
      let found = zones.get(by);
      if (found === undefined) zones.set(by, (found = { proofs: [] }));
      if (one.type === Type.SOA) found.soa = bounded;
      else found.proofs.push(bounded);
    }
    const nowMs = this.clock.nowMs();
    for (const [{ zone }, { soa, proofs }] of zones) {
      if (proofs.length > 0) this.#denials.learn(zone, soa, proofs, nowMs, validation.policy);
    }
  }

  /** What shows a name to have no DS records, as far as it was validated. */
  noDs(name: Uint8Array, job: Job): readonly Rrset[] | undefined {
    const { validation } = this.setting.options;
    const { validation: budget } = job.budget;
    if (validation?.aggressive !== true || budget === undefined) return undefined;
    const judging = { now: this.clock.wallSeconds(), budget, policy: validation.policy };
    const found = this.#denials.findNoDs(name, this.clock.nowMs(), judging);
    return found !== undefined && this.#hasSay(found.zone, name, Type.DS, validation) ? found.authority : undefined;
  }

  /** @param name of which the cache itself says nothing */
  link(name: Uint8Array, type: number, job: Job): Link | undefined {
    const { validation } = this.setting.options;
    const { validation: budget } = job.budget;
    if (validation?.aggressive !== true || budget === undefined || type === Type.ANY || type === Type.RRSIG)
      return undefined;
    const dname = this.#knowsDnames ? this.#throughDname(name, type, validation) : undefined;
    if (dname !== undefined) return dname;
    const now = this.clock.wallSeconds();
    const judging = { now, budget, policy: validation.policy };
    const denied = this.#denials.find(name, type, this.clock.nowMs(), judging);
    if (denied === undefined || !this.#hasSay(denied.zone, name, type, validation)) return undefined;
    return this.#linkOf(name, type, denied);
  }

  /** Whether it is for a zone to say what there is of a name: no zone is configured below it, nor another anchor. */
  #hasSay(zone: Uint8Array, name: Uint8Array, type: number, { anchors }: ValidationOptions): boolean {
    const configured = zoneOf(this.setting.options.zones, name, type);
    if (configured !== undefined && configured.name.length > zone.length) return false;
    const anchor = anchors.closest(name, this.clock.wallSeconds());
    return anchor !== undefined && anchor !== 'negative' && anchor.zone.length <= zone.length;
  }

  #throughDname(name: Uint8Array, type: number, validation: ValidationOptions): Link | undefined {
    for (let at = 0; name[at] !== 0;) {
      at += 1 + name[at];
      const known = this.#secure(name.slice(at), Type.DNAME);
      if (known === undefined) continue;
      const made = throughDname(known.rrset, name, type);
      if (made === undefined || !this.#hasSay(known.rrset.name, name, type, validation)) return undefined;
      const { rank, proof: authority, leftMs, security } = known;
      return { ...made, authority, leftMs, rank, security };
    }
    return undefined;
  }

  #secure(name: Uint8Array, type: number): CachedRrset | undefined {
    const known = this.rrsets.get(name, type);
    return known !== undefined && statusIn(known.security) === Security.secure ? known : undefined;
  }

  #linkOf(name: Uint8Array, type: number, { kind, zone, wildcard, authority, leftMs }: Denied): Link | undefined {
    const seconds = Math.max(Math.floor(leftMs / 1000), 0);
    const shown = authority.map(one => ({ ...one, ttl: Math.min(one.ttl, seconds) }));
    const common = { authority: shown, rank: Rank.authoritative, security: SECURE };
    if (kind !== 'wildcard') {
      const rcode = kind === 'nxdomain' ? Rcode.NXDOMAIN : Rcode.NOERROR;
      this.setting.stats.synthesised++;
      return { ...common, rcode, rrsets: [], leftMs };
    }
    const known =
      this.#secure(wildcard!, type) ?? (type === Type.CNAME ? undefined : this.#secure(wildcard!, Type.CNAME));
    // Of the zone that has no such name: what another has at its wildcard is not made into names of this one.
    if (known === undefined || !isSignedBy(known.rrset, zone)) return undefined;
    const { rrset } = known;
    this.setting.stats.synthesised++;
    const rrsets = [{ ...rrset, name }];
    // An alias there is made for each type (RFC 8198 section 5.3, RFC 1034 section 4.3.3).
    const target = rrset.type === type ? undefined : foldName(rrset.data[0]);
    return { ...common, rcode: Rcode.NOERROR, rrsets, target, leftMs: Math.min(leftMs, known.leftMs) };
  }
}

/** Whether it is a zone's own: one of its signatures is good, and none of them says that another has signed. */
const isSignedBy = ({ signatures }: Rrset, zone: Uint8Array): boolean =>
  signatures.length > 0 &&
  signatures.every(one => {
    const signer = parseSignature(one)?.signer;
    return signer !== undefined && equalNames(signer, zone);
  });
