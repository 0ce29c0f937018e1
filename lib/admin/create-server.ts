// createServer(): the server with everything around it that its options ask for.
import type { Hooks } from '../resolve/hooks.js';
import type { ServerOptions } from '../server/options.js';
import { Server, type ServerDependencies } from '../server/server.js';
import { AdminServer } from './http.js';

/**
 * Makes a DNS server and begins to listen, on `metrics` too where that is given.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming every wrong option; ERR_SHARDNS_LISTEN; ERR_SHARDNS_MEMORY
 */
export async function createServer(
  options: ServerOptions & Hooks = {},
  dependencies: ServerDependencies = {},
): Promise<Server> {
  const { onQuery, onResponse, ...rest } = options;
  const server = await new Server(rest, { onQuery, onResponse }, dependencies).listen();
  const admin = new AdminServer(server);
  server.observe(admin);
  try {
    await admin.listen(server.settings.metrics);
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}
