// One zone and its ways to other servers: its journal, what is kept of it in files, whom it is had from and who is told of it.
// What serves it is the store; a zone that is a list of others (a catalog) is in none.
import { equalNames } from '../wire/name.js';
import { addressOctets, isMapped } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { inSlices } from '../base/slices.js';
import { nameToText } from '../wire/name.js';
import { type AccessClient, type AccessRule, isAllowed } from './access.js';
import { comparing, differenceOf, type RecordDifference } from './changes.js';
import type { UpdateRule, ZoneLink, ZoneSource } from './links.js';
import type { Secondary } from './secondary.js';
import { isNewer } from './serial.js';
import type { Difference } from './transfer/difference.js';
import { type Applied, applying, type FetchLimits } from './transfer/fetch-zone.js';
import { decoding } from './transfer/record-octets.js';
import { entryOf, Journal, type JournalEntry, type JournalLimits } from './transfer/journal.js';
import type { PeerServer } from './transfer/primary-connection.js';
import type { TsigKey } from './tsig/key.js';
import { Type } from '../wire/iana.js';
import { ZoneBuilder } from './zone-builder.js';
import type { Confirmation, SavedZone, ZoneFiles } from './zone-files.js';
import { Zone } from './zone.js';

/** How a zone is linked to other servers. */
export interface TransferOptions {
  /** Folded. */
  readonly apex: Uint8Array;
  /** A secondary's: none for a zone of one's own. */
  readonly primaries: readonly PeerServer[];
  /** Who is told of changes. */
  readonly notify: readonly PeerServer[];
  /** Set: the zone's name servers are told too, with this key. */
  readonly notifyServers?: { readonly key: TsigKey | undefined };
  readonly allowTransfer: readonly AccessRule[];
  /** Who may say that it has changed, beside its primaries. */
  readonly allowNotify: readonly AccessRule[];
  readonly allowUpdate: readonly UpdateRule[];
  /** Whether a zone without a digest (ZONEMD) that can be checked is refused. */
  readonly needsDigest: boolean;
  /** It is for this server's own recursion, and answered to nobody. */
  readonly isHeld?: boolean;
}

export interface TransferredParts {
  readonly log: Logger;
  readonly files: ZoneFiles | undefined;
  readonly limits: FetchLimits;
  readonly journalLimits: JournalLimits;
  readonly clock: Clock;
  /** Serves it from now on; undefined: no more, and says that it has expired. */
  readonly serve: (zone: Zone | undefined) => void;
  /** Those who are to hear of it are told. */
  readonly notify: (zone: TransferredZone) => void;
}

/** Records of two versions that are compared in one go. */
const COMPARED_AT_ONCE = 10_000;
const isComparedAtOnce = (before: Zone, zone: Zone): boolean =>
  before.base === zone.base || before.recordCount + zone.recordCount <= COMPARED_AT_ONCE;

/** For a zone of one's own, which does not expire. */
const FOR_EVER = 2 ** 40;

export class TransferredZone implements ZoneLink {
  readonly name: string;
  readonly journal: Journal;
  #zone: Zone | undefined;
  /** The version that lies in its file, without the journal's. */
  #saved: number | undefined;
  secondary: Secondary | undefined;

  constructor(
    public options: TransferOptions,
    private readonly parts: TransferredParts,
  ) {
    this.name = nameToText(options.apex);
    this.journal = new Journal(parts.journalLimits);
  }

