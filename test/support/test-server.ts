// A real server on loopback ports, with a fake upstream behind it and time that tests can move.
import { createServer } from '../../lib/admin/create-server.js';
import { systemClock } from '../../lib/base/clock.js';
import type { Hooks } from '../../lib/resolve/hooks.js';
import type { ServerDependencies } from '../../lib/server/dependencies.js';
import type { ServerOptions } from '../../lib/server/settings/settings.js';
import type { Server } from '../../lib/server/server.js';
import { Query } from '../../lib/wire/query.js';
import { askTcp, askUdp } from './client.js';
import { FakeTransport, type Handler } from './fake-transport.js';

/** The ways an answer can take. `js` is the library's own call, without a socket. */
export const PATHS = ['udp', 'dgram', 'tcp', 'js'] as const;
export type Path = (typeof PATHS)[number];

export class TestServer {
  shiftMs = 0;
  private constructor(
    readonly server: Server,
    readonly udp: FakeTransport,
    readonly tcp: FakeTransport,
  ) {}

  static async start(
    handler: Handler,
    options: ServerOptions & Hooks = {},
    tcpHandler = handler,
    dependencies: ServerDependencies = {},
  ): Promise<TestServer> {
    const udp = new FakeTransport(systemClock, handler);
    const tcp = new FakeTransport(systemClock, tcpHandler);
    const all = {
      listen: ['127.0.0.1:0'],
      threads: 1,
      upstreams: ['192.0.2.53:53'],
      ...options,
      // In a small region invalidations share places, which forgets more than was asked for.
      cache: { memory: '64MiB', ...options.cache },
    } satisfies ServerOptions;
    const server = await createServer(all, { udpTransport: udp, tcpTransport: tcp, ...dependencies });
    return new TestServer(server, udp, tcp);
  }

  get address(): string {
    return this.server.addresses().udp[0];
  }
  /** Upstream queries so far. */
  get asked(): number {
    return this.udp.asked.length;
  }
  advance(seconds: number): void {
    this.shiftMs += seconds * 1000;
    this.server.engine.native.shiftClock(this.shiftMs);
    this.server.gate.native.shiftClock(this.shiftMs);
  }

  async ask(path: Path, query: Uint8Array, waitMs?: number): Promise<Buffer | undefined> {
    if (path === 'udp' || path === 'dgram') return askUdp(this.address, query, waitMs);
    if (path === 'tcp') return (await askTcp(this.server.addresses().tcp[0], [query], waitMs))[0];
    return this.#askJs(query);
  }

  #askJs(message: Uint8Array): Promise<Buffer | undefined> {
    const { engine, resolver, answerer } = this.server;
    const length = engine.answer(message, { udp: true });
    if (length >= 0) return Promise.resolve(length === 0 ? undefined : Buffer.from(engine.reply.slice(0, length)));
    const query = new Query(Uint8Array.from(message));
    return resolver
      .resolve(query, { protocol: 'internal' })
      .then(resolution => Buffer.from(answerer.finish(query, resolution, true)!));
  }

  close(): Promise<void> {
    return this.server.close();
  }
}
