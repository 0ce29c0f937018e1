// A server whose zones go to and come from other servers over real sockets.
import { systemClock } from '../../lib/base/clock.js';
import { silentLogger, type Logger } from '../../lib/base/log.js';
import { systemRandom } from '../../lib/base/random.js';
import { createServer } from '../../lib/admin/create-server.js';
import type { Server } from '../../lib/server/server.js';
import { ZoneTransfers, type ZonesSettings } from '../../lib/server/zone-transfers.js';
import { tunablesOf } from '../../lib/server/settings/compile.js';
import type { ServerOptions } from '../../lib/server/settings/settings.js';
import { encodeName } from '../../lib/wire/name.js';
import { Query } from '../../lib/wire/query.js';
import { answerFromZones } from '../../lib/zone/answer.js';
import type { Zone } from '../../lib/zone/zone.js';
import { ZoneStore } from '../../lib/zone/zone-store.js';

/** A zone's settings with nothing said. */
export const zoneSettings = (name: string, more: Partial<ZonesSettings['zones'][number]> = {}) => ({
  name,
  primaries: [],
  notify: [],
  allowTransfer: [],
  allowNotify: [],
  allowUpdate: [],
  requireDigest: false,
  ...more,
});

export const TRANSFER_LIMITS = {
  folder: undefined as string | undefined,
  maxRecords: 10_000_000,
  maxOctets: '1GiB',
  maxTransfer: '4GiB',
  maxTransferSeconds: 7200,
  journalVersions: 1000,
  journalSize: '16MiB',
};

export class TransferringServer {
  readonly store = new ZoneStore();
  readonly lines: string[] = [];
  readonly expired = new Set<string>();
  transfers!: ZoneTransfers;
  private constructor(readonly server: Server) {}

  static async start(options: ServerOptions, settings: ZonesSettings): Promise<TransferringServer> {
    const server = await createServer({ threads: 1, upstreams: ['192.0.2.53'], ...options });
    const one = new TransferringServer(server);
    server.engine.configure({ ...tunablesOf(server.settings), authority: 1 });
    const say = (level: string) => (fields: unknown, text?: string) =>
      void one.lines.push(`${level} ${text ?? ''} ${JSON.stringify(fields)}`);
    const log: Logger = { ...silentLogger, info: say('info'), warn: say('warn'), error: say('error') } as Logger;
    one.transfers = new ZoneTransfers({
      clock: systemClock,
      random: systemRandom,
      log,
      store: one.store,
      answerer: server.answerer,
      transport: server.udpTransport,
      expired: (apex, isExpired) => {
        const name = Buffer.from(apex).toString('latin1');
        if (isExpired) one.expired.add(name);
        else one.expired.delete(name);
      },
      answer: (message, _, reply) => {
        const query = new Query(message);
        const found = answerFromZones(one.store, {
          ...query,
          message,
          name: query.name,
          type: query.type,
          dnssecOk: query.dnssecOk,
        } as never);
        if (found !== undefined) message.slice(0, 2).forEach((octet, i) => (found.message[i] = octet));
        reply(found?.message);
      },
    });
    one.transfers.use(settings);
    return one;
  }

  zone(name: string): Zone | undefined {
    return this.store.get(encodeName(name));
  }
  async close(): Promise<void> {
    await this.transfers.close();
    await this.server.close();
  }
}
