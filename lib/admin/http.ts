// GET /metrics and /healthz on an address of their own.
import { createServer, type Server as HttpServer } from 'node:http';
import { formatSocketAddress, parseSocketAddress } from '../base/address.js';
import { ShardnsError } from '../base/errors.js';
import type { Server } from '../server/server.js';
import { Metrics } from './metrics.js';

export class AdminServer {
  readonly #http: HttpServer;
  readonly #metrics: Metrics;

  constructor(private readonly server: Server) {
    this.#metrics = new Metrics(server);
    this.#http = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
      const path = request.url?.split('?')[0];
      if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405).end();
      else if (path === '/metrics') void this.#sendMetrics(response);
      else if (path === '/healthz') {
        const up = this.server.listening;
        response.writeHead(up ? 200 : 503, { 'content-type': 'text/plain' }).end(up ? 'ok\n' : 'not listening\n');
      } else response.writeHead(404).end();
    });
    this.#http.maxConnections = 64;
  }

  async listen(text: string): Promise<number> {
    const at = parseSocketAddress(text, 'metrics');
    return new Promise((resolve, reject) => {
      this.#http.once('error', cause =>
        reject(
          new ShardnsError(
            'ERR_SHARDNS_LISTEN',
            `cannot listen on ${formatSocketAddress(at)} (metrics): ${cause.message}`,
            { cause },
          ),
        ),
      );
      this.#http.listen(at.port, at.address, () => resolve((this.#http.address() as { port: number }).port));
    });
  }

  close(): void {
    this.#http.close();
    this.#http.closeAllConnections();
  }

  async #sendMetrics(response: import('node:http').ServerResponse): Promise<void> {
    try {
      const text = await this.#metrics.text();
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
    } catch {
      response.writeHead(503).end();
    }
  }
}
