// An agent of node:http and node:https whose sockets go to endpoints of a service. What a request says of itself (its Host
// header, its path) stays as it is; where it goes is the service's.
//
// A request has its endpoint before the agent looks for a free socket, so that there is a pool for each. A connection that
// fails is tried at another endpoint while the request waits: nothing of it was sent. Those that wait for a connection to an
// endpoint (`maxSockets`) go elsewhere when that is out.
import type { AsyncResource } from 'node:async_hooks';
import http, { type AgentOptions as HttpAgentOptions, type ClientRequest } from 'node:http';
import https from 'node:https';
import { type Socket } from 'node:net';
import type { Endpoint } from '../endpoint.js';
import type { Change } from '../live-set.js';
import type { ServiceFace } from '../service-face.js';
import { another, connectEndpoint, type How, isAt, type SocketOptions, type TlsOptions } from './connect.js';
import { TlsSessions } from './tls-sessions.js';
import { type Holder, TrackedRequest, trackedOf } from './tracked-request.js';

export interface AgentOptions extends HttpAgentOptions {
  /** For `https`: true, or what `tls.connect` takes. */
  tls?: boolean | TlsOptions;
  /** For `policy: 'hash'`: what requests are kept together by. */
  key?: (request: ClientRequest) => string | undefined;
}

/** What Node's agent has beside what its typings say. */
interface Inside extends Pick<http.Agent, 'freeSockets' | 'maxSockets' | 'maxTotalSockets'> {
  options: SocketOptions;
  requests: Record<string, ClientRequest[] | undefined>;
  sockets: Record<string, unknown[] | undefined>;
  totalSocketCount: number;
  addRequest(request: ClientRequest, options: SocketOptions): void;
  createSocket(request: ClientRequest, options: SocketOptions, created: Created): void;
  createConnection(options: SocketOptions): unknown;
  getName(options?: SocketOptions): string;
  prependListener(event: 'free', listener: (socket: Socket) => void): void;
  removeSocket(socket: object, options: SocketOptions): void;
  destroy(): void;
}
type Created = (error: Error | null, socket?: Socket) => void;

const ENDPOINT = Symbol('endpoint');
const SOCKET = Symbol('socket');
const FAILURE = Symbol('failure');

/** Of a request that waits Node's agent keeps the asynchronous context that it was made in. */
function inContextOf(request: ClientRequest, run: () => void): void {
  const symbol = Object.getOwnPropertySymbols(request).find(one => one.description === 'requestAsyncResource');
  const resource = symbol && (request as unknown as Record<symbol, AsyncResource | null | undefined>)[symbol];
  if (resource) resource.runInAsyncScope(run);
  else run();
}
/** Of options of a connection, or of a socket. */
const endpointOf = (one: SocketOptions | Socket): Endpoint | undefined => (one as { [ENDPOINT]?: Endpoint })[ENDPOINT];
function placeAt(one: SocketOptions | Socket, endpoint: Endpoint): void {
  (one as { [ENDPOINT]?: Endpoint })[ENDPOINT] = endpoint;
}

/**
 * @param options those of http.Agent; kept alive by default
 * @param ended called when it is destroyed
 */
