// GET /metrics, /healthz, /readyz and /trace on an address of their own, for those whom admission.ts lets in.
//
// Node's HTTP and prom-client are loaded when it first listens: they are 50 ms of the start of a server without it.
//
// Bound: 64 connections, four traces at a time.
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import { formatSocketAddress, parseSocketAddress } from '../base/address.js';
import { ShardnsError, show } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/log.js';
import type { ServerSettings } from '../server/settings/settings.js';
import type { Prepared } from '../server/prepared.js';
import type { Server, ServerObserver } from '../server/server.js';
import { judge } from './admission.js';
import { HTTP_LIMITS } from './http-limits.js';
import type { Metrics } from './metrics.js';
import { trace } from './trace.js';

const MAX_TRACES = 4;

type MetricsSettings = ServerSettings['metrics'];

export class AdminServer implements ServerObserver {
  #http: HttpServer | undefined;
  #settings: MetricsSettings;
  #traces = 0;
  #closed = false;
  #metrics: Metrics | undefined;

  constructor(
    private readonly server: Server,
    /** Says who was refused; rate-limited. */
    private readonly log: Logger = silentLogger,
  ) {}

  /** Where it listens, with the port that was bound; undefined when it does not. */
  get address(): string | undefined {
    const bound = this.#http?.address();
    if (bound === null || bound === undefined || typeof bound === 'string') return undefined;
    return formatSocketAddress({ address: bound.address, port: bound.port, family: bound.family === 'IPv6' ? 6 : 4 });
  }

  /** Listens where they say. */
  async listen(settings: MetricsSettings): Promise<void> {
    const change = await this.#prepare(settings);
    if (!this.#closed) return change.commit();
    change.discard();
    throw new ShardnsError('ERR_SHARDNS_CLOSED', 'closed while it began to listen for metrics');
  }
  prepare({ metrics }: ServerSettings): Promise<Prepared> {
    return this.#prepare(metrics);
  }

  /** Listens on the new address beside the old one; nowhere for undefined. */
  async #prepare(settings: MetricsSettings): Promise<Prepared> {
    const stays = settings?.listen === this.#settings?.listen;
    const next = stays || settings === undefined ? undefined : await this.#open(settings.listen);
    return {
      commit: () => {
        // A server that was closed meanwhile would never stop it.
        if (this.#closed) {
          next?.close();
          return;
        }
        if (!stays) {
          this.#stop();
          this.#http = next;
        }
        this.#settings = settings;
      },
      discard: () => next?.close(),
    };
  }
  closed(): void {
    this.#closed = true;
    this.#stop();
  }

  #stop(): void {
    this.#http?.close();
    this.#http?.closeAllConnections();
    this.#http = undefined;
    this.#settings = undefined;
  }

  async #open(text: string): Promise<HttpServer> {
    const at = parseSocketAddress(text, 'metrics');
    const [{ createServer }, { Metrics }] = await Promise.all([import('node:http'), import('./metrics.js')]);
    this.#metrics ??= new Metrics(this.server);
    const http = createServer(HTTP_LIMITS, (request, response) => {
      response.on('error', () => {}); // whoever asked is gone
      try {
        this.#answer(request, response);
      } catch {
        if (!response.headersSent) response.writeHead(500);
        response.end();
      }
    });
    http.maxConnections = 64;
    return new Promise((resolve, reject) => {
      // Once it listens nothing of this ends it: exhausted file descriptors and the like.
      http.on('error', cause =>
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

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const plain = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
    const path = request.url?.split('?')[0];
    const { hosts = [], token } = this.#settings ?? {};
    // Whether it lives is told without a token, as those that watch over processes have none.
    const isHealth = path === '/healthz' || path === '/readyz';
    const verdict = judge(request.headers, { hosts, token: isHealth ? undefined : token });
    if (verdict !== undefined) {
      // Prometheus shows the status only: who looks for the reason looks here.
      this.log.warn({ path: show(path), reason: verdict.reason }, 'a request for metrics or a trace was refused');
      response.writeHead(verdict.status, plain).end(`${verdict.reason}\n`);
    } else if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405).end();
    else if (path === '/metrics') void this.#sendMetrics(response);
    else if (path === '/trace') void this.#sendTrace(new URL(request.url ?? '/', 'http://localhost'), response);
    else if (isHealth) {
      // While it drains the process lives, and is not to be led to: whoever watches over it would kill it.
      const up = path === '/healthz' || this.server.listening;
      response.writeHead(up ? 200 : 503, plain).end(up ? 'ok\n' : 'not listening, or draining\n');
    } else response.writeHead(404).end();
  }

  /** `?name=NAME&type=TYPE`, `&fresh=1`: a line for each step of the resolution, as it happens. */
  async #sendTrace({ searchParams }: URL, response: ServerResponse): Promise<void> {
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

  async #sendMetrics(response: ServerResponse): Promise<void> {
    try {
      const text = await this.#metrics!.text();
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
    } catch {
      response.writeHead(503).end();
    }
  }
}
