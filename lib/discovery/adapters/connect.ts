// Connected sockets: to one endpoint, by its addresses in their order with Node's own Happy Eyeballs (RFC 8305), and to a
// service, one endpoint after the other.
import net, { type Socket } from 'node:net';
import tls from 'node:tls';
import { onAbort } from '../../base/cancel.js';
import { ShardnsError } from '../../base/errors.js';
import { abortError } from '../../node/errors.js';
import { type Endpoint, familyOf } from '../endpoint.js';
import type { TlsOptions } from '../options.js';
import type { ServiceFace } from '../service-face.js';
import { TlsSessions } from './tls-sessions.js';

export type { TlsOptions };

export interface ConnectOptions {
  /** For `policy: 'hash'`. */
  key?: string;
  /** TLS, with options of `tls.connect`; the server's name is by `servername` of the service unless one is given here. */
  tls?: boolean | TlsOptions;
  signal?: AbortSignal;
  /** Options of `net.connect`. */
  socket?: Pick<net.TcpNetConnectOpts, 'keepAlive' | 'keepAliveInitialDelay' | 'noDelay' | 'localAddress'>;
}

/** What `net.connect` and `tls.connect` take beside where to. */
export type SocketOptions = Record<string, unknown>;

/** Whose name a certificate has to be for. */
export function servernameOf({ settings }: ServiceFace, endpoint: Endpoint): string {
  if (settings.servername === 'service') return settings.domain;
  return settings.servername === 'target' ? endpoint.host : settings.servername;
}

/** Whether an endpoint still has the address that somebody is connected to; a socket that has no address has no other end. */
export function isAt(endpoint: Endpoint, address: string | undefined): boolean {
  return address !== undefined && endpoint.addresses.includes(address);
}

type LookupCallback = (error: Error | null, address: unknown, family?: number) => void;

function lookupIn(endpoint: Endpoint) {
  return (_host: string, options: { all?: boolean; family?: number | string }, callback: LookupCallback): void => {
    const found = endpoint.addresses.map(address => ({ address, family: familyOf(address) }));
    const wanted =
      options.family === 4 || options.family === 6 ? found.filter(one => one.family === options.family) : found;
    const given = wanted.length > 0 ? wanted : found;
    process.nextTick(() => {
      if (options.all) callback(null, given);
      else callback(null, given[0].address, given[0].family);
    });
  };
}

/** How an endpoint is connected to. */
export interface How {
  readonly secure: boolean;
  /** Of `net.connect`, and of `tls.connect` where `secure`. */
  readonly options: SocketOptions;
  /** Where sessions are kept, and under what; without it each handshake is a whole one. */
  readonly resume?: { readonly sessions: TlsSessions; readonly trust: string };
}

/** Tells how it has come out, once. */
export type Connected = (error: Error | undefined, socket: Socket | undefined) => void;

/**
 * Connects to one endpoint, within `connectTimeoutMs`, the handshake of TLS included.
 * @returns calls it off; nobody is told then
 */
export function connectEndpoint(
  service: ServiceFace,
  endpoint: Endpoint,
  { secure, options, resume }: How,
  connected: Connected,
): () => void {
  const { clock, settings } = service;
  const to = {
    autoSelectFamily: true,
    ...options,
    host: endpoint.host,
    port: endpoint.port,
    path: undefined,
    socketPath: undefined,
    lookup: lookupIn(endpoint),
  };
  // Also where an option is there and says nothing: Node would take the target's name then, which DNS has chosen.
  const named: SocketOptions = { servername: options.servername || servernameOf(service, endpoint) };
  const trust = `${String(named.servername)} ${resume?.trust}`;
  const session = resume?.sessions.get(endpoint, trust);
  if (session !== undefined) named.session = session;
  let socket: Socket;
  try {
    socket = secure ? tls.connect({ ...to, ...named } as tls.ConnectionOptions) : net.connect(to as net.NetConnectOpts);
  } catch (error) {
    // Options that Node refuses: nobody was asked.
    process.nextTick(() => connected(error as Error, undefined));
    return () => {};
  }
  const event = secure ? 'secureConnect' : 'connect';
  const over = (): void => {
    timer.cancel();
    socket.off(event, good);
    socket.off('error', bad);
    socket.off('close', closed);
  };
  const good = (): void => {
    over();
    // Whoever gets it may not listen yet when the other end breaks it, and that must not end the program.
    socket.on('error', () => {});
    if (settings.prefer === 'fastest') endpoint.tryFirst(socket.remoteFamily === 'IPv6' ? 6 : 4);
    if (resume !== undefined) {
      socket.on('session', (ticket: Buffer) => resume.sessions.set(endpoint, trust, ticket));
    }
    connected(undefined, socket);
  };
  const bad = (error: Error): void => {
    over();
    socket.on('error', () => {}); // what comes after that is nobody's
    socket.destroy();
    connected(error, undefined);
  };
  const closed = (): void => bad(new ShardnsError('ERR_SHARDNS_UPSTREAM', `${endpoint.id} closed the connection`));
  socket.on(event, good);
  socket.on('error', bad);
  socket.on('close', closed);
  const ms = settings.connectTimeoutMs;
  const timer = clock.after(ms, () =>
    bad(Object.assign(new Error(`connect ETIMEDOUT ${endpoint.id} in ${ms} ms`), { code: 'ETIMEDOUT' })),
  );
  return () => {
    over();
    socket.on('error', () => {});
    socket.destroy();
  };
}

