// One request of node:http from its pick to its end: which endpoint it is counted at, and how it ends before it has a socket.
//
// One is made for each request, so it is one object: what listens is shared by all, and nothing of the request is replaced
// where it has its socket at once, as nearly all have.
import { errorMonitor } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Endpoint, RequestOutcome } from '../endpoint.js';
import type { ServiceFace } from '../service-face.js';
import type { SocketOptions } from './connect.js';

/** What Node's requests have beside what its typings say. */
interface RequestInside {
  res?: IncomingMessage | null;
  timeout?: number;
  onSocket(socket: null): void;
}

/** Whoever has requests: an agent. */
export interface Holder {
  readonly service: ServiceFace;
  /** Out of where requests wait for a connection. @returns whether it was there */
  takeOut(request: ClientRequest): boolean;
}

const TRACKED = Symbol('request of a service');
interface Tracked {
  [TRACKED]?: TrackedRequest;
}
const NOBODY: readonly Endpoint[] = [];

export const trackedOf = (request: ClientRequest): TrackedRequest | undefined => (request as Tracked)[TRACKED];

function onError(this: ClientRequest): void {
  trackedOf(this)!.failed();
}
function onClose(this: ClientRequest): void {
  trackedOf(this)!.end();
}
function onTimeout(this: ClientRequest): void {
  trackedOf(this)!.timedOut();
}

/**
 * It listens to `close`, and looks on at errors: a listener of `response`, `error` or `upgrade` would change what Node does for
 * requests that have none. Node's agent gives a request its socket before that is connected, so that it can be called off or time out; here
 * the socket comes when it is connected, and until then this does the same.
 */
export class TrackedRequest {
  /** Endpoints that it could not be connected to. */
  tried: readonly Endpoint[] = NOBODY;
  #isOver = false;
  /** The other end has broken it, or the way to it: with a caller who gives up, the request is destroyed before its error. */
  #isBroken = false;
  /** It has said nothing for as long as the caller waits for it. */
  #isSilent = false;
  #canBeCalledOff = false;
  readonly beganMs: number;
  #stop: (() => void) | undefined;
  #timer: { cancel(): void } | undefined;

  /**
   * @param endpoint where it is in flight
   * @param given options of the request, as the agent has got them
   */
  constructor(
    private readonly holder: Holder,
    public endpoint: Endpoint,
    private readonly request: ClientRequest,
    readonly given: SocketOptions,
  ) {
    this.beganMs = holder.service.clock.nowMs();
    (request as Tracked)[TRACKED] = this;
    request.on(errorMonitor, onError);
    request.on('close', onClose);
    request.on('timeout', onTimeout);
  }
  get #inside(): RequestInside {
    return this.request as unknown as RequestInside;
  }

  /** Milliseconds without an answer after which it says `timeout`; 0: never. */
  timeoutMs(agentMs: number | undefined): number {
    return this.#inside.timeout || agentMs || 0;
  }

  /** It has no socket yet: Node's own `destroy` would end nothing then. */
  waits(): void {
    if (this.#canBeCalledOff) return;
    this.#canBeCalledOff = true;
    const { request } = this;
    const destroy = request.destroy.bind(request);
    request.destroy = (error?: Error) => {
      const isFirst = !request.destroyed;
      destroy(error);
      if (isFirst && !request.socket) this.#callOff();
      return request;
    };
  }
  /** A connection for it is under way, or a wait before the next try. @param stop told that nobody waits for that any more */
  connecting(stop: (() => void) | undefined, timeoutMs: number): void {
    this.#stop = stop;
    if (timeoutMs === 0) return;
    // Where it got another connection meanwhile, the time is that connection's.
    this.#timer ??= this.holder.service.clock.after(timeoutMs, () => {
      if (!this.request.socket) this.request.emit('timeout');
    });
  }
  /** There is none; another try may follow, within the same time. */
  notConnected(): void {
    this.#stop = undefined;
  }
  connected(): void {
    this.#stop = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
  #callOff(): void {
    const isWaiting = this.holder.takeOut(this.request);
    // It was given a socket, or an error, in this turn: with that Node tells the caller, and once is enough.
    if (!isWaiting && this.#stop === undefined) return;
    this.#stop?.();
    this.connected();
    // Tells of the error that it was destroyed with.
    this.#inside.onSocket(null);
  }

  /** It could not be connected to its endpoint, which has been told. */
  leaves(): void {
    this.tried = [...this.tried, this.endpoint];
  }
  /** It goes on at another endpoint, where it is counted already. */
  moveTo(endpoint: Endpoint): void {
    this.endpoint = endpoint;
  }
  /** Its endpoint has been told. */
  forget(): void {
    this.#isOver = true;
  }
  failed(): void {
    if (!this.request.destroyed) this.#isBroken = true;
  }

  /** Of its own time-out, or its agent's. While it waits for a connection that is not its endpoint's silence. */
  timedOut(): void {
    if (this.request.socket) this.#isSilent = true;
  }

  get #outcome(): RequestOutcome {
    const { res } = this.#inside;
    if (res === undefined || res === null) return this.#isBroken || this.#isSilent ? 'failed' : 'abandoned';
    if (!res.complete) return this.#isBroken || res.errored ? 'failed' : 'abandoned';
    const from = this.holder.service.settings.health?.failingStatus ?? 0;
    return from > 0 && (res.statusCode ?? 0) >= from ? 'failed' : 'ok';
  }
  end(): void {
    this.#timer?.cancel();
    if (this.#isOver) return;
    this.#isOver = true;
    const outcome = this.#outcome;
    this.endpoint.done(outcome, outcome === 'ok' ? this.holder.service.clock.nowMs() - this.beganMs : undefined);
  }
}
