// All that goes from server to server: which zones are had from primaries, who is sent and told what, what is kept for the
// next start. The zones that are served are the store's; whoever puts one there by other ways, as out of a file, is followed.
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { Transport } from '../transport/transport.js';
import { nameKey } from '../wire/name.js';
import { AuthorityRequests, type RequestParts } from './authority/requests.js';
import { CatalogConsumer, type CatalogOptions } from './catalog/consumer.js';
import { type ListedZone, nextCatalog } from './catalog/make-catalog.js';
import { NameServers, type NameServersParts } from './name-servers.js';
import { Notifier } from './notifier.js';
import { Secondary, type SecondaryReport } from './secondary.js';
import { isNewer } from './serial.js';
import { type FetchLimits, fetchZone } from './transfer/fetch-zone.js';
import type { JournalLimits } from './transfer/journal.js';
import { TransferPlaces } from './transfer/places.js';
import { type OpenStream, peerText } from './transfer/primary-connection.js';
import { TransferredZone, type TransferOptions } from './transferred-zone.js';
import { TsigKeys } from './tsig/key.js';
import { ZoneFiles } from './zone-files.js';
import type { ZoneChange, ZoneStore } from './zone-store.js';
import type { Zone } from './zone.js';

/** Zones that are had at a time: in all, and from one server. */
const FETCHES = 16;
const FETCHES_OF_PEER = 4;

export interface TransfersParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly store: ZoneStore;
  /** Zones that are this server's own recursion's, and answered to nobody. */
  readonly held: ZoneStore;
  /** UDP, for notifications. */
  readonly transport: Transport;
  readonly open: OpenStream;
  /** Of servers by their names, and whether one is this server: who is told of changes. */
  readonly addressesOf: NameServersParts['addressesOf'];
  readonly isOwn: NameServersParts['isOwn'];
  readonly answer: RequestParts['answer'];
}

/** A catalog that is made here, for those who follow it. */
export interface MadeCatalog {
  readonly transfer: TransferOptions;
  readonly zones: readonly ListedZone[];
}

export interface TransfersOptions {
  readonly zones: readonly TransferOptions[];
  readonly catalogs: readonly CatalogOptions[];
  /** Lists of its own. */
  readonly made: readonly MadeCatalog[];
  readonly keys: TsigKeys;
  /** Where zones are kept; undefined: nowhere. */
  readonly folder: string | undefined;
  readonly limits: FetchLimits;
  readonly journalLimits: JournalLimits;
}

export interface ZoneTransferReport {
  name: string;
  /** Clients, or this server's own recursion. */
  serves: 'clients' | 'recursion';
  serial: number | undefined;
  journal: { versions: number; octets: number };
  primaries: string[];
  secondary: SecondaryReport | undefined;
}

export class Transfers {
  readonly requests: AuthorityRequests;
  readonly notifier: Notifier;
  readonly #nameServers: NameServers;
  readonly #zones = new Map<string, TransferredZone>();
  readonly #catalogs = new Map<string, CatalogConsumer>();
  readonly #places = new TransferPlaces(FETCHES, FETCHES_OF_PEER);
  readonly #unfollow: readonly (() => void)[];
  #options: TransfersOptions;
  #files: ZoneFiles | undefined;
  /** What the store is being given from here, with what has changed. */
  #isOwn = false;
  #isClosed = false;
  /** Zones that are read from files of their own. */
  readonly #beginning = new Set<Promise<void>>();

