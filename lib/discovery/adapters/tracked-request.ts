// One request of node:http from its pick to its end: which endpoint it is counted at, and how it ends before it has a socket.
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

/**
 * It listens to `close`, and looks on at errors: a listener of `response`, `error` or `upgrade` would change what Node does for
 * requests that have none. Node's agent gives a request its socket before that is connected, so that it can be called off or time out; here
 * the socket comes when it is connected, and until then this does the same.
 */
export class TrackedRequest {
  /** Endpoints that it could not be connected to. */
  readonly tried: Endpoint[] = [];
  #isOver = false;
  /** The other end has broken it, or the way to it: with a caller who gives up, the request is destroyed before its error. */
  #isBroken = false;
  readonly #beganMs: number;
  #stop: (() => void) | undefined;
  #timer: { cancel(): void } | undefined;

  /**
   * @param endpoint where it is in flight
   * @param given options of the request, as the agent has got them
   * @param servername that the caller has chosen
   * @param calledOff it is over without a socket: takes it out of where it waits
   */
  constructor(
    private readonly service: ServiceFace,
    public endpoint: Endpoint,
    private readonly request: ClientRequest,
    readonly given: SocketOptions,
    readonly servername: unknown,
    private readonly calledOff: () => void,
  ) {
    this.#beganMs = service.clock.nowMs();
    request.on(errorMonitor, () => {
      if (!request.destroyed) this.#isBroken = true;
    });
    request.on('close', () => this.end());
    const destroy = request.destroy.bind(request);
    request.destroy = (error?: Error) => {
      const isFirst = !request.destroyed;
      destroy(error);
      if (isFirst && !request.socket) this.#callOff();
      return request;
    };
  }
  get #inside(): RequestInside {
    return this.request as unknown as RequestInside;
  }

  /** Milliseconds without an answer after which it says `timeout`; 0: never. */
  timeoutMs(agentMs: number | undefined): number {
    return this.#inside.timeout || agentMs || 0;
  }

  /** A connection for it is under way, or a wait before the next try. @param stop told that nobody waits for that any more */
  connecting(stop: (() => void) | undefined, timeoutMs: number): void {
    this.#stop = stop;
    if (timeoutMs > 0) this.#timer ??= this.service.clock.after(timeoutMs, () => this.request.emit('timeout'));
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
    this.#stop?.();
    this.connected();
    this.calledOff();
    // Tells of the error that it was destroyed with.
    this.#inside.onSocket(null);
  }

  /** It goes on at another endpoint, where it is counted already. */
  moveTo(endpoint: Endpoint): void {
    this.endpoint = endpoint;
  }
  /** Its endpoint has been told. */
  forget(): void {
    this.#isOver = true;
  }

  get #outcome(): RequestOutcome {
    const { res } = this.#inside;
    if (res === undefined || res === null) return this.#isBroken ? 'failed' : 'abandoned';
    if (!res.complete) return this.#isBroken || res.errored ? 'failed' : 'abandoned';
    const from = this.service.settings.health?.failingStatus ?? 0;
    return from > 0 && (res.statusCode ?? 0) >= from ? 'failed' : 'ok';
  }
  end(): void {
    this.#timer?.cancel();
    if (this.#isOver) return;
    this.#isOver = true;
    const outcome = this.#outcome;
    this.endpoint.done(outcome, outcome === 'ok' ? this.service.clock.nowMs() - this.#beganMs : undefined);
  }
}
