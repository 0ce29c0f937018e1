// Between undici and whoever has made a request: learns how it ends, and sends it to another endpoint where it may be tried
// again. Handlers have two forms, the one of undici up to 6 (`onConnect` ...) and that of 7 and later (`onRequestStart` ...);
// each is passed on in its own, never in the other.
import type { Endpoint, RequestOutcome } from '../endpoint.js';
import type { ServiceFace } from '../service-face.js';

type Method = (...args: unknown[]) => unknown;
/** A handler of either form; undici calls what is there. */
export type AnyHandler = { [name: string]: Method | undefined } & object;

export interface Attempt {
  readonly service: ServiceFace;
  readonly method: string;
  /** It has no body, or one that can be sent twice. */
  readonly isReplayable: boolean;
  endpoint: Endpoint;
  readonly tried: Endpoint[];
  send(endpoint: Endpoint, handler: AnyHandler): boolean;
  next(tried: readonly Endpoint[]): Endpoint | undefined;
}

/** What undici says when the caller has called it off. */
const CALLED_OFF: ReadonlySet<unknown> = new Set(['UND_ERR_ABORTED', 'ABORT_ERR', 20]);
const isCalledOff = ({ name, code }: Error & { code?: unknown }): boolean =>
  name === 'AbortError' || CALLED_OFF.has(code);

class Passing {
  /** Something of it went to the endpoint. */
  #sent = false;
  #answered = false;
  #status = 0;
  #isOver = false;
  readonly #beganMs: number;
  /** Of the old form: what calls off the request that is under way, whichever try that is. */
  #abort: ((reason?: unknown) => void) | undefined;
  #aborted: { reason: unknown } | undefined;

  constructor(
    readonly to: AnyHandler,
    private readonly attempt: Attempt,
  ) {
    this.#beganMs = attempt.service.clock.nowMs();
  }

  started(): boolean {
    const isFirst = !this.#sent;
    this.#sent = true;
    return isFirst;
  }
  /** @returns what the maker of the request is to call it off by */
  abortBy(abort: (reason?: unknown) => void): (reason?: unknown) => void {
    this.#abort = abort;
    if (this.#aborted !== undefined) abort(this.#aborted.reason);
    return reason => {
      this.#aborted = { reason };
      this.#abort?.(reason);
    };
  }
  answered(status: unknown): void {
    if (typeof status !== 'number' || status < 200) return;
    this.#answered = true;
    this.#status = status;
  }
  ended(): void {
    const { health } = this.attempt.service.settings;
    const from = health?.failingStatus ?? 0;
    this.#end(from > 0 && this.#status >= from ? 'failed' : 'ok');
  }
  #end(outcome: RequestOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { service, endpoint } = this.attempt;
    endpoint.done(outcome, outcome === 'ok' ? service.clock.nowMs() - this.#beganMs : undefined);
  }

  /** @returns whether it goes on at another endpoint; otherwise the error is the caller's */
  goesOn(error: Error, handler: AnyHandler): boolean {
    const { attempt } = this;
    const { service, endpoint, tried } = attempt;
    if (this.#aborted !== undefined || isCalledOff(error)) {
      this.#end('abandoned');
      return false;
    }
    if (this.#answered) {
      this.#end('failed');
      return false;
    }
    const sent = this.#sent;
    endpoint.done(sent ? 'failed' : 'unreachable');
    this.#isOver = true;
    if (sent && !attempt.isReplayable) return false;
    if (!service.retries.may({ error, endpoint, attempt: tried.length, sent, method: attempt.method })) return false;
    // A connection that an idle endpoint has closed: the endpoint is well, and may be all there is.
    const next = attempt.next(tried) ?? (sent ? attempt.next([]) : undefined);
    if (next === undefined) return false;
    this.#isOver = false;
    attempt.endpoint = next;
    tried.push(next);
    const again = (): void => {
      try {
        attempt.send(next, handler);
      } catch (thrown) {
        this.#end('abandoned');
        this.fail(thrown as Error);
      }
    };
    const delay = service.retries.delayMs(tried.length - 1);
    if (delay === 0) process.nextTick(again);
    else service.clock.after(delay, again);
    return true;
  }
  fail(error: Error): void {
    if (this.to.onResponseError !== undefined) this.to.onResponseError(null, error);
    else this.to.onError?.(error);
  }
}

/** Up to undici 6. */
class OldHandler {
  readonly #passing: Passing;
  readonly #to: AnyHandler;
  constructor(to: AnyHandler, attempt: Attempt) {
    this.#to = to;
    this.#passing = new Passing(to, attempt);
  }
  onConnect(abort: (reason?: unknown) => void, context: unknown): void {
    const isFirst = this.#passing.started();
    const stable = this.#passing.abortBy(abort);
    if (isFirst) this.#to.onConnect?.(stable, context);
  }
  onHeaders(status: unknown, ...rest: unknown[]): unknown {
    this.#passing.answered(status);
    return this.#to.onHeaders?.(status, ...rest);
  }
  onData(chunk: unknown): unknown {
    return this.#to.onData?.(chunk);
  }
  onComplete(trailers: unknown): void {
    this.#passing.ended();
    this.#to.onComplete?.(trailers);
  }
  onUpgrade(...args: unknown[]): void {
    this.#passing.ended();
    this.#to.onUpgrade?.(...args);
  }
  onBodySent(...args: unknown[]): unknown {
    return this.#to.onBodySent?.(...args);
  }
  onRequestSent(...args: unknown[]): unknown {
    return this.#to.onRequestSent?.(...args);
  }
  onResponseStarted(...args: unknown[]): unknown {
    return this.#to.onResponseStarted?.(...args);
  }
  onError(error: Error): void {
    if (!this.#passing.goesOn(error, this as unknown as AnyHandler)) this.#to.onError?.(error);
  }
}

/** From undici 7 on: the controller of each try is the caller's. */
class NewHandler {
  readonly #passing: Passing;
  readonly #to: AnyHandler;
  constructor(to: AnyHandler, attempt: Attempt) {
    this.#to = to;
    this.#passing = new Passing(to, attempt);
  }
  onRequestStart(...args: unknown[]): void {
    this.#passing.started();
    this.#to.onRequestStart?.(...args);
  }
  onRequestUpgrade(...args: unknown[]): void {
    this.#passing.ended();
    this.#to.onRequestUpgrade?.(...args);
  }
  onResponseStart(controller: unknown, status: unknown, ...rest: unknown[]): unknown {
    this.#passing.answered(status);
    return this.#to.onResponseStart?.(controller, status, ...rest);
  }
  onResponseData(...args: unknown[]): unknown {
    return this.#to.onResponseData?.(...args);
  }
  onResponseEnd(...args: unknown[]): void {
    this.#passing.ended();
    this.#to.onResponseEnd?.(...args);
  }
  onBodySent(...args: unknown[]): unknown {
    return this.#to.onBodySent?.(...args);
  }
  onRequestSent(...args: unknown[]): unknown {
    return this.#to.onRequestSent?.(...args);
  }
  onResponseStarted(...args: unknown[]): unknown {
    return this.#to.onResponseStarted?.(...args);
  }
  onResponseError(controller: unknown, error: Error): void {
    if (!this.#passing.goesOn(error, this as unknown as AnyHandler)) this.#to.onResponseError?.(controller, error);
  }
}

export function handlerFor(handler: AnyHandler, attempt: Attempt): AnyHandler {
  const made = typeof handler.onRequestStart === 'function' ? NewHandler : OldHandler;
  return new made(handler, attempt) as unknown as AnyHandler;
}
