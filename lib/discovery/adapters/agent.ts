// An agent of node:http and node:https whose sockets go to endpoints of a service. What a request says of itself (its Host
// header, its path) stays as it is; where it goes is the service's.
//
// A request has its endpoint before the agent looks for a free socket, so that there is a pool for each. A connection that
// fails is tried at another endpoint while the request waits: nothing of it was sent.
import http, { type AgentOptions as HttpAgentOptions, type ClientRequest } from 'node:http';
import https from 'node:https';
import { type Socket } from 'node:net';
import type { Endpoint, RequestOutcome } from '../endpoint.js';
import type { Change } from '../live-set.js';
import type { ServiceFace } from '../service-face.js';
import { connectInTurn, type How, type SocketOptions, type TlsOptions } from './connect.js';
import { TlsSessions } from './tls-sessions.js';

export interface AgentOptions extends HttpAgentOptions {
  /** For `https`: true, or what `tls.connect` takes. */
  tls?: boolean | TlsOptions;
  /** For `policy: 'hash'`: what requests are kept together by. */
  key?: (request: ClientRequest) => string | undefined;
}

/** What Node's agent has beside what its typings say. */
interface Inside extends Pick<http.Agent, 'freeSockets' | 'maxSockets' | 'maxTotalSockets'> {
  options: SocketOptions;
  sockets: Record<string, unknown[] | undefined>;
  totalSocketCount: number;
  addRequest(request: ClientRequest, options: SocketOptions): void;
  createSocket(request: ClientRequest, options: SocketOptions, created: Created): void;
  createConnection(options: SocketOptions): unknown;
  getName(options?: SocketOptions): string;
  keepSocketAlive(socket: Socket): boolean;
  destroy(): void;
}
type Created = (error: Error | null, socket?: Socket) => void;

const ENDPOINT = Symbol('endpoint');
const SOCKET = Symbol('socket');
const FAILURE = Symbol('failure');
const REQUEST = Symbol('request of a service');

const endpointOf = (options: SocketOptions): Endpoint | undefined => (options as { [ENDPOINT]?: Endpoint })[ENDPOINT];

/** What the other end, or the way to it, does to a request that was sent. */
const BROKEN: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);

/**
 * One request from its pick to its end. It listens to `close` alone: a listener of `response`, `error` or `upgrade` would
 * change what Node does for requests that have none.
 */
class Tracked {
  #isOver = false;
  readonly #beganMs: number;

  constructor(
    private readonly service: ServiceFace,
    /** Undefined where none is connected. */
    public endpoint: Endpoint | undefined,
    private readonly request: ClientRequest,
    /** That the caller has chosen. */
    readonly servername: unknown,
  ) {
    this.#beganMs = service.clock.nowMs();
    request.on('close', () => this.end());
  }
  get #outcome(): RequestOutcome {
    const { res, errored } = this.request as { res?: { statusCode?: number; upgrade?: boolean }; errored?: unknown };
    if (res !== undefined && res !== null) {
      const from = this.service.settings.health?.failingStatus ?? 0;
      return from > 0 && (res.statusCode ?? 0) >= from ? 'failed' : 'ok';
    }
    return BROKEN.has((errored as { code?: unknown } | null | undefined)?.code) ? 'failed' : 'abandoned';
  }
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const outcome = this.#outcome;
    this.endpoint?.done(outcome, outcome === 'ok' ? this.service.clock.nowMs() - this.#beganMs : undefined);
  }
}

