// A dispatcher of undici whose requests go to endpoints of a service, for the built-in `fetch` and for undici 6, 7 and 8.
//
// Each endpoint has an Agent of undici of its own, which is closed, and lets requests end, when the endpoint leaves. What
// undici gives to handlers passes through handlers.ts; what it is asked for goes to it as it came, but for the origin.
import type { Socket } from 'node:net';
import { BoundedMap } from '../../base/bounded-map.js';
import { optionError } from '../../base/errors.js';
import type { Endpoint } from '../endpoint.js';
import type { Change } from '../live-set.js';
import type { ServiceFace } from '../service-face.js';
import { another, connectEndpoint, type SocketOptions, type TlsOptions } from './connect.js';
import { type AnyHandler, type Attempt, handlerFor } from './handlers.js';
import { TlsSessions } from './tls-sessions.js';

/** What undici takes of a request, as far as it is looked at here. */
export interface DispatchOptions {
  origin?: string | URL | undefined;
  path: string;
  method: string;
  headers?: unknown;
  body?: unknown;
}

/** A dispatcher of undici, whichever version of it is used. */
export interface ServiceDispatcher {
  dispatch(options: DispatchOptions, handler: AnyHandler): boolean;
  close(): Promise<void>;
  destroy(error?: Error | null): Promise<void>;
}

interface UndiciAgent extends ServiceDispatcher {
  on(event: string, listener: (...args: never[]) => void): unknown;
}
type AgentConstructor = new (options: object) => UndiciAgent;

export interface DispatcherOptions {
  /**
   * The module `undici` where the program has it installed; not given: the undici that Node has built in, which is for the
   * built-in `fetch`.
   */
  undici?: { Agent: unknown };
  /** What undici's Agent takes (`connections`, `pipelining`, `keepAliveTimeout` ...), but for `connect` and `factory`. */
  agent?: Record<string, unknown>;
  /** What `tls.connect` takes. */
  tls?: TlsOptions;
  /** For `policy: 'hash'`: what requests are kept together by. */
  key?: (options: DispatchOptions) => string | undefined;
}

/** Where undici keeps the dispatcher that fetch uses: up to 7, and from 8 on. */
const GLOBAL = Symbol.for('undici.globalDispatcher.1');
const GLOBAL_8 = Symbol.for('undici.globalDispatcher.2');

/** An Agent, and what makes of the handlers of older undicis ones that it takes, where it takes no others. */
interface Undici {
  Agent: AgentConstructor;
  wrap: ((handler: AnyHandler) => AnyHandler) | undefined;
}

const wrapperIn = (wrapper: unknown): Undici['wrap'] => {
  const wrap = (wrapper as { wrapHandler?: unknown } | undefined)?.wrapHandler;
  return typeof wrap === 'function' ? (handler: AnyHandler) => wrap.call(wrapper, handler) as AnyHandler : undefined;
};

/** Node's own Agent, which it shows nowhere but as the dispatcher that its fetch uses; or undici 8's, in its place there. */
function builtIn(): Undici {
  void globalThis.Headers; // loads it
  const used = globalThis as unknown as Record<symbol, object | undefined>;
  const constructor = used[GLOBAL]?.constructor as AgentConstructor | undefined;
  if (constructor?.name === 'Agent') return { Agent: constructor, wrap: undefined };
  const newer = used[GLOBAL_8]?.constructor as AgentConstructor | undefined;
  const wrap = wrapperIn(constructor);
  if (newer?.name === 'Agent' && wrap !== undefined) return { Agent: newer, wrap };
  const got = constructor?.name ?? 'none';
  throw optionError(
    'undici',
    got,
    "the module undici ({ undici }), since the global dispatcher is not Node's own Agent",
  );
}

function undiciOf(given: DispatcherOptions['undici']): Undici {
  if (given === undefined) return builtIn();
  const { Agent, Dispatcher1Wrapper } = given as { Agent: unknown; Dispatcher1Wrapper?: unknown };
  if (typeof Agent !== 'function') throw optionError('undici', given, 'the module undici, which has an Agent');
  return { Agent: Agent as AgentConstructor, wrap: wrapperIn(Dispatcher1Wrapper) };
}

interface ConnectorOptions {
  hostname: string;
  port: string;
  protocol: string;
  localAddress?: string | null;
}
type ConnectorCallback = (error: Error | null, socket: Socket | null) => void;

