// createServer() for the package's entry: the server's parts (its schema, metrics, listeners) are loaded when the first
// one is made, so that programs that only look names up or keep values do not wait for them.
import type { Hooks } from '../resolve/hooks.js';
import type { ServerOptions } from '../server/settings/settings.js';
import { Server } from '../server/face.js';
import type { ServerDependencies } from '../server/dependencies.js';

/**
 * Makes a DNS server and begins to listen, on `metrics` too where that is given.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming every wrong option; ERR_SHARDNS_LISTEN; ERR_SHARDNS_MEMORY
 */
export async function createServer(
  options: ServerOptions & Hooks = {},
  dependencies: ServerDependencies = {},
): Promise<Server> {
  const { createServer: create } = await import('./create-server.js');
  return new Server(await create(options, dependencies));
}