/** @param options those of http.Agent; kept alive by default */
export function makeAgent(service: ServiceFace, { tls, key, ...options }: AgentOptions): http.Agent {
  const secure = tls !== undefined && tls !== false;
  const Base = (secure ? https.Agent : http.Agent) as unknown as new (options: object) => Inside;
  /** Of each connection. */
  const endpoints = new WeakMap<object, Endpoint>();
  const sessions = new TlsSessions();

  class ServiceAgent extends Base {
    override addRequest(request: ClientRequest, given: SocketOptions): void {
      let endpoint: Endpoint;
      try {
        endpoint = key === undefined ? service.pick() : service.pick({ key: key(request) });
      } catch (error) {
        // Node's agent tells a request of what `createSocket` gives it, and in no other way.
        super.addRequest(request, { ...given, [FAILURE]: error });
        return;
      }
      service.retries.noteRequest();
      const tracked = new Tracked(service, endpoint, request, this.options.servername ?? given.servername);
      (request as { [REQUEST]?: Tracked })[REQUEST] = tracked;
      // The options are the request's own by now, and copied once more by Node's agent.
      super.addRequest(request, placedAt(given, endpoint));
    }

    override createSocket(request: ClientRequest, given: SocketOptions, created: Created): void {
      const failure = (given as { [FAILURE]?: Error })[FAILURE];
      if (failure !== undefined) {
        created(failure);
        return;
      }
      const tracked = (request as { [REQUEST]?: Tracked })[REQUEST];
      const first = endpointOf(given);
      if (tracked === undefined || first === undefined) {
        super.createSocket(request, given, created);
        return;
      }
      const release = this.#holdPlace(given);
      const options = this.#socketOptions(given, tracked.servername);
      const how = { secure, options, resume: this.#resumption(given, options), method: request.method };
      connectInTurn(service, first, how, (error, made) => {
        release();
        tracked.endpoint = made?.endpoint;
        if (made === undefined) {
          created(error!);
          return;
        }
        const { endpoint, socket } = made;
        endpoints.set(socket, endpoint);
        if (!request.destroyed) {
          (given as { [SOCKET]?: Socket })[SOCKET] = socket;
          super.createSocket(request, placedAt(given, endpoint), created);
          return;
        }
        // Nobody waits for it any more.
        tracked.end();
        socket.destroy();
        created(new Error('the request was destroyed'));
      });
    }

    /** A request may trust others than the agent does: what Node has in the name of a pool tells it, but for functions. */
    #resumption(given: SocketOptions, options: SocketOptions): How['resume'] {
      const isTheAgents = ['checkServerIdentity', 'secureContext'].every(name => {
        const wanted = typeof tls === 'object' && name in tls ? tls[name as keyof TlsOptions] : this.options[name];
        return options[name] === wanted;
      });
      return secure && isTheAgents ? { sessions, trust: super.getName(given) } : undefined;
    }

    /** Sockets that are being connected count for `maxSockets`, which Node's agent knows nothing of. */
    #holdPlace(given: SocketOptions): () => void {
      if (this.maxSockets === Infinity && this.maxTotalSockets === Infinity) return () => {};
      const name = this.getName(given);
      const place = { destroy: () => {} };
      (this.sockets[name] ??= []).push(place);
      this.totalSocketCount++;
      return () => {
        const held = this.sockets[name];
        const at = held?.indexOf(place) ?? -1;
        if (held === undefined || at < 0) return;
        held.splice(at, 1);
        this.totalSocketCount--;
        if (held.length === 0) delete this.sockets[name];
      };
    }

    #socketOptions(given: SocketOptions, servername: unknown): SocketOptions {
      const {
        keepAlive,
        keepAliveMsecs,
        noDelay = true,
        ALPNProtocols,
      } = { ...given, ...this.options } as {
        keepAlive?: boolean;
        keepAliveMsecs?: number;
        noDelay?: boolean;
        ALPNProtocols?: unknown;
      };
      const alive = keepAlive ? { keepAlive, keepAliveInitialDelay: keepAliveMsecs } : {};
      const secured = secure
        ? { ...(typeof tls === 'object' ? tls : {}), ALPNProtocols: ALPNProtocols ?? ['http/1.1'] }
        : {};
      // Of a request's own options those that choose where to are the service's.
      const rest: SocketOptions = { ...given, ...this.options, ...alive, noDelay, ...secured };
      // Node's agent has set it by the Host header by now.
      if (servername === undefined) delete rest.servername;
      else rest.servername = servername;
      delete rest.signal;
      delete rest.timeout;
      delete rest.lookup;
      delete rest.agent;
      return rest;
    }

    override createConnection(given: SocketOptions): unknown {
      return (given as { [SOCKET]?: Socket })[SOCKET] ?? super.createConnection(given);
    }

    override getName(given?: SocketOptions): string {
      const endpoint = given && endpointOf(given);
      // It is asked for twice a request, and most say nothing that pools are told apart by.
      if (!secure && endpoint !== undefined && !given!.localAddress && !given!.family) return endpoint.id;
      const name = super.getName(given);
      if (given !== undefined && FAILURE in given) return `none ${name}`;
      return endpoint === undefined ? name : `${endpoint.id} ${name}`;
    }

    override keepSocketAlive(socket: Socket): boolean {
      return endpoints.get(socket)?.state !== 'gone' && super.keepSocketAlive(socket);
    }

    override destroy(): void {
      service.off('change', onChange);
      super.destroy();
    }
  }

  const agent = new ServiceAgent({ keepAlive: true, ...options });
  const onChange = ({ removed }: Change): void => {
    if (removed.length === 0) return;
    const isGone = (socket: object): boolean => endpoints.get(socket)?.state === 'gone';
    for (const free of Object.values(agent.freeSockets)) {
      for (const socket of free ?? []) if (isGone(socket)) socket.destroy();
    }
  };
  service.on('change', onChange);
  return agent as unknown as http.Agent;
}

function placedAt(options: SocketOptions, endpoint: Endpoint): SocketOptions {
  options.host = endpoint.host;
  options.port = endpoint.port;
  (options as { [ENDPOINT]?: Endpoint })[ENDPOINT] = endpoint;
  return options;
}
