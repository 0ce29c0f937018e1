// GET /metrics, /healthz and /trace on an address of their own.
//
// Bound: 64 connections, four traces at a time.
import { createServer, type Server as HttpServer } from 'node:http';
import { formatSocketAddress, parseSocketAddress } from '../base/address.js';
import { ShardnsError } from '../base/errors.js';
import type { ServerSettings } from '../server/options.js';
import type { Server, ServerObserver } from '../server/server.js';
import { Metrics } from './metrics.js';
import { trace } from './trace.js';

const MAX_TRACES = 4;

export class AdminServer implements ServerObserver {
  #http: HttpServer | undefined;
  #at: string | undefined;
  #traces = 0;
  #closed = false;
  readonly #metrics: Metrics;

  constructor(private readonly server: Server) {
    this.#metrics = new Metrics(server);
  }

  /** Where it listens, with the port that was bound; undefined when it does not. */
  get address(): string | undefined {
    const bound = this.#http?.address();
    if (bound === null || bound === undefined || typeof bound === 'string') return undefined;
    return formatSocketAddress({ address: bound.address, port: bound.port, family: bound.family === 'IPv6' ? 6 : 4 });
  }

  /** Listens where `text` says, nowhere for undefined; what it listened on before is closed when that has worked. */
  async listen(text: string | undefined): Promise<void> {
    if (text === this.#at) return;
    const next = text === undefined ? undefined : await this.#open(text);
    if (this.#closed) {
      next?.close();
      throw new ShardnsError('ERR_SHARDNS_CLOSED', 'closed while it began to listen for metrics');
    }
    this.#stop();
    this.#http = next;
    this.#at = text;
  }
  updating(settings: ServerSettings): Promise<void> {
    return this.listen(settings.metrics);
  }
  closed(): void {
    this.#closed = true;
    this.#stop();
  }

  #stop(): void {
    this.#http?.close();
    this.#http?.closeAllConnections();
    this.#http = undefined;
    this.#at = undefined;
  }

  #open(text: string): Promise<HttpServer> {
    const at = parseSocketAddress(text, 'metrics');
    const http = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
      const path = request.url?.split('?')[0];
      if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405).end();
      else if (path === '/metrics') void this.#sendMetrics(response);
      else if (path === '/trace') void this.#sendTrace(new URL(request.url ?? '/', 'http://localhost'), response);
      else if (path === '/healthz') {
        const up = this.server.listening;
        response.writeHead(up ? 200 : 503, { 'content-type': 'text/plain' }).end(up ? 'ok\n' : 'not listening\n');
      } else response.writeHead(404).end();
    });
    http.maxConnections = 64;
    return new Promise((resolve, reject) => {
      http.once('error', cause =>
        reject(
          new ShardnsError(
            'ERR_SHARDNS_LISTEN',
            `cannot listen on ${formatSocketAddress(at)} (metrics): ${cause.message}`,
            { cause },
          ),
        ),
      );
      http.listen(at.port, at.address, () => resolve(http));
    });
  }

  /** `?name=NAME&type=TYPE`, `&fresh=1`: a line for each step of the resolution, as it happens. */
  async #sendTrace({ searchParams }: URL, response: import('node:http').ServerResponse): Promise<void> {
    if (this.#traces >= MAX_TRACES) {
      response.writeHead(503).end(`${MAX_TRACES} traces are under way\n`);
      return;
    }
    this.#traces++;
    const write = (line: string): void => {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
      response.write(`${line}\n`);
    };
    try {
      const name = searchParams.get('name') ?? '';
      await trace(
        this.server,
        { name, type: searchParams.get('type') ?? 'A', fresh: searchParams.has('fresh') },
        write,
      );
      response.end();
    } catch (error) {
      if (!response.headersSent) response.writeHead(400, { 'content-type': 'text/plain; charset=utf-8' });
      response.end(`${(error as Error).message}\n`);
    } finally {
      this.#traces--;
    }
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
