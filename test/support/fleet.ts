// Instances of a fleet, each a resolver on the same fake clock, around one fake Redis.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../lib/base/log.js';
import type { Hooks } from '../../lib/resolve/hooks.js';
import { Fleet } from '../../lib/server/fleet.js';
import type { ServerOptions } from '../../lib/server/settings/settings.js';
import { FakeClock, settle } from './fake-clock.js';
import { FakeRedis } from './fake-redis.js';
import type { Handler } from './fake-transport.js';
import { slowPath } from './slow-path.js';

const random = { uint32: () => 0xffff_ffff };

/** A file with a secret. */
export function secretFile(text = 'a secret of thirty-two octets...'): string {
  const file = join(mkdtempSync(join(tmpdir(), 'shardns-secret-')), 'secret');
  writeFileSync(file, `${text}\n`);
  return file;
}

export type Member = Awaited<ReturnType<FakeFleet['member']>>;

export class FakeFleet {
  readonly clock = new FakeClock();
  readonly redis = new FakeRedis(this.clock);
  /** Those of other regions, by their host's name. */
  readonly others = new Map<string, FakeRedis>();
  readonly secret = secretFile();
  readonly members: { age(ms: number): void; fleet: Fleet }[] = [];

  async member(handler: Handler, options: ServerOptions = {}, hooks: Hooks = {}) {
    const second = { redis: ['redis://fake'], secretFiles: [this.secret], ...options.secondLevel };
    const path = slowPath(handler, { ...options, secondLevel: second }, hooks, { clock: this.clock });
    const { resolver, engine, settings } = path;
    const forgotten: unknown[] = [];
    const fleet = new Fleet(
      {
        clock: this.clock,
        random,
        log: silentLogger,
        connect: ({ places: [{ host }] }) => (this.others.get(host) ?? this.redis).make,
        forget: what => {
          forgotten.push(what);
          resolver.forget(what);
        },
        engine,
        sharesEngine: false,
        upstreams: () => resolver.groups.get('default') ?? [],
      },
      settings,
    );
    resolver.level = fleet.answers;
    fleet.begin();
    await settle();
    const member = {
      ...path,
      fleet,
      forgotten,
      /** As the server does it. */
      invalidate: (what: Parameters<Fleet['invalidate']>[0]) => {
        resolver.forget(what);
        fleet.invalidate(what);
      },
      get asked() {
        return path.udp.asked.length;
      },
    };
    this.members.push(member);
    return member;
  }

  async advance(ms: number): Promise<void> {
    for (const one of this.members) one.age(ms);
    await this.clock.advance(ms);
  }
  async close(): Promise<void> {
    await Promise.all(this.members.map(({ fleet }) => fleet.close()));
  }
}