/** One try after the other at what has no connection yet: the rules are the service's. */
export interface Tries {
  readonly endpoint: Endpoint;
  readonly socket: Socket;
}

/**
 * Connects to an endpoint, and to others where that is not to be had, as `retry` allows. The endpoints that failed are told;
 * the one that is connected is still in flight.
 * @param ended not told once nobody waits
 * @returns to be called when nobody waits any more. The try that is under way comes to its end, within `connectTimeoutMs`:
 *   who has less patience than that would never see that an endpoint is silent. No other one follows
 */
export function connectInTurn(
  service: ServiceFace,
  first: Endpoint,
  how: How & { method?: string },
  ended: (error: Error | undefined, made: Tries | undefined) => void,
): () => void {
  const tried: Endpoint[] = [];
  let isWanted = true;
  /** Between two tries: lets go of the next one. */
  let giveUp = (): void => {};
  const attempt = (endpoint: Endpoint): void => {
    tried.push(endpoint);
    giveUp = () => {};
    connectEndpoint(service, endpoint, how, (error, socket) => {
      if (socket !== undefined) {
        if (isWanted) ended(undefined, { endpoint, socket });
        else {
          socket.on('error', () => {});
          socket.destroy();
          endpoint.notAsked();
        }
        return;
      }
      endpoint.done('unreachable');
      if (!isWanted) return;
      const { retries } = service;
      const failure = { error: error!, endpoint, attempt: tried.length, sent: false, method: how.method };
      const next = retries.may(failure) ? another(service, tried) : undefined;
      if (next === undefined) {
        ended(error, undefined);
        return;
      }
      const delay = retries.noteRetry(failure);
      if (delay === 0) attempt(next);
      else {
        const timer = retries.later(delay, () => attempt(next));
        giveUp = () => {
          timer.cancel();
          next.notAsked();
        };
      }
    });
  };
  attempt(first);
  return () => {
    if (!isWanted) return;
    isWanted = false;
    giveUp();
  };
}

/** An endpoint that was not tried; undefined where there is none. */
export function another(service: ServiceFace, tried: readonly Endpoint[]): Endpoint | undefined {
  try {
    return service.pick({ not: tried });
  } catch {
    return undefined;
  }
}

/** Of those who connect with the same options: the same object, or none. */
const sessionsByOptions = new WeakMap<object, TlsSessions>();
function sessionsFor(options: object): TlsSessions {
  let sessions = sessionsByOptions.get(options);
  if (sessions === undefined) sessionsByOptions.set(options, (sessions = new TlsSessions()));
  return sessions;
}

export function connectService(service: ServiceFace, options: ConnectOptions): Promise<Socket> {
  const { key, signal, tls: secured } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(abortError(signal));
      return;
    }
    const first = service.pick({ key }); // throws into the promise
    service.retries.noteRequest(service.clock.nowMs());
    const secure = secured !== undefined && secured !== false;
    const given = { ...options.socket, ...(typeof secured === 'object' ? secured : {}) };
    const resume = secure ? { sessions: sessionsFor(secured === true ? service : secured), trust: '' } : undefined;
    const callOff = connectInTurn(service, first, { secure, options: given, resume }, (error, made) => {
      stop?.();
      if (made === undefined) {
        reject(error!);
        return;
      }
      made.endpoint.goesWell();
      made.socket.once('close', hadError => made.endpoint.done(hadError ? 'failed' : 'ok'));
      resolve(made.socket);
    });
    const stop = signal && onAbort(signal, () => (callOff(), reject(abortError(signal))));
  });
}
