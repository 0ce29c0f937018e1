// `shardns serve`: from options to a running server, its signals, its logs and its service manager.
import pino, { type Logger } from 'pino';
import { checkControlPlace } from '../admin/control-socket.js';
import { createServer } from '../admin/create-server.js';
import { systemClock } from '../base/clock.js';
import { systemRandom } from '../base/random.js';
import { binding } from '../native/binding.js';
import { type InheritedSockets, NO_SOCKETS, takeInherited } from '../server/listeners/inherited.js';
import { DEFAULT_LISTEN } from '../server/settings/listeners.js';
import { readOptions, type ServerOptions } from '../server/settings/settings.js';
import { placesOf } from '../server/settings/upstreams.js';
import type { Server } from '../server/server.js';
import { applyFlags, type Flags, flagsFromEnvironment, readConfigFile, strangeVariables } from './config.js';
import { readConfigAside } from './config-thread.js';
import { defaultControlPath } from './control-path.js';
import { Ending } from './ending.js';
import { standardOutput } from './log-destination.js';
import { SelfQuery } from './self-query.js';
import { ServiceManager } from './service-manager.js';
import { signals } from './signals.js';
import { StatusLine } from './status-line.js';
import { SystemServers } from './system-servers.js';

/** How long the last lines of the log may take, when whoever reads them is slow. */
const FLUSH_MS = 1000;

export interface Gathered {
  options: ServerOptions;
  /** Whether the upstreams are those of /etc/resolv.conf: nobody names any, and recursion is not asked for. */
  follows: boolean;
}

/**
 * File < environment < flags.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION with one line a problem
 */
export function gatherOptions(
  flags: Flags,
  environment: NodeJS.ProcessEnv = process.env,
  system = new SystemServers(),
  inherited = NO_SOCKETS,
): Gathered {
  const path = configPath(flags, environment);
  const file = path === undefined ? {} : readConfigFile(path);
  return gatherOver(file, { flags, environment, system, inherited });
}

function configPath(flags: Flags, environment: NodeJS.ProcessEnv): string | undefined {
  return flags.config ?? flagsFromEnvironment(environment).config;
}

interface Around {
  flags: Flags;
  environment: NodeJS.ProcessEnv;
  system: SystemServers;
  inherited: InheritedSockets;
}

/** The same over what a file says. Where nobody says where to listen, sockets that were handed over do. */
function gatherOver(file: ServerOptions, { flags, environment, system, inherited }: Around): Gathered {
  let options = applyFlags(applyFlags(file, flagsFromEnvironment(environment)), flags);
  if (options.listen === undefined && inherited.size > 0) options = { ...options, listen: inherited.listen };
  readOptions(options);
  const follows = options.upstreams === undefined && options.resolver?.recursive !== true;
  if (follows) options = { ...options, upstreams: system.read(options.listen ?? DEFAULT_LISTEN).servers };
  return { options, follows };
}

export async function serve(flags: Flags): Promise<void> {
  const destination = standardOutput();
  const log = pino({ base: { pid: process.pid } }, destination);
  const system = new SystemServers(undefined, undefined, problem => log.warn({}, problem));
  for (const variable of strangeVariables(process.env)) {
    log.warn({ variable }, 'this variable of the environment is not read: shardns knows none of this name');
  }
  const manager = new ServiceManager(process.env, {
    clock: systemClock,
    pid: process.pid,
    monotonicUs: () => process.hrtime.bigint() / 1000n,
    send: (path, text) => binding().sendUnixDatagram(path, text),
  });
  const inherited = takeInherited(process.env, process.pid);
  const first = gatherOptions(flags, process.env, system, inherited);
  const control = await ownControl(first.options, log);
  first.options = { control, ...first.options };
  const settings = readOptions(first.options);
  log.level = settings.log.level;
  const server = await createServer(first.options, { log, inherited });
  log.info(
    {
      ...server.addresses(),
      upstreams: server.upstreams.map(one => one.label),
      memory: settings.cache.memory,
      metrics: settings.metrics?.listen,
      handedOver: inherited.size > 0 ? inherited.size : undefined,
    },
    'listening',
  );
  new Serving({ server, log, flags, system, first, control, inherited, manager }).begin(ended =>
    destination.flush(FLUSH_MS).then(() => ended),
  );
}

/** The place of the control socket where nobody names one, unless it cannot be had: that is told, and stops nothing. */
async function ownControl({ control }: ServerOptions, log: Logger): Promise<string | false> {
  const path = control === undefined ? defaultControlPath(process.env, process.getuid?.()) : undefined;
  if (path === undefined) return false;
  try {
    await checkControlPlace(path);
    return path;
  } catch (error) {
    log.info({ path, reason: (error as Error).message }, 'without a control socket');
    return false;
  }
}

interface ServingParts {
  readonly server: Server;
  readonly log: Logger;
  readonly flags: Flags;
  readonly system: SystemServers;
  readonly first: Gathered;
  /** Where it is controlled, when nobody says. */
  readonly control: string | false;
  readonly inherited: InheritedSockets;
  readonly manager: ServiceManager;
}

/** A server that runs: what changes it, and what ends it. */
class Serving {
  /** Changes, one after another. */
  #changing: Promise<void> = Promise.resolve();
  readonly #ending = new Ending();

