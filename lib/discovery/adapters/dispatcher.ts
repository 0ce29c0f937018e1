// A dispatcher of undici whose requests go to endpoints of a service, for the built-in `fetch` and for undici 6, 7 and 8.
//
// Each endpoint has an Agent of undici of its own, which is closed, and lets requests end, when the endpoint leaves. What
// undici gives to handlers passes through handlers.ts; what it is asked for goes to it as it came, but for the origin.
import type { Socket } from 'node:net';
import { BoundedMap } from '../../base/bounded-map.js';
import { optionError, ShardnsError } from '../../base/errors.js';
import type { Endpoint } from '../endpoint.js';
import type { Change } from '../live-set.js';
import type { ServiceFace } from '../service-face.js';
import { another, connectEndpoint, isAt, type SocketOptions, type TlsOptions } from './connect.js';
import { type AnyHandler, type DispatchOptions, handlerFor, type Sender } from './handlers.js';
import { TlsSessions } from './tls-sessions.js';

export type { DispatchOptions };

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

/** Of an endpoint: its Agent, the addresses that this has connected to, and what requests have as their origin there. */
interface Used {
  readonly agent: UndiciAgent;
  readonly addresses: ReadonlySet<string>;
  readonly http: string;
  readonly https: string;
}

interface ConnectorOptions {
  hostname: string;
  port: string;
  protocol: string;
  localAddress?: string | null;
}
type ConnectorCallback = (error: Error | null, socket: Socket | null) => void;

/**
 * @param told called when it is closed or destroyed
 * @throws {ShardnsError} ERR_SHARDNS_OPTION where there is no Agent
 */
