// A server whose zones go to and come from other servers over real sockets, with a log that tests read.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from '../../lib/admin/create-server.js';
import { silentLogger } from '../../lib/base/log.js';
import type { Server } from '../../lib/server/server.js';
import type { ServerOptions } from '../../lib/server/settings/settings.js';
import { encodeName } from '../../lib/wire/name.js';
import type { Zone } from '../../lib/zone/zone.js';
import { zoneText } from '../../lib/zone/zone-text.js';

type ZoneOptions = NonNullable<ServerOptions['zones']>[number];

export class TransferringServer {
  readonly lines: string[] = [];
  server!: Server;
  private constructor(private readonly folder: string) {}

  /** @param own zones of its own, which are there from the start; zones without primaries have files of that name */
  static async start(
    options: Omit<ServerOptions, 'zones'> & { zones: Omit<ZoneOptions, 'type'>[] },
    own: readonly Zone[] = [],
  ): Promise<TransferringServer> {
    const one = new TransferringServer(mkdtempSync(join(tmpdir(), 'shardns-files-')));
    for (const zone of own) one.#write(zone);
    const zones = options.zones.map((zone): ZoneOptions =>
      (zone.primaries ?? []).length > 0 ? { ...zone, type: 'secondary' } : { ...zone, file: one.#fileOf(zone.name) },
    );
    const say = (level: string) => (fields: object, text: string) =>
      void one.lines.push(`${level} ${text} ${JSON.stringify(fields)}`);
    const log = { ...silentLogger, info: say('info'), warn: say('warn'), error: say('error') };
    one.server = await createServer({ threads: 1, zonesOnly: true, ...options, zones }, { log });
    return one;
  }

  #fileOf = (name: string): string => join(this.folder, `${name.replace(/\.$/, '')}.zone`);
  #write(zone: Zone): void {
    writeFileSync(this.#fileOf(zone.name), [...zoneText(zone)].join(''));
  }

  /** A new version of a zone of its own, by its file. */
  change(zone: Zone): void {
    this.#write(zone);
    // A small file is read before this returns.
    void this.server.zones.reload(zone.name);
  }
  zone(name: string): Zone | undefined {
    return this.server.zones.served.everyone.get(encodeName(name));
  }
  /** Lines of the log with these words. */
  said(...words: string[]): string[] {
    return this.lines.filter(line => words.every(word => line.includes(word)));
  }
  async close(): Promise<void> {
    await this.server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
