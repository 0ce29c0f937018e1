// Zones that come from other servers and go to them, as part of a server: what its settings say of them is put in force, and
// what clients ask for that is for an authority is answered by them.
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { parseMemory } from '../base/memory.js';
import type { Random } from '../base/random.js';
import type { Transport } from '../transport/transport.js';
import { encodeName, foldName } from '../wire/name.js';
import type { CatalogOptions } from '../zone/catalog/consumer.js';
import type { RequestParts } from '../zone/authority/requests.js';
import type { OpenStream } from '../zone/transfer/primary-connection.js';
import { StreamOpener } from '../zone/transfer/open-stream.js';
import { Transfers, type ZoneTransferReport } from '../zone/transfers.js';
import type { ZoneStore } from '../zone/zone-store.js';
import type { Answerer, ListenerAsker } from './answerer.js';
import {
  fetchLimitsOf,
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
  readonly answerer: Answerer;
  /** UDP. */
  readonly transport: Transport;
  /** In the place of sockets. */
  readonly open?: OpenStream;
  /** What those are told who sign what anybody may ask; by default what the answerer says. */
  readonly answer?: RequestParts['answer'];
  readonly expired: (apex: Uint8Array, isExpired: boolean) => void;
}

export interface ZoneTransfersReport {
  fetching: number;
  sending: number;
  requests: Transfers['requests']['stats'];
  notifications: Transfers['notifier']['stats'] & { pending: number };
  zones: ZoneTransferReport[];
}

/** What settings say of zones, as far as it concerns other servers. */
export type ZonesSettings = TransferLimitSettings & {
  readonly zones: readonly ZoneTransferSettings[];
  readonly catalogs?: readonly CatalogOptions[];
};

export class ZoneTransfers {
  readonly #opener = new StreamOpener();
  readonly #transfers: Transfers;

  constructor(private readonly parts: ZoneTransfersParts) {
    const { clock, random, log, store, answerer, transport, expired } = parts;
    this.#transfers = new Transfers({
      clock,
      random,
      log,
      store,
      transport,
      open: parts.open ?? this.#opener.open,
      answer:
        parts.answer ??
        ((message, asker, reply) => answerer.answer(message, asker as ListenerAsker, octets => reply(octets))),
      expired,
    });
  }

  /** @param authorities certificates of those who may vouch for primaries over TLS (PEM) */
  use(settings: ZonesSettings, authorities?: string): void {
    const keys = tsigKeysOf(settings);
    const { zoneTransfers } = settings;
    this.#opener.trust(authorities);
    this.#transfers.use({
      keys,
      zones: settings.zones.map(zone => transferOptionsOf(zone, keys)),
      catalogs: settings.catalogs ?? [],
      folder: zoneTransfers.folder,
      limits: fetchLimitsOf(settings),
      journalLimits: {
        versions: zoneTransfers.journalVersions,
        octets: parseMemory(zoneTransfers.journalSize)!,
      },
    });
    const isInUse = settings.zones.length > 0 || (settings.catalogs?.length ?? 0) > 0;
    this.parts.answerer.authority = isInUse ? this.#transfers.requests : undefined;
  }

  /** Tells the zone's secondaries of it. @returns how many; undefined: it is not there */
  notify(name: string): number | undefined {
    return this.#transfers.notify(foldName(encodeName(name)));
  }
  /** Asks the zone's primaries now. @param whole all of it. @returns whether it is had from any */
  refresh(name: string, whole: boolean): boolean {
    return this.#transfers.refresh(foldName(encodeName(name)), whole);
  }

  report(): ZoneTransfersReport {
    const { requests, notifier, fetching } = this.#transfers;
    return {
      fetching,
      sending: requests.sending,
      requests: requests.stats,
      notifications: { ...notifier.stats, pending: notifier.pending },
      zones: this.#transfers.report(),
    };
  }

  close(): Promise<void> {
    this.parts.answerer.authority = undefined;
    return this.#transfers.close();
  }
}