  get apex(): Uint8Array {
    return this.options.apex;
  }
  get zone(): Zone | undefined {
    return this.#zone;
  }
  get expireSeconds(): number {
    return this.secondary === undefined ? (this.#zone?.times.expire ?? 0) : this.secondary.expiresInSeconds;
  }
  get allowTransfer(): readonly AccessRule[] {
    return this.options.allowTransfer;
  }
  get allowUpdate(): readonly UpdateRule[] {
    return this.options.allowUpdate;
  }
  get takesUpdates(): boolean {
    return this.secondary === undefined && this.options.allowUpdate.length > 0;
  }
  get source(): ZoneSource | undefined {
    const { secondary } = this;
    if (secondary === undefined) return undefined;
    return {
      mayNotify: client => isAllowed(this.options.allowNotify, client) || this.#primaryAt(client) !== undefined,
      notified: (client, serial) => {
        const { zone } = this;
        // What is told rests on nothing: a serial that is no news saves the question, another one only begins it.
        if (serial !== undefined && zone !== undefined && !isNewer(serial, zone.serial)) return;
        secondary.notified(this.#primaryAt(client));
      },
    };
  }

  /** A primary at the client's address; one that has a key is believed without it, too: all it can do is have us ask. */
  #primaryAt({ address, key }: AccessClient): PeerServer | undefined {
    const text = plainAddress(address);
    const at = this.options.primaries.filter(({ server }) => plainAddress(server.address) === text);
    return at.find(one => one.key !== undefined && key !== undefined && equalNames(one.key.name, key.name)) ?? at[0];
  }

  /** What secondaries have not of the version that is served, and what to do; undefined: they are told of all of it. */
  #unknown: string | undefined;
  /** Why the zone's file is not what is served, and what to do. */
  unserved: string | undefined;

  /** What is to be done for file, zone and secondaries to be the same. */
  get doubt(): string | undefined {
    return this.unserved ?? this.#unknown;
  }

  /** A new version is served, made elsewhere, as of a file that has changed: what is different is noted. */
  replaced(zone: Zone, difference?: Difference): void {
    const before = this.#zone;
    this.#zone = zone;
    this.unserved = undefined;
    if (before !== undefined && before.serial !== zone.serial) this.#unknown = undefined;
    this.#note(before, zone, difference);
    if (before === undefined || before.serial !== zone.serial) this.parts.notify(this);
  }

  /** It is served no more. */
  gone(): void {
    this.#zone = undefined;
  }

  #note(before: Zone | undefined, zone: Zone, difference: Difference | undefined): void {
    if (before === undefined || before === zone) return;
    if (!isNewer(zone.serial, before.serial)) {
      if (zone.serial !== before.serial) this.#doubt(before.serial, `its serial went back from ${before.serial}`);
      else this.#noteSameSerial(before, zone);
      return;
    }
    if (difference !== undefined) this.journal.add(difference);
    else if (isComparedAtOnce(before, zone)) {
      this.journal.add(between(before, zone, differenceOf(before, zone)));
    } else if (this.options.allowTransfer.length > 0 || this.takesUpdates) this.#compare(before, zone);
    // Nobody may ask for what has changed.
    else this.journal.clear();
  }

  #noteSameSerial(before: Zone, zone: Zone): void {
    const note = ({ removed, added }: RecordDifference): void => {
      if (removed.length + added.length === 0) return;
      if (this.#zone?.serial !== zone.serial) this.journal.doubt(zone.serial);
      else this.#doubt(zone.serial, `it has changed, and its serial has not: ${zone.serial}`);
    };
    if (isComparedAtOnce(before, zone)) note(differenceOf(before, zone));
    else if (this.options.allowTransfer.length > 0 || this.takesUpdates) {
      const compared = inSlices(comparing(before, zone), this.parts.clock).then(note);
      this.kept = Promise.all([this.kept, compared]);
    }
  }

  /** @param serial of the version before */
  #doubt(serial: number, why: string): void {
    this.journal.doubt(serial);
    const { allowTransfer, notify, notifyServers } = this.options;
    const isPassedOn = allowTransfer.length > 0 || notify.length > 0 || notifyServers !== undefined;
    // A secondary has what its primary has: that is for the primary to say.
    if (this.secondary !== undefined || !isPassedOn) return;
    this.#unknown = `${why}; secondaries keep what they have until it is raised beyond ${serial}`;
    const fields = { zone: this.name, doubt: this.#unknown };
    this.parts.log.warn(fields, 'a zone has changed, and its secondaries do not know');
  }

  /** Until it is known what has changed, whoever asks is sent the whole zone. */
  #compare(before: Zone, zone: Zone): void {
    this.journal.clear();
    const compared = inSlices(comparing(before, zone), this.parts.clock).then(found => {
      // Another version may have come, or an update, to which this one does not lead.
      if (this.#zone === zone) this.journal.add(between(before, zone, found));
    });
    this.kept = Promise.all([this.kept, compared]);
  }

  /** By an update (RFC 2136). */
  async change(difference: Difference): Promise<void> {
    const before = this.#zone;
    const { limits, clock } = this.parts;
    const applied = before && (await inSlices(applying(before, [difference], limits), clock));
    if (typeof applied !== 'object') throw new Error(applied ?? 'there is no zone');
    const { zone } = applied;
    await this.#keepChange(zone, applied.difference);
    if (this.#zone !== before) throw new Error('the zone has been replaced meanwhile');
    this.#zone = zone;
    this.#unknown = undefined;
    this.parts.serve(zone);
    this.parts.notify(this);
  }

  async #keepChange(zone: Zone, difference: Difference): Promise<void> {
    const { files } = this.parts;
    const entry = entryOf(difference);
    // The file that the zone was read from is where the journal begins, until that has grown out of it.
    const isKept = files === undefined || (await files.append(this.apex, entry, this.journal));
    this.journal.addEntry(entry);
    if (isKept) return;
    try {
      await this.#save(zone, { at: this.parts.clock.wallSeconds(), expireSeconds: FOR_EVER });
    } catch (error) {
      this.journal.clear();
      throw error;
    }
  }

