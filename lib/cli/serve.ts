// `shardns serve`: from options to a running server, its signals and its logs.
import pino from 'pino';
import { createServer } from '../admin/create-server.js';
import { ShardnsError } from '../base/errors.js';
import { readOptions, type ServerOptions } from '../server/options.js';
import { applyFlags, type Flags, flagsFromEnvironment, readConfigFile, upstreamsFromResolvConf } from './config.js';

/** File < environment < flags; upstreams of /etc/resolv.conf where nobody names any and recursion is not asked for. */
export function gatherOptions(flags: Flags, environment: NodeJS.ProcessEnv = process.env): ServerOptions {
  const fromEnvironment = flagsFromEnvironment(environment);
  const path = flags.config ?? fromEnvironment.config;
  let options: ServerOptions = path === undefined ? {} : readConfigFile(path);
  options = applyFlags(applyFlags(options, fromEnvironment), flags);
  if (options.resolver?.recursive !== true) options.upstreams ??= upstreamsFromResolvConf();
  readOptions(options);
  return options;
}

export async function serve(flags: Flags): Promise<void> {
  const options = gatherOptions(flags);
  const settings = readOptions(options);
  const log = pino({ level: settings.log.level, base: { pid: process.pid } });
  const server = await createServer(options, { log });
  log.info(
    {
      ...server.addresses(),
      upstreams: server.upstreams.map(one => one.label),
      memory: settings.cache.memory,
      metrics: settings.metrics,
    },
    'listening',
  );
  if (server.upstreams.length === 0) {
    if (server.recursor?.options.recursive === true) log.info({}, 'names are resolved from the root');
    else log.warn({}, 'no upstream: only built-in and configured zones and cached names are answered');
  }

  let reloading = Promise.resolve();
  process.on('SIGHUP', () => {
    reloading = reloading.then(async () => {
      try {
        const next = gatherOptions(flags);
        await server.replace(next);
        log.level = server.settings.log.level;
        log.info({ entries: server.engine.stats().entries }, 'configuration read again; the cache was kept');
      } catch (error) {
        log.error({ reason: (error as ShardnsError).message }, 'the new configuration is refused; the old one stays');
      }
    });
  });
  let stopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, 'draining');
    await server.drain();
    log.info({}, 'stopped');
  };
  process.on('SIGTERM', () => void stop('SIGTERM'));
  process.on('SIGINT', () => void stop('SIGINT'));
}