export function makeAgent(service: ServiceFace, { tls, key, ...options }: AgentOptions, ended: () => void): http.Agent {
  const secure = tls !== undefined && tls !== false;
  const Base = (secure ? https.Agent : http.Agent) as unknown as new (options: object) => Inside;
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
      const tracked = new TrackedRequest(holder, endpoint, request, given);
      service.retries.noteRequest(tracked.beganMs);
      super.addRequest(request, placedAt(given, endpoint));
      if (!request.reusedSocket) tracked.waits();
    }

    override createSocket(request: ClientRequest, given: SocketOptions, created: Created): void {
      const failure = (given as { [FAILURE]?: Error })[FAILURE];
      if (failure !== undefined) {
        created(failure);
        return;
      }
      const tracked = trackedOf(request);
      const endpoint = endpointOf(given);
      if (tracked === undefined || endpoint === undefined) {
        super.createSocket(request, given, created);
        return;
      }
      // One that waits, and stays where it is: the connection is for whoever is the first to wait when it is there.
      const isWaiting = this.#isWaiting(request);
      const giveBack = this.#holdPlace(given);
      const options = this.#socketOptions(given, tracked.given.servername);
      const timeoutMs = tracked.timeoutMs(this.options.timeout as number | undefined);
      const how = { secure, options, resume: this.#resumption(given, options) };
      let isWanted = true;
      connectEndpoint(service, endpoint, how, (error, socket) => {
        if (!isWanted) {
          // It comes to its end all the same: who has less patience than that would never see that an endpoint is silent.
          if (socket === undefined) endpoint.isUnreachable();
          else socket.on('error', () => {}).destroy();
          giveBack(true);
          return;
        }
        if (socket !== undefined) {
          tracked.connected();
          giveBack(false);
          placeAt(socket, endpoint);
          // As net.connect does by its option, which is left out for the sake of the connection's own time.
          if (timeoutMs > 0) socket.setTimeout(timeoutMs);
          (given as { [SOCKET]?: Socket })[SOCKET] = socket;
          super.createSocket(request, given, created);
          return;
        }
        tracked.notConnected();
        // It waits elsewhere, or got another connection meanwhile: it is not in flight for this one.
        if (isWaiting && (tracked.endpoint !== endpoint || !this.takeOut(request))) endpoint.isUnreachable();
        else inContextOf(request, () => this.#goOn(request, tracked, endpoint, error!, created));
        giveBack(true);
      });
      tracked.connecting(isWaiting ? undefined : () => (isWanted = false), timeoutMs);
    }

    /** There is no connection: another endpoint, as Node's agent would have it there, or the error is the caller's. */
    #goOn(request: ClientRequest, tracked: TrackedRequest, endpoint: Endpoint, error: Error, created: Created): void {
      endpoint.done('unreachable');
      tracked.leaves();
      const { retries } = service;
      const failure = { error, endpoint, attempt: tracked.tried.length, sent: false, method: request.method };
      const next = retries.may(failure) ? another(service, tracked.tried) : undefined;
      if (next === undefined) {
        tracked.forget();
        created(error);
        return;
      }
      tracked.moveTo(next);
      const add = (): void => super.addRequest(request, placedAt({ ...tracked.given }, next));
      const delay = retries.noteRetry(failure);
      if (delay === 0) add();
      else {
        const timer = retries.later(delay, () => {
          tracked.notConnected();
          add();
        });
        tracked.connecting(() => timer.cancel(), 0);
      }
    }

    #isWaiting(request: ClientRequest): boolean {
      return Object.values(this.requests).some(waiting => waiting!.includes(request));
    }
    /** @returns whether it was among those that wait for a connection */
    takeOut(request: ClientRequest): boolean {
      for (const [name, waiting] of Object.entries(this.requests)) {
        const at = waiting!.indexOf(request);
        if (at < 0) continue;
        waiting!.splice(at, 1);
        if (waiting!.length === 0) delete this.requests[name];
        return true;
      }
      return false;
    }
    /** Those that wait for a connection to an endpoint that is out, or gone, while others are well. */
    moveWaiting(): void {
      const moved: ClientRequest[] = [];
      for (const [name, waiting] of Object.entries(this.requests)) {
        if (trackedOf(waiting![0])?.endpoint.state === 'up') continue;
        delete this.requests[name];
        moved.push(...waiting!);
      }
      for (const request of moved) {
        const tracked = trackedOf(request);
        const from = tracked?.endpoint;
        const next = from && another(service, [...tracked!.tried, from]);
        if (next?.state === 'up') {
          from!.notAsked();
          tracked!.moveTo(next);
        } else next?.notAsked();
        if (tracked === undefined) continue;
        inContextOf(request, () => super.addRequest(request, placedAt({ ...tracked.given }, tracked.endpoint)));
      }
    }

    /** A request may trust others than the agent does: what Node has in the name of a pool tells it, but for functions. */
    #resumption(given: SocketOptions, options: SocketOptions): How['resume'] {
      const isTheAgents = ['checkServerIdentity', 'secureContext'].every(name => {
        const wanted = typeof tls === 'object' && name in tls ? tls[name as keyof TlsOptions] : this.options[name];
        return options[name] === wanted;
      });
      return secure && isTheAgents ? { sessions, trust: super.getName(given) } : undefined;
    }

    /**
     * Sockets that are being connected count for `maxSockets`, which Node's agent knows nothing of.
     * @returns gives the place back: to the socket itself, or, where there is none, to those that wait for one
     */
    #holdPlace(given: SocketOptions): (toNext: boolean) => void {
      if (this.maxSockets === Infinity && this.maxTotalSockets === Infinity) return () => {};
      const name = this.getName(given);
      const options = { ...given };
      const place = { destroy: () => {} };
      (this.sockets[name] ??= []).push(place);
      this.totalSocketCount++;
      return toNext => {
        const held = this.sockets[name];
        const at = held?.indexOf(place) ?? -1;
        if (held === undefined || at < 0) return;
        this.totalSocketCount--;
        if (toNext) {
          this.removeSocket(place, options);
          return;
        }
        held.splice(at, 1);
        if (held.length === 0) delete this.sockets[name];
      };
    }

    /** @param asked the name that the request has asked for, if any */
    #socketOptions(given: SocketOptions, asked: unknown): SocketOptions {
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
      const servername = (typeof tls === 'object' ? tls.servername : undefined) ?? this.options.servername ?? asked;
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

    override destroy(): void {
      service.off('change', onChange);
      service.off('health', onHealth);
      ended();
      super.destroy();
    }
  }

  const agent = new ServiceAgent({ keepAlive: true, ...options });
  const holder: Holder = { service, takeOut: request => agent.takeOut(request) };
  // Before Node's own listener, which gives the connection to a request that waits for one, or keeps it.
  agent.prependListener('free', socket => {
    if (!isToBeKept(socket)) socket.destroy();
  });
  const onChange = ({ removed, changed }: Change): void => {
    if (removed.length + changed.length === 0) return;
    for (const free of Object.values(agent.freeSockets)) {
      for (const socket of [...(free ?? [])]) if (!isToBeKept(socket)) socket.destroy();
    }
    agent.moveWaiting();
  };
  const onHealth = (): void => agent.moveWaiting();
  service.on('change', onChange);
  service.on('health', onHealth);
  return agent as unknown as http.Agent;
}

/** Not where the endpoint has left, or has moved: a pod that was replaced under its name has another address. */
function isToBeKept(socket: Socket): boolean {
  const endpoint = endpointOf(socket);
  if (endpoint === undefined) return true;
  return endpoint.state !== 'gone' && isAt(endpoint, socket.remoteAddress);
}

function placedAt(options: SocketOptions, endpoint: Endpoint): SocketOptions {
  options.host = endpoint.host;
  options.port = endpoint.port;
  placeAt(options, endpoint);
  return options;
}