  async #save(zone: Zone, confirmation: Confirmation): Promise<void> {
    await this.parts.files?.save(this.apex, () => zone.cursor(), confirmation, this.journal);
    this.#saved = zone.serial;
  }

  /** What a secondary does with a version that it has had. */
  keep(zone: Zone, difference: Difference | undefined, expireSeconds: number): void {
    const confirmation = { at: this.parts.clock.wallSeconds(), expireSeconds };
    this.#tellFailure(this.#keep(zone, difference, confirmation));
  }

  async #keep(zone: Zone, difference: Difference | undefined, confirmation: Confirmation): Promise<void> {
    const { files } = this.parts;
    if (files === undefined) return;
    const entry = this.journal.entries.at(-1);
    const reaches = difference !== undefined && this.journal.entries.some(one => one.from === this.#saved);
    const isLast = entry !== undefined && entry.to === zone.serial;
    if (reaches && isLast && (await files.append(this.apex, entry, this.journal))) {
      await files.confirm(this.apex, confirmation);
    } else await this.#save(zone, confirmation);
  }

  confirm(expireSeconds: number): void {
    const confirmation = { at: this.parts.clock.wallSeconds(), expireSeconds };
    this.#tellFailure(this.parts.files?.confirm(this.apex, confirmation) ?? Promise.resolve());
  }

  /** Resolves when what updates had made of it before the start is served: others follow that. Never rejects. */
  restored: Promise<void> = Promise.resolve();

  /** What is being kept; resolves when nothing is written of it any more. */
  kept: Promise<unknown> = Promise.resolve();

  #tellFailure(work: Promise<void>): void {
    const told = work.catch((error: unknown) => {
      this.parts.log.error({ zone: this.name, reason: (error as Error).message }, 'a zone could not be kept in a file');
    });
    this.kept = Promise.all([this.kept, told]);
  }

  /** What was kept: the zone of the file with what the journal has added. */
  async load(): Promise<{ zone: Zone; saved: SavedZone } | undefined> {
    const { files, limits, clock } = this.parts;
    if (files === undefined) return undefined;
    const builder = new ZoneBuilder(this.apex, limits);
    const saved = await files.load(this.apex, record => void builder.add(record), clock);
    if (saved === undefined) return undefined;
    const base = new Zone(this.apex, await inSlices(builder.building(), this.parts.clock));
    this.#saved = base.serial;
    const zone = await this.loadChanges(base);
    return { zone, saved };
  }

  /** A zone of one's own has been read from its file: what updates have made of it since is served, unless that is newer. */
  restore(base: Zone): void {
    this.restored = this.#restore(base);
  }

  async #restore(base: Zone): Promise<void> {
    if (this.parts.files === undefined) return;
    try {
      let zone = await this.loadChanges(base);
      if (zone === base) {
        const kept = await this.load();
        if (kept !== undefined && isNewer(kept.zone.serial, base.serial)) ({ zone } = kept);
      }
      if (zone === base || this.#zone !== base) return;
      this.#zone = zone;
      this.parts.serve(zone);
    } catch (error) {
      const fields = { zone: this.name, reason: (error as Error).message };
      this.parts.log.error(fields, 'what updates have made of a zone cannot be read');
    }
  }

  /** What the journal has added to a version; that itself where it is not in the journal. */
  async loadChanges(base: Zone): Promise<Zone> {
    const damaged = (reason: string): void =>
      this.parts.log.warn({ zone: this.name, reason }, 'the journal of a zone is cut off or damaged');
    const entries = (await this.parts.files?.loadJournal(this.apex, damaged)) ?? [];
    const first = entries.findIndex(one => one.from === base.serial);
    const isKnown = first >= 0 || entries.at(-1)?.to === base.serial;
    if (!isKnown) {
      if (entries.length > 0) {
        const fields = { zone: this.name, serial: base.serial, journal: entries.at(-1)!.to };
        this.parts.log.warn(fields, 'the journal of a zone is of other versions, and is not used');
      }
      return base;
    }
    for (const one of entries) this.journal.addEntry(one);
    if (first < 0) return base;
    const { limits, clock } = this.parts;
    const applied = await inSlices(applyingEntries(base, entries.slice(first), limits), clock);
    if (typeof applied !== 'string') return applied.zone;
    this.journal.clear();
    this.parts.log.warn({ zone: this.name, reason: applied }, 'the journal of a zone does not fit, and is not used');
    return base;
  }
}

function* applyingEntries(base: Zone, entries: readonly JournalEntry[], limits: FetchLimits): Generator<void, Applied> {
  const changes: Difference[] = [];
  for (const { octets } of entries) changes.push(yield* decoding(octets));
  return yield* applying(base, changes, limits);
}

/** An address as it is compared: without the form that IPv4 has in IPv6, and in one spelling. */
function plainAddress(address: string): string {
  const octets = addressOctets(address);
  return Buffer.from(isMapped(octets) ? octets.subarray(12) : octets).toString('hex');
}

/** From one version to another, without what is said of SOA records twice. */
function between(before: Zone, after: Zone, { removed, added }: RecordDifference): Difference {
  return {
    before: before.soa,
    after: after.soa,
    deleted: removed.filter(one => one.type !== Type.SOA),
    added: added.filter(one => one.type !== Type.SOA),
  };
}