  constructor(private readonly parts: TransfersParts) {
    this.#options = {
      zones: [],
      catalogs: [],
      made: [],
      keys: new TsigKeys(),
      folder: undefined,
      limits: { maxRecords: 0, maxOctets: 0, transferOctets: 0, transferMs: 0 },
      journalLimits: { versions: 0, octets: 0 },
    };
    const { clock, random, log, transport, store, held, answer } = parts;
    this.notifier = new Notifier({ clock, random, log, transport });
    this.#nameServers = new NameServers({ clock, log, addressesOf: parts.addressesOf, isOwn: parts.isOwn });
    this.requests = new AuthorityRequests({
      clock,
      log,
      answer,
      keys: () => this.#options.keys,
      link: apex => this.#zones.get(nameKey(apex)),
    });
    this.#unfollow = [store, held].map(one => one.onChange(change => this.#follow(change, one)));
  }

  #follow({ apex, after }: ZoneChange, of: ZoneStore): void {
    const zone = this.#isOwn ? undefined : this.#zones.get(nameKey(apex));
    if (zone === undefined || zone.secondary !== undefined || this.#storeOf(zone) !== of) return;
    if (after === undefined) zone.gone();
    else this.#replaced(zone, after);
  }
  #storeOf({ options }: TransferredZone): ZoneStore {
    return options.isHeld === true ? this.parts.held : this.parts.store;
  }

  /** Zones that are being had from primaries. */
  get fetching(): number {
    return this.#places.underWay;
  }

  /** From now on these; those that stay go on as they are. */
  use(options: TransfersOptions): void {
    const before = this.#options;
    this.#options = options;
    if (options.folder !== before.folder || this.#files === undefined) {
      this.#files = options.folder === undefined ? undefined : new ZoneFiles(options.folder);
    }
    const made = options.made.map(one => one.transfer);
    const wanted = new Map([...options.zones, ...made].map(one => [nameKey(one.apex), one]));
    const listed = new Map(
      [...this.#catalogs.values()].flatMap(one => [...one.zones()].map(z => [nameKey(z.apex), z])),
    );
    for (const [key] of this.#zones) if (!wanted.has(key) && !listed.has(key)) this.#drop(key);
    for (const zone of wanted.values()) this.#add(zone);
    this.#useCatalogs(options.catalogs);
    for (const one of options.made) this.#make(one);
  }

  #useCatalogs(catalogs: readonly CatalogOptions[]): void {
    const wanted = new Map(catalogs.map(one => [nameKey(one.apex), one]));
    for (const [key, catalog] of this.#catalogs) {
      if (wanted.has(key)) continue;
      // A catalog that is configured no more takes its zones with it; one that cannot be had does not.
      for (const zone of catalog.zones()) this.#drop(nameKey(zone.apex));
      this.#catalogs.delete(key);
      this.#drop(key);
    }
    for (const [key, options] of wanted) {
      const known = this.#catalogs.get(key);
      if (known !== undefined) {
        known.use(options);
        continue;
      }
      const catalog = new CatalogConsumer(options, {
        log: this.parts.log,
        add: zone => this.#add(zone),
        drop: (apex, forget) => this.#drop(nameKey(apex), forget),
        ownerOf: apex => this.#ownerOf(apex),
      });
      this.#catalogs.set(key, catalog);
      this.#add(options.transfer, catalog);
    }
  }

  /** Another version where it lists other zones. */
  #make({ transfer: { apex }, zones }: MadeCatalog): void {
    const link = this.#zones.get(nameKey(apex))!;
    const next = nextCatalog({ apex, zones }, link.zone, this.parts.clock.wallSeconds());
    if (next !== undefined) link.replaced(next);
  }

  #ownerOf(apex: Uint8Array): CatalogConsumer | 'configured' | undefined {
    const key = nameKey(apex);
    const { zones, made } = this.#options;
    const isConfigured = [...zones, ...made.map(one => one.transfer)].some(one => nameKey(one.apex) === key);
    if (isConfigured || this.#catalogs.has(key)) return 'configured';
    return [...this.#catalogs.values()].find(one => one.has(apex));
  }

  #add(options: TransferOptions, catalog?: CatalogConsumer): void {
    const { clock, log } = this.parts;
    const key = nameKey(options.apex);
    const known = this.#zones.get(key);
    if (known !== undefined && (known.options.isHeld === true) !== (options.isHeld === true)) this.#drop(key);
    else if (known !== undefined) {
      known.options = options;
      if (known.secondary !== undefined && options.primaries.length > 0) {
        known.secondary.options = this.#secondaryOptions(options);
        return;
      }
      if (known.secondary === undefined && options.primaries.length === 0) return;
      this.#drop(key);
    }
    const zone: TransferredZone = new TransferredZone(options, {
      log,
      files: this.#files,
      limits: this.#options.limits,
      journalLimits: this.#options.journalLimits,
      clock,
      serve: version => this.#serve(zone, version),
      notify: changed => this.#tell(changed),
    });
    this.#zones.set(key, zone);
    if (options.primaries.length > 0) this.#beginSecondary(zone, catalog);
    else {
      const served = this.#storeOf(zone).get(options.apex);
      if (served !== undefined) this.#replaced(zone, served);
    }
  }

  /** Out of a file, or by other ways that are not ours. */
  #replaced(zone: TransferredZone, version: Zone): void {
    const before = zone.zone;
    if (before === undefined) {
      zone.replaced(version);
      if (!zone.takesUpdates) return;
      zone.restore(version);
      this.#awaits(zone.restored);
    } else if (zone.takesUpdates && zone.journal.versions > 0 && !isNewer(version.serial, before.serial)) {
      // What updates have made is not undone by a file that does not know of it.
      const fields = { zone: zone.name, serial: before.serial, file: version.serial };
      this.parts.log.warn(fields, 'a zone that was updated is not replaced by an older version: raise its serial');
      zone.unserved = `its file has serial ${version.serial}, and is not served until that is beyond ${before.serial}, which updates have made of it`;
      this.#serve(zone, before);
    } else zone.replaced(version);
  }

  #secondaryOptions(options: TransferOptions) {
    const { apex, primaries, needsDigest } = options;
    return { apex, primaries, limits: this.#options.limits, needsDigest };
  }

  #beginSecondary(zone: TransferredZone, catalog: CatalogConsumer | undefined): void {
    const { clock, random, log, open } = this.parts;
    const secondary = new Secondary(this.#secondaryOptions(zone.options), {
      clock,
      random,
      log,
      fetch: (args, begun) =>
        this.#places.run(peerText(args.peer), () => fetchZone(args, { clock, random, open }, begun)),
      serve: (version, difference) => {
        if (version === undefined) {
          zone.gone();
          if (catalog === undefined) this.#suspend(zone, 'expired');
          return;
        }
        zone.replaced(version, difference);
        if (catalog !== undefined) catalog.read(version);
        else this.#serve(zone, version);
      },
      keep: (version, difference, expireSeconds) => zone.keep(version, difference, expireSeconds),
      confirm: (_, expireSeconds) => zone.confirm(expireSeconds),
      load: () => zone.load(),
    });
    zone.secondary = secondary;
    if (catalog === undefined && this.#storeOf(zone).get(zone.apex) === undefined) this.#suspend(zone, 'pending');
    this.#awaits(secondary.begin());
  }

  #awaits(beginning: Promise<void>): void {
    const begun = beginning.finally(() => this.#beginning.delete(begun));
    this.#beginning.add(begun);
  }

  #suspend(zone: TransferredZone, reason: 'pending' | 'expired'): void {
    this.#isOwn = true;
    try {
      this.#storeOf(zone).suspend(zone.apex, reason);
    } finally {
      this.#isOwn = false;
    }
  }

  /** When what was kept of zones is served. */
  async begun(): Promise<void> {
    await Promise.all(this.#beginning);
  }

  #serve(zone: TransferredZone, version: Zone | undefined): void {
    this.#isOwn = true;
    try {
      if (version === undefined) this.#storeOf(zone).remove(zone.apex);
      else this.#storeOf(zone).replace(version);
    } finally {
      this.#isOwn = false;
    }
  }

  /** @param forget also what is kept of it */
  #drop(key: string, forget = false): void {
    const zone = this.#zones.get(key);
    if (zone === undefined) return;
    this.#zones.delete(key);
    zone.secondary?.close();
    this.notifier.forget(zone.apex);
    this.#nameServers.forget(zone.apex);
    // Somebody else may serve a zone of that name by now.
    const isServed = zone.secondary !== undefined && this.#storeOf(zone).get(zone.apex) === zone.zone;
    if (isServed && !this.#isClosed) this.#serve(zone, undefined);
    if (!forget) return;
    void this.#files?.remove(zone.apex).catch((error: unknown) => {
      this.parts.log.warn({ zone: zone.name, reason: (error as Error).message }, 'what is kept of a zone stays');
    });
  }

  /** @param apex folded */
  find(apex: Uint8Array): TransferredZone | undefined {
    return this.#zones.get(nameKey(apex));
  }

  /** A zone has changed: those of its options are told at once, its name servers when they are looked up. */
  #tell(link: TransferredZone): void {
    const { apex, options } = link;
    this.notifier.notify(apex, link.zone!.soa, options.notify);
    if (options.notifyServers !== undefined) this.#nameServers.after(apex, () => void this.#tellServers(link));
  }
  /** @returns how many */
  async #tellServers(link: TransferredZone): Promise<number> {
    const { zone, options } = link;
    if (zone === undefined || options.notifyServers === undefined) return 0;
    const servers = await this.#nameServers.find(zone, options.notifyServers.key, options.notify);
    // It may have gone meanwhile, or changed again: they are told of what is served now.
    if (this.#isClosed || this.find(link.apex) !== link || link.zone === undefined) return 0;
    this.notifier.notify(link.apex, link.zone.soa, servers);
    return servers.length;
  }

  /** Tells the zone's secondaries of it now. @returns how many; undefined: there is no such zone, or nothing to tell */
  async notify(apex: Uint8Array): Promise<number | undefined> {
    const link = this.find(apex);
    if (link?.zone === undefined) return undefined;
    this.notifier.notify(apex, link.zone.soa, link.options.notify);
    return link.options.notify.length + (await this.#tellServers(link));
  }

  /** Asks the zone's primaries now. @param whole for all of it. @returns whether it is a secondary's */
  refresh(apex: Uint8Array, whole: boolean): boolean {
    const secondary = this.find(apex)?.secondary;
    secondary?.refresh(whole);
    return secondary !== undefined;
  }

  /** What is to be done for files, zones and secondaries to be the same, by the zone's name. */
  doubts(): Map<string, string> {
    const doubts = new Map<string, string>();
    for (const { name, doubt } of this.#zones.values()) if (doubt !== undefined) doubts.set(name, doubt);
    return doubts;
  }

  /** @param most of them */
  report(most = Infinity): ZoneTransferReport[] {
    const reports: ZoneTransferReport[] = [];
    for (const { name, zone, journal, options, secondary } of this.#zones.values()) {
      if (reports.length >= most) break;
      reports.push({
        name,
        serves: options.isHeld === true ? 'recursion' : 'clients',
        serial: zone?.serial,
        journal: { versions: journal.versions, octets: journal.octets },
        primaries: options.primaries.map(peerText),
        secondary: secondary?.report(),
      });
    }
    return reports;
  }
  states(): Record<SecondaryReport['state'], number> {
    const states = { empty: 0, serving: 0, expired: 0 };
    for (const { secondary } of this.#zones.values()) if (secondary !== undefined) states[secondary.state]++;
    return states;
  }

  /** Resolves when nothing is written any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const unfollow of this.#unfollow) unfollow();
    this.notifier.close();
    this.#nameServers.close();
    this.requests.close();
    for (const zone of this.#zones.values()) zone.secondary?.close();
    await Promise.all([...this.#zones.values()].map(zone => zone.kept));
    await this.#files?.settled();
  }
}