export function makeDispatcher(service: ServiceFace, given: DispatcherOptions, told: () => void): ServiceDispatcher {
  const { Agent, wrap } = undiciOf(given.undici);
  const h2 = given.agent?.allowH2 === true;
  const alpn = h2 ? ['h2', 'http/1.1'] : ['http/1.1'];
  const agents = new Map<Endpoint, Used>();
  const sessions = new TlsSessions();
  let ended = false;

  const connectorOf =
    (endpoint: Endpoint, addresses: Set<string>) =>
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
      connectEndpoint(service, endpoint, { secure, options, resume }, (error, socket) => {
        if (socket === undefined) {
          // Whoever waited for it may be gone, and tells nothing.
          endpoint.isUnreachable();
          callback(error!, null);
          return;
        }
        if (socket.remoteAddress !== undefined) addresses.add(socket.remoteAddress);
        callback(null, socket);
      });
    };

  const usedFor = (endpoint: Endpoint): Used => {
    let used = agents.get(endpoint);
    if (used === undefined) {
      const addresses = new Set<string>();
      const agent = new Agent({ ...given.agent, connect: connectorOf(endpoint, addresses) });
      const at = `${endpoint.host}:${endpoint.port}`;
      used = { agent, addresses, http: `http://${at}`, https: `https://${at}` };
      agents.set(endpoint, used);
    }
    return used;
  };

  const onChange = ({ removed, changed }: Change): void => {
    if (removed.length + changed.length === 0) return;
    // Of all that are gone: one of a last resort was so before its agent was made. And of those that have moved: a pod that
    // was replaced under its name has another address.
    for (const [endpoint, used] of agents) {
      const isThere = endpoint.state !== 'gone' && [...used.addresses].every(address => isAt(endpoint, address));
      if (isThere) continue;
      agents.delete(endpoint);
      used.agent.close().catch(() => {}); // requests that were under way tell their own callers
    }
  };
  service.on('change', onChange);

  const sender: Sender = {
    service,
    send: (options, to, through) => {
      // Between two tries: an agent that was made now would never be closed.
      if (ended) throw new ShardnsError('ERR_SHARDNS_CLOSED', `${service.name}: a dispatcher that is closed`);
      const used = usedFor(to);
      const { protocol, host } = askedFor(options, to);
      const origin =
        protocol === 'https:' ? used.https : protocol === 'http:' ? used.http : `${protocol}//${to.host}:${to.port}`;
      // Set one by one: V8 defines what stands behind a spread in the slow way where it is there already (0.3 us).
      const placed: DispatchOptions = { ...options };
      placed.origin = origin;
      placed.headers = withHost(options.headers, host);
      used.agent.dispatch(placed, through);
    },
    next: tried => another(service, tried),
  };
  const { key } = given;

  const dispatch = (options: DispatchOptions, asked: AnyHandler): boolean => {
    const handler = wrap === undefined || typeof asked.onRequestStart === 'function' ? asked : wrap(asked);
    let endpoint: Endpoint;
    try {
      if (ended) throw new ShardnsError('ERR_SHARDNS_CLOSED', `${service.name}: a dispatcher that is closed`);
      endpoint = key === undefined ? service.pick() : service.pick({ key: key(options) });
    } catch (error) {
      fail(handler, error as Error);
      return true;
    }
    const beganMs = service.clock.nowMs();
    service.retries.noteRequest(beganMs);
    try {
      sender.send(options, endpoint, handlerFor(handler, { sender, options, endpoint, beganMs }));
    } catch (error) {
      endpoint.notAsked();
      throw error;
    }
    // Never false: that would have callers wait for `drain` of one of many agents.
    return true;
  };

  const end = async (how: (agent: UndiciAgent) => Promise<void>): Promise<void> => {
    if (!ended) service.off('change', onChange);
    ended = true;
    told();
    const all = [...agents.values()];
    agents.clear();
    await Promise.all(all.map(({ agent }) => how(agent)));
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

interface Parts {
  readonly origin: string;
  readonly protocol: string;
  readonly host: string;
}
/** Origins that requests have named, taken apart: parsing one takes as long as all else that is done here. */
const origins = new BoundedMap<string, Parts>(256);
/** Nearly always it is the one of the last request: a text is compared faster than it is hashed. */
let last: Parts = { origin: '', protocol: '', host: '' };

function partsOf(origin: string): Parts {
  if (origin === last.origin) return last;
  let parts = origins.get(origin);
  if (parts === undefined) {
    const { protocol, host } = new URL(origin);
    origins.set(origin, (parts = { origin, protocol, host }));
  }
  return (last = parts);
}

/** What a request would have as its Host header without a service, and how it is sent. */
function askedFor({ origin }: DispatchOptions, { host }: Endpoint): Parts {
  return partsOf(origin === undefined ? `http://${host}` : String(origin));
}

/** undici takes an object, a list of names and values in turn, or what can be iterated. */
function withHost(headers: unknown, host: string): unknown {
  if (headers === undefined || headers === null) return { host };
  if (Array.isArray(headers)) {
    const list = headers as unknown[];
    // Pairs, as an iterable has them, or flat.
    if (Array.isArray(list[0])) {
      return (list as [unknown, unknown][]).some(([name]) => isHost(name)) ? list : [['host', host], ...list];
    }
    return list.some((name, i) => i % 2 === 0 && isHost(name)) ? list : ['host', host, ...list];
  }
  if (typeof (headers as Iterable<unknown>)[Symbol.iterator] === 'function') {
    const pairs = [...(headers as Iterable<[unknown, unknown]>)];
    return pairs.some(([name]) => isHost(name)) ? pairs.flat() : ['host', host, ...pairs.flat()];
  }
  const named = headers as Record<string, unknown>;
  return Object.keys(named).some(isHost) ? named : { host, ...named };
}
const isHost = (name: unknown): boolean =>
  (typeof name === 'string' || Buffer.isBuffer(name)) && name.length === 4 && String(name).toLowerCase() === 'host';

/** In whichever form the handler has. */
function fail(handler: AnyHandler, error: Error): void {
  if (typeof handler.onResponseError === 'function') handler.onResponseError(null, error);
  else handler.onError?.(error);
}
