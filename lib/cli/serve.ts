// `shardns serve`: from options to a running server, its signals and its logs.
import pino, { type Logger } from 'pino';
import { checkControlPlace } from '../admin/control-socket.js';
import { createServer } from '../admin/create-server.js';
import { DEFAULT_LISTEN } from '../server/settings/listeners.js';
import { readOptions, type ServerOptions } from '../server/settings/settings.js';
import { placesOf } from '../server/settings/upstreams.js';
import type { Server } from '../server/server.js';
import { applyFlags, type Flags, flagsFromEnvironment, readConfigFile, strangeVariables } from './config.js';
import { readConfigAside } from './config-thread.js';
import { defaultControlPath } from './control-path.js';
import { Ending } from './ending.js';
import { standardOutput } from './log-destination.js';
import { signals } from './signals.js';
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
): Gathered {
  const path = configPath(flags, environment);
  const file = path === undefined ? {} : readConfigFile(path);
  return gatherOver(file, { flags, environment, system });
}

function configPath(flags: Flags, environment: NodeJS.ProcessEnv): string | undefined {
  return flags.config ?? flagsFromEnvironment(environment).config;
}

/** The same over what a file says. */
function gatherOver(
  file: ServerOptions,
  { flags, environment, system }: { flags: Flags; environment: NodeJS.ProcessEnv; system: SystemServers },
): Gathered {
  let options = applyFlags(applyFlags(file, flagsFromEnvironment(environment)), flags);
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
  const first = gatherOptions(flags, process.env, system);
  const control = await ownControl(first.options, log);
  first.options = { control, ...first.options };
  const settings = readOptions(first.options);
  log.level = settings.log.level;
  const server = await createServer(first.options, { log });
  log.info(
    {
      ...server.addresses(),
      upstreams: server.upstreams.map(one => one.label),
      memory: settings.cache.memory,
      metrics: settings.metrics?.listen,
    },
    'listening',
  );
  new Serving(server, log, flags, system, first, control).begin(ended => destination.flush(FLUSH_MS).then(() => ended));
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

/** A server that runs: what changes it, and what ends it. */
class Serving {
  /** Changes, one after another. */
  #changing: Promise<void> = Promise.resolve();
  readonly #ending = new Ending();

  constructor(
    private readonly server: Server,
    private readonly log: Logger,
    private readonly flags: Flags,
    private readonly system: SystemServers,
    private readonly first: Gathered,
    /** Where it is controlled, when nobody says. */
    private readonly control: string | false,
  ) {}

  begin(flush: (code: number) => Promise<number>): void {
    this.#tellWhomIsAsked(this.first);
    this.#follow(this.first);
    signals.on('SIGHUP', () => this.#change(() => this.#reload()));
    signals.on('SIGUSR1', () => this.log.info(this.#statistics(), 'statistics'));
    signals.on('SIGUSR2', () => {
      const { level } = this.server.settings.log;
      this.log.level = this.log.level === 'debug' ? level : 'debug';
      // `level` is the line's own.
      this.log.info({ switchedTo: this.log.level }, 'the level of the log was switched');
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
        this.log.error({ reason: (error as Error).message }, 'the new configuration is refused; the old one stays');
      }
    });
  }

  async #reload(): Promise<void> {
    const { flags, system } = this;
    const path = configPath(flags, process.env);
    const file = path === undefined ? {} : await readConfigAside(path);
    const next = gatherOver(file, { flags, environment: process.env, system });
    // Queries have their turn between the check of many zones and what is made of them.
    await new Promise(resolve => setImmediate(resolve));
    await this.server.replace({ control: this.control, ...next.options });
    this.log.level = this.server.settings.log.level;
    this.#follow(next);
    this.log.info({ entries: this.server.engine.stats().entries }, 'configuration read again; the cache was kept');
    this.#tellWhomIsAsked(next);
  }

  /** Takes up what resolv.conf names from now on; what other servers have said is not believed any more. */
  #follow({ options, follows }: Gathered): void {
    this.system.stop();
    if (!follows) return;
    const { server } = this;
    const listen = (): readonly string[] => [...server.addresses().udp, ...(options.listen ?? DEFAULT_LISTEN)];
    this.system.follow(options.upstreams as string[], listen, upstreams =>
      this.#change(async () => {
        await server.update({ upstreams });
        server.invalidate('all');
        this.log.info({ upstreams }, 'resolv.conf names other servers: what was cached is forgotten');
        this.#tellWhomIsAsked({ options: { ...options, upstreams }, follows });
      }),
    );
  }

  #tellWhomIsAsked({ options, follows }: Gathered): void {
    const { server, log } = this;
    const nobody = { own: [], unread: [] };
    const { own, unread } = follows ? this.system.read(options.listen ?? DEFAULT_LISTEN) : nobody;
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
    const { server } = this;
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
    this.system.stop();
    this.log.info({ signal }, 'draining');
    try {
      await this.server.drain();
      this.log.info({}, 'stopped');
      return 0;
    } catch (error) {
      this.log.error({ err: error }, 'it did not stop as it should');
      return 1;
    }
  }
}
