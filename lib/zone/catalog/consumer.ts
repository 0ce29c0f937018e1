// Follows a catalog zone (RFC 9432): the zones that it lists are had from its primaries and served, for as long as it lists
// them. A catalog that is broken changes nothing; one that cannot be had neither.
//
// Bounds: RECORDS_OF_MEMBER records for each of `maxMembers` zones, which are read in one go; `maxMembers` zones, at and below
// `allowedNames` only: whoever writes the catalog decides what is served here (RFC 9432 section 7), and is not to take over
// other names.
import type { Logger } from '../../base/log.js';
import { isAtOrBelow, nameKey, nameToText } from '../../wire/name.js';
import type { TransferOptions } from '../transferred-zone.js';
import type { Zone } from '../zone.js';
import { catalogChange, type CatalogMember, readCatalog } from './read-catalog.js';

/** What the zones of a group have, in place of what the catalog's others have. */
export type MemberOptions = Omit<TransferOptions, 'apex'>;

/** PTR, group, coo, and what else may stand at a member (RFC 9432 section 4). */
const RECORDS_OF_MEMBER = 16;
/** SOA, NS, version, and what else a catalog may have of its own. */
const RECORDS_BESIDE = 1000;

export interface CatalogOptions {
  /** Folded. */
  readonly apex: Uint8Array;
  /** How the catalog itself is had. */
  readonly transfer: TransferOptions;
  readonly members: MemberOptions;
  readonly groups: ReadonlyMap<string, MemberOptions>;
  readonly maxMembers: number;
  /** Folded; none: any. */
  readonly allowedNames: readonly Uint8Array[];
}

export interface ConsumerParts {
  readonly log: Logger;
  readonly add: (zone: TransferOptions) => void;
  /** @param forget also what is kept of it */
  readonly drop: (apex: Uint8Array, forget: boolean) => void;
  /** Whose a zone is already: another catalog's, or one that is configured. */
  readonly ownerOf: (zone: Uint8Array) => CatalogConsumer | 'configured' | undefined;
}

export class CatalogConsumer {
  #members: ReadonlyMap<string, CatalogMember> = new Map();
  /** What is wrong with the version read last. */
  problem: string | undefined;

  constructor(
    private options: CatalogOptions,
    private readonly parts: ConsumerParts,
  ) {}

  use(options: CatalogOptions): void {
    this.options = options;
    for (const zone of this.zones()) this.parts.add(zone);
  }

  *zones(): Generator<TransferOptions> {
    for (const member of this.#members.values()) yield this.#optionsOf(member);
  }
  has(apex: Uint8Array): boolean {
    return this.#members.has(nameKey(apex));
  }

  #optionsOf({ apex, group }: CatalogMember): TransferOptions {
    const { members, groups } = this.options;
    return { ...((group !== undefined && groups.get(group)) || members), apex };
  }

  /** A new version. */
  read(zone: Zone): void {
    const { apex, maxMembers } = this.options;
    const most = RECORDS_OF_MEMBER * maxMembers + RECORDS_BESIDE;
    const isTooLarge = zone.recordCount > most;
    const catalog = isTooLarge
      ? { broken: `more than ${most} records` }
      : readCatalog(apex, zone.records(), maxMembers);
    if ('broken' in catalog) {
      this.problem = catalog.broken;
      this.parts.log.error({ catalog: nameToText(apex), reason: this.problem }, 'a catalog is broken: nothing changes');
      return;
    }
    this.problem = undefined;
    const taken = new Map([...catalog.members].filter(([, member]) => this.#mayTake(member)));
    const { added, removed, reset, changed } = catalogChange(this.#members, taken);
    this.#members = taken;
    for (const { apex: gone } of [...removed, ...reset]) this.parts.drop(gone, true);
    for (const member of [...added, ...reset, ...changed]) this.parts.add(this.#optionsOf(member));
    const counts = { added: added.length, removed: removed.length, reset: reset.length, zones: taken.size };
    this.parts.log.info({ catalog: nameToText(apex), serial: zone.serial, ...counts }, 'a catalog was read');
  }

  #mayTake(member: CatalogMember): boolean {
    const { allowedNames, apex } = this.options;
    const refuse = (reason: string): false => {
      const fields = { catalog: nameToText(apex), zone: nameToText(member.apex), reason };
      this.parts.log.warn(fields, 'a zone of a catalog is not taken');
      return false;
    };
    if (allowedNames.length > 0 && !allowedNames.some(one => isAtOrBelow(member.apex, one))) {
      return refuse('its name is none that the catalog may have');
    }
    const owner = this.parts.ownerOf(member.apex);
    if (owner === undefined || owner === this) return true;
    if (owner === 'configured') return refuse('it is configured');
    // It moves only where the old catalog says so (RFC 9432 section 4.4.1).
    if (!owner.gives(member.apex, apex)) return refuse('another catalog lists it');
    owner.release(member.apex);
    return true;
  }

  /** Whether it says that a zone moves to another catalog. */
  gives(zone: Uint8Array, to: Uint8Array): boolean {
    const { movesTo } = this.#members.get(nameKey(zone)) ?? {};
    return movesTo !== undefined && nameKey(movesTo) === nameKey(to);
  }
  /** A zone is another catalog's from now on. */
  release(zone: Uint8Array): void {
    const members = new Map(this.#members);
    members.delete(nameKey(zone));
    this.#members = members;
  }
}
