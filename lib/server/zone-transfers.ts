// Zones that come from other servers and go to them, as part of a server: what its settings say of them is put in force, and
// what clients ask for that is for an authority is answered by them.
import type { Clock } from '../base/clock.js';
import { optionError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { parseMemory } from '../base/memory.js';
import type { Random } from '../base/random.js';
import type { LocalAddress, Transport } from '../transport/transport.js';
import { encodeName, foldName, nameToText } from '../wire/name.js';
import type { RequestParts } from '../zone/authority/requests.js';
import type { OpenStream } from '../zone/transfer/primary-connection.js';
import { StreamOpener } from '../zone/transfer/open-stream.js';
import { Transfers, type TransfersParts, type ZoneTransferReport } from '../zone/transfers.js';
import type { ZoneStore } from '../zone/zone-store.js';
import type { Answerer, ListenerAsker } from './answerer.js';
import type { Prepared } from './prepared.js';
import {
  catalogOptionsOf,
  fetchLimitsOf,
  madeCatalogOf,
  type TransferLimitSettings,
  transferOptionsOf,
  tsigKeysOf,
  type ZoneTransferSettings,
} from './settings/zone-transfers.js';

export interface ZoneTransfersParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly store: ZoneStore;
  readonly held: ZoneStore;
  readonly answerer: Answerer;
  /** UDP. */
  readonly transport: Transport;
  readonly addressesOf: TransfersParts['addressesOf'];
  readonly isOwn: TransfersParts['isOwn'];
  /** In the place of sockets. */
  readonly open?: OpenStream;
  /** What those are told who sign what anybody may ask; by default what the answerer says. */
  readonly answer?: RequestParts['answer'];
}

export interface ZoneTransfersReport {
  fetching: number;
  sending: number;
  requests: Transfers['requests']['stats'];
  notifications: Transfers['notifier']['stats'] & { pending: number };
  /** Zones that are had from primaries, by their state. */
  secondaries: Record<'empty' | 'serving' | 'expired', number>;
  zones: ZoneTransferReport[];
}

/** What settings say of zones, as far as it concerns other servers. */
export type ZonesSettings = TransferLimitSettings & {
  readonly zones: readonly ZoneTransferSettings[];
};

export class ZoneTransfers {
  readonly #opener = new StreamOpener();
  readonly #transfers: Transfers;
  #hasBegun = false;

  constructor(private readonly parts: ZoneTransfersParts) {
    const { clock, random, log, store, held, answerer, transport, addressesOf, isOwn } = parts;
    this.#transfers = new Transfers({
      clock,
      random,
      log,
      store,
      held,
      transport,
      addressesOf,
      isOwn,
      open: parts.open ?? this.#opener.open,
      answer:
        parts.answer ??
        ((message, asker, reply) => answerer.answer(message, asker as ListenerAsker, octets => reply(octets))),
    });
  }

  /** Begins with what was kept of zones; resolves when that is served. */
  async begin(settings: ZonesSettings, authorities?: string, from?: LocalAddress): Promise<void> {
    this.#hasBegun = true;
    this.use(settings, authorities, from);
    await this.#transfers.begun();
  }

  /** Of a server that has begun. */
  prepare(settings: ZonesSettings, authorities: string | undefined, from: LocalAddress): Prepared {
    return {
      commit: () => {
        if (this.#hasBegun) this.use(settings, authorities, from);
      },
      discard: () => {},
    };
  }

  /**
   * @param authorities certificates of those who may vouch for primaries over TLS (PEM)
   * @param from addresses of this machine that primaries are asked from
   */
  use(settings: ZonesSettings, authorities?: string, from: LocalAddress = {}): void {
    const keys = tsigKeysOf(settings);
    const { zoneTransfers } = settings;
    const catalogs = settings.zones.filter(({ type }) => type === 'catalog');
    const isHad = (one: ZoneTransferSettings): boolean => one.primaries.length > 0;
    this.#opener.trust(authorities);
    this.#opener.from = from;
    this.#transfers.use({
      keys,
      zones: settings.zones.filter(({ type }) => type !== 'catalog').map(zone => transferOptionsOf(zone, keys)),
      catalogs: catalogs.filter(isHad).map(zone => catalogOptionsOf(zone, keys)),
      made: catalogs.filter(one => !isHad(one)).map(one => madeCatalogOf(one, settings.zones, keys)),
      folder: zoneTransfers.folder,
      limits: fetchLimitsOf(settings),
      journalLimits: {
        versions: zoneTransfers.journalVersions,
        octets: parseMemory(zoneTransfers.journalSize)!,
      },
    });
    this.parts.answerer.authority = settings.zones.length > 0 ? this.#transfers.requests : undefined;
  }

  /**
   * Tells the zone's secondaries of it, those of its `notify`; resolves when their names are looked up, where it has names.
   * @returns how many
   * @throws {ShardnsError} ERR_SHARDNS_OPTION where there is no such zone
   */
  async notify(name: string): Promise<number> {
    const told = await this.#transfers.notify(foldName(encodeName(name)));
    if (told !== undefined) return told;
    throw optionError('zone', name, 'one that is served');
  }
  /**
   * Asks the zone's primaries now.
   * @param whole for all of it, whatever its serial
   * @throws {ShardnsError} ERR_SHARDNS_OPTION where it is had from none
   */
  refresh(name: string, whole: boolean): void {
    if (this.#transfers.refresh(foldName(encodeName(name)), whole)) return;
    throw optionError('zone', name, 'one that is had from primaries');
  }

  /** @param most of the zones */
  report(most = Infinity): ZoneTransfersReport {
    const { requests, notifier, fetching } = this.#transfers;
    return {
      fetching,
      sending: requests.sending,
      requests: requests.stats,
      notifications: { ...notifier.stats, pending: notifier.pending },
      secondaries: this.#transfers.states(),
      zones: this.#transfers.report(most),
    };
  }

  /** What is said of each zone with what secondaries do not have of it, where there is such. */
  withDoubts<T extends { readonly name: string; readonly views: readonly string[] }>(
    zones: readonly T[],
  ): (T & { doubt?: string })[] {
    const doubts = this.#transfers.doubts();
    return zones.map(one => {
      // Zones of views go to nobody.
      const mayHave = doubts.size > 0 && one.views.length === 0;
      const doubt = mayHave ? doubts.get(nameToText(foldName(encodeName(one.name)))) : undefined;
      return doubt === undefined ? one : { ...one, doubt };
    });
  }

  close(): Promise<void> {
    this.parts.answerer.authority = undefined;
    return this.#transfers.close();
  }
}
