// createServer(): the server with everything around it that its options ask for.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { systemClock } from '../base/clock.js';
import { systemRandom } from '../base/random.js';
import { optionError } from '../base/errors.js';
import { openRegularFile } from '../base/regular-file.js';
import { harmless, type Logger, rateLimited, silentLogger } from '../base/log.js';
import type { Hooks } from '../resolve/hooks.js';
import { topNames } from '../resolve/warm.js';
import { plainOptions } from '../server/plain-options.js';
import type { ServerOptions } from '../server/settings/settings.js';
import { readDependencies, type ServerDependencies } from '../server/dependencies.js';
import { Server } from '../server/server.js';
import { ControlApi } from './control-api.js';
import { ControlListener } from './control-listener.js';
import { ControlSocket } from './control-socket.js';
import { AdminServer } from './http.js';

/** Lines of the log about requests for metrics that are refused. */
const REFUSALS_PER_SECOND = 1;

/**
 * Makes a DNS server and begins to listen, on `metrics` too where that is given.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming every wrong option; ERR_SHARDNS_LISTEN; ERR_SHARDNS_MEMORY
 */
export async function createServer(
  options: ServerOptions & Hooks = {},
  dependencies: ServerDependencies = {},
): Promise<Server> {
  const { onQuery, onResponse, ...rest } = plainOptions(options) as ServerOptions & Hooks;
  for (const [name, hook] of Object.entries({ onQuery, onResponse }) as [string, unknown][]) {
    if (hook !== undefined && typeof hook !== 'function') throw optionError(name, hook, 'a function');
  }
  const parts = readDependencies(dependencies);
  const server = await new Server(rest, { onQuery, onResponse }, parts).listen();
  const { clock = systemClock, random = systemRandom } = parts;
  const log = harmless(parts.log ?? silentLogger);
  const admin = new AdminServer(server, rateLimited(log, clock, REFUSALS_PER_SECOND));
  server.observe(admin);
  const api = new ControlApi(server, clock, log);
  const control = new ControlSocket(api);
  server.observe(control);
  const listener = new ControlListener({ api, clock, random, log, onUrl: url => (server.controlUrl = url) });
  server.observe(listener);
  try {
    await admin.listen(server.settings.metrics);
    await control.listen(server.settings.control);
    await listener.listen(server.settings.api);
  } catch (error) {
    await server.close();
    throw error;
  }
  const { warm } = server.settings;
  if (warm !== undefined) void warmFromFile(server, warm, log);
  return server;
}

/** Beside serving; what goes wrong is said and stops nothing. */
async function warmFromFile(
  server: Server,
  { file, top, perSecond }: NonNullable<Server['settings']['warm']>,
  log: Logger,
): Promise<void> {
  const ended = new AbortController();
  server.observe({ closed: () => ended.abort() });
  try {
    // A FIFO would hold a thread up until somebody writes to it.
    const input = createReadStream(file, { fd: openRegularFile(file).fd, signal: ended.signal });
    const names = await topNames(createInterface({ input, crlfDelay: Infinity }), top);
    log.info({ file, names: names.length }, 'warming');
    const { done, failed } = await server.warm(names, { perSecond, signal: ended.signal });
    log.info({ file, done, failed }, 'warmed');
  } catch (error) {
    if (!ended.signal.aborted) log.warn({ file, reason: (error as Error).message }, 'the cache was not warmed');
  }
}