  readonly #self: SelfQuery;

  constructor(private readonly parts: ServingParts) {
    const { server } = parts;
    this.#self = new SelfQuery({
      clock: systemClock,
      random: systemRandom,
      addresses: () => server.addresses().udp,
      replies: () => (server.plane?.stats().sent ?? 0) + server.listeners.udpStats().sent,
    });
  }

  begin(flush: (code: number) => Promise<number>): void {
    this.#tellWhomIsAsked(this.parts.first);
    this.#follow(this.parts.first);
    const { manager, server } = this.parts;
    const status = new StatusLine(server, systemClock);
    manager.ready({ status: () => status.next(), isWell: withinMs => this.#self.isWell(withinMs) });
    signals.on('SIGHUP', () => this.#change(() => manager.reloading(() => this.#reload())));
    signals.on('SIGUSR1', () => this.parts.log.info(this.#statistics(), 'statistics'));
    signals.on('SIGUSR2', () => {
      const { level } = this.parts.server.settings.log;
      this.parts.log.level = this.parts.log.level === 'debug' ? level : 'debug';
      // `level` is the line's own.
      this.parts.log.info({ switchedTo: this.parts.log.level }, 'the level of the log was switched');
    });
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      signals.on(signal, () => {
        const meant = this.#ending.came();
        if (meant === 'now') process.exit(1);
        if (meant === 'go on') return;
        void this.#stop(signal)
          .then(flush)
          .then(code => process.exit(code));
      });
    }
  }

  /** What goes wrong is told; what was before stays. */
  #change(change: () => Promise<void>): void {
    this.#changing = this.#changing.then(change).catch((error: unknown) => {
      if (!this.#ending.begun) {
        this.parts.log.error(
          { reason: (error as Error).message },
          'the new configuration is refused; the old one stays',
        );
      }
    });
  }

  async #reload(): Promise<void> {
    const { flags, system, server, log, inherited } = this.parts;
    const path = configPath(flags, process.env);
    const file = path === undefined ? {} : await readConfigAside(path);
    const next = gatherOver(file, { flags, environment: process.env, system, inherited });
    // Queries have their turn between the check of many zones and what is made of them.
    await new Promise(resolve => setImmediate(resolve));
    await server.replace({ control: this.parts.control, ...next.options });
    log.level = server.settings.log.level;
    this.#self.forget();
    this.#follow(next);
    log.info({ entries: server.engine.stats().entries }, 'configuration read again; the cache was kept');
    this.#tellWhomIsAsked(next);
  }

  /** Takes up what resolv.conf names from now on; what other servers have said is not believed any more. */
  #follow({ options, follows }: Gathered): void {
    this.parts.system.stop();
    if (!follows) return;
    const { server } = this.parts;
    const listen = (): readonly string[] => [...server.addresses().udp, ...(options.listen ?? DEFAULT_LISTEN)];
    this.parts.system.follow(options.upstreams as string[], listen, upstreams =>
      this.#change(async () => {
        await server.update({ upstreams });
        server.invalidate('all');
        this.parts.log.info({ upstreams }, 'resolv.conf names other servers: what was cached is forgotten');
        this.#tellWhomIsAsked({ options: { ...options, upstreams }, follows });
      }),
    );
  }

  #tellWhomIsAsked({ options, follows }: Gathered): void {
    const { server, log } = this.parts;
    const nobody = { own: [], unread: [] };
    const { own, unread } = follows ? this.parts.system.read(options.listen ?? DEFAULT_LISTEN) : nobody;
    if (unread.length > 0) {
      const instead = server.upstreams.map(one => one.label);
      log.warn(
        { unread, upstreams: instead },
        'resolv.conf names what is no address of a name server: it is passed over',
      );
    }
    const asks = [...placesOf(server.settings).values()].some(places => places.length > 0);
    if (asks && options.resolver?.recursive !== true) return;
    if (own.length > 0) {
      log.warn({ own }, 'resolv.conf names only this server: names are resolved from the root until it names another');
    } else if (server.recursor?.options.recursive === true) log.info({}, 'names are resolved from the root');
    else log.warn({}, 'no upstream: only built-in and configured zones and cached names are answered');
  }

  #statistics(): object {
    const { server } = this.parts;
    const { entries, hitsPositive, hitsNegative, hitsFailure, hitsStale, misses } = server.engine.stats();
    return {
      entries,
      hits: hitsPositive + hitsNegative + hitsFailure + hitsStale,
      misses,
      inFlight: server.resolver.inFlight,
      tcpConnections: server.tcpConnections.size,
      upstreams: server.upstreams.map(({ label, stats }) => ({ server: label, ...stats })),
      residentBytes: process.memoryUsage.rss(),
    };
  }

  /** @returns the exit status */
  async #stop(signal: string): Promise<number> {
    this.parts.manager.stopping();
    this.parts.system.stop();
    const { lameduckSeconds } = this.parts.server.settings;
    this.parts.log.info({ signal, lameduckSeconds: lameduckSeconds || undefined }, 'draining');
    try {
      await this.parts.server.drain();
      this.parts.log.info({}, 'stopped');
      return 0;
    } catch (error) {
      this.parts.log.error({ err: error }, 'it did not stop as it should');
      return 1;
    }
  }
}