/** @throws {ShardnsError} ERR_SHARDNS_OPTION where there is no Agent */
export function makeDispatcher(service: ServiceFace, given: DispatcherOptions): ServiceDispatcher {
  const { Agent, wrap } = undiciOf(given.undici);
  const h2 = given.agent?.allowH2 === true;
  const alpn = h2 ? ['h2', 'http/1.1'] : ['http/1.1'];
  const agents = new Map<Endpoint, UndiciAgent>();
  const sessions = new TlsSessions();
  let ended = false;

  const connectorOf =
    (endpoint: Endpoint) =>
    ({ protocol, localAddress }: ConnectorOptions, callback: ConnectorCallback): void => {
      const secure = protocol === 'https:';
      const options: SocketOptions = {
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 60_000,
        ...(localAddress ? { localAddress } : {}),
        ...(secure ? { ALPNProtocols: alpn, ...given.tls } : {}),
      };
      const resume = secure ? { sessions, trust: '' } : undefined;
      connectEndpoint(service, endpoint, { secure, options, resume }, (error, socket) =>
        error === undefined ? callback(null, socket!) : callback(error, null),
      );
    };

  const agentOf = (endpoint: Endpoint): UndiciAgent => {
    let agent = agents.get(endpoint);
    if (agent === undefined) {
      agent = new Agent({ ...given.agent, connect: connectorOf(endpoint) });
      agents.set(endpoint, agent);
      // An endpoint of a last resort is gone already: its agent ends with the dispatcher.
    }
    return agent;
  };

  const onChange = ({ removed }: Change): void => {
    for (const one of removed) {
      const agent = agents.get(one);
      if (agent === undefined) continue;
      agents.delete(one);
      agent.close().catch(() => {}); // requests that were under way tell their own callers
    }
  };
  service.on('change', onChange);

  const dispatch = (options: DispatchOptions, asked: AnyHandler): boolean => {
    const handler = wrap === undefined || typeof asked.onRequestStart === 'function' ? asked : wrap(asked);
    let endpoint: Endpoint;
    try {
      endpoint = service.pick({ key: given.key?.(options) });
    } catch (error) {
      fail(handler, error as Error);
      return true;
    }
    service.retries.noteRequest();
    const attempt: Attempt = {
      service,
      method: options.method,
      isReplayable: options.body === undefined || options.body === null,
      endpoint,
      tried: [endpoint],
      send: (to, through) => {
        const { origin, headers } = placed(options, to);
        return agentOf(to).dispatch({ ...options, origin, headers }, through);
      },
      next: tried => another(service, tried),
    };
    try {
      attempt.send(endpoint, handlerFor(handler, attempt));
    } catch (error) {
      endpoint.done('abandoned');
      throw error;
    }
    // Never false: that would have callers wait for `drain` of one of many agents.
    return true;
  };

  const end = async (how: (agent: UndiciAgent) => Promise<void>): Promise<void> => {
    if (!ended) service.off('change', onChange);
    ended = true;
    const all = [...agents.values()];
    agents.clear();
    await Promise.all(all.map(how));
  };
  return dispatcherOver(Agent, dispatch, end);
}

/** With the methods that undici gives every dispatcher (`request`, `stream`, `compose`): they come from its base class. */
function dispatcherOver(
  Agent: AgentConstructor,
  dispatch: ServiceDispatcher['dispatch'],
  end: (how: (agent: UndiciAgent) => Promise<void>) => Promise<void>,
): ServiceDispatcher {
  const Base = Object.getPrototypeOf(Object.getPrototypeOf(Agent)) as new () => object;
  class ServiceDispatcherOfUndici extends Base implements ServiceDispatcher {
    dispatch(options: DispatchOptions, handler: AnyHandler): boolean {
      return dispatch(options, handler);
    }
    close(): Promise<void> {
      return end(agent => agent.close());
    }
    destroy(error: Error | null = null): Promise<void> {
      return end(agent => agent.destroy(error));
    }
  }
  return new ServiceDispatcherOfUndici();
}

/** Origins that requests have named, taken apart: parsing one takes as long as all else that is done here. */
const origins = new BoundedMap<string, { readonly protocol: string; readonly host: string }>(256);

function partsOf(origin: string): { readonly protocol: string; readonly host: string } {
  let parts = origins.get(origin);
  if (parts === undefined) {
    const { protocol, host } = new URL(origin);
    origins.set(origin, (parts = { protocol, host }));
  }
  return parts;
}

/** The endpoint as an origin, and the Host header that the request would have had without it. */
function placed({ origin, headers }: DispatchOptions, { host, port }: Endpoint): { origin: string; headers: unknown } {
  const asked = partsOf(origin === undefined ? `http://${host}` : String(origin));
  return { origin: `${asked.protocol}//${host}:${port}`, headers: withHost(headers, asked.host) };
}

/** undici takes an object, a list of names and values in turn, or what can be iterated. */
function withHost(headers: unknown, host: string): unknown {
  if (headers === undefined || headers === null) return { host };
  if (Array.isArray(headers)) {
    const list = headers as unknown[];
    // Pairs, as an iterable has them, or flat.
    if (Array.isArray(list[0]))
      return hasHost((list as [unknown, unknown][]).map(([name]) => name)) ? list : [['host', host], ...list];
    return hasHost(list.filter((_, i) => i % 2 === 0)) ? list : ['host', host, ...list];
  }
  if (typeof (headers as Iterable<unknown>)[Symbol.iterator] === 'function') {
    const pairs = [...(headers as Iterable<[unknown, unknown]>)];
    return hasHost(pairs.map(([name]) => name)) ? pairs.flat() : ['host', host, ...pairs.flat()];
  }
  const named = headers as Record<string, unknown>;
  return hasHost(Object.keys(named)) ? named : { host, ...named };
}
const hasHost = (names: readonly unknown[]): boolean =>
  names.some(name => (typeof name === 'string' || Buffer.isBuffer(name)) && String(name).toLowerCase() === 'host');

/** In whichever form the handler has. */
function fail(handler: AnyHandler, error: Error): void {
  if (typeof handler.onResponseError === 'function') handler.onResponseError(null, error);
  else handler.onError?.(error);
}
