// Between undici and whoever has made a request: learns how it ends, and sends it to another endpoint where it may be tried
// again. Handlers have two forms, the one of undici up to 6 (`onConnect` ...) and that of 7 and later (`onRequestStart` ...);
// each is passed on in its own, never in the other.
//
// One is made for each request, so it is one object, and takes the arguments that undici gives, in no list.
import type { Endpoint, RequestOutcome } from '../endpoint.js';
import type { ServiceFace } from '../service-face.js';

type Method = (...args: unknown[]) => unknown;
/** A handler of either form; undici calls what is there. */
export type AnyHandler = { [name: string]: Method | undefined } & object;

/** What undici takes of a request, as far as it is looked at here. */
export interface DispatchOptions {
  origin?: string | URL | undefined;
  path: string;
  method: string;
  headers?: unknown;
  body?: unknown;
}

/** Whoever sends requests: a dispatcher. */
export interface Sender {
  readonly service: ServiceFace;
  /** @throws {Error} undici's, of options that it refuses */
  send(options: DispatchOptions, to: Endpoint, handler: AnyHandler): void;
  /** Another endpoint than those, where there is one. */
  next(tried: readonly Endpoint[]): Endpoint | undefined;
}

/** A request that an endpoint was picked for. */
export interface Begun {
  readonly sender: Sender;
  readonly options: DispatchOptions;
  readonly endpoint: Endpoint;
  readonly beganMs: number;
}

/** What undici says when the caller has called it off. */
const CALLED_OFF: ReadonlySet<unknown> = new Set(['UND_ERR_ABORTED', 'ABORT_ERR', 20]);
const isCalledOff = ({ name, code }: Error & { code?: unknown }): boolean =>
  name === 'AbortError' || CALLED_OFF.has(code);

/** Requests that undici refuses, or that are not what their headers say; and what ends with the dispatcher that it was given. */
const OF_THE_CALLER: ReadonlySet<unknown> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_INVALID_RETURN_VALUE',
  'UND_ERR_DESTROYED',
]);
/** Whether no endpoint has any part in it: whoever can have such requests sent takes no endpoint from others by it. */
function isOfTheCaller(error: Error & { code?: unknown }, { body }: DispatchOptions): boolean {
  // A stream that breaks off ends its request with its own error, such as an upload that is passed on from somewhere else.
  return OF_THE_CALLER.has(error.code) || (body as { errored?: unknown } | null | undefined)?.errored === error;
}

interface CalledOff {
  readonly reason: unknown;
}
/** By `AbortSignal.timeout`: nobody has lost interest, but it has taken longer than it may. */
const isTimeout = (reason: unknown): boolean => reason instanceof Error && reason.name === 'TimeoutError';

abstract class Passing {
  /** Something of it may have gone to the endpoint of this try. */
  #sent = false;
  /** Of the response; 0: there is none yet. */
  #status = 0;
  #isOver = false;
  /** From the second try on. */
  #tried: Endpoint[] | undefined;
  #endpoint: Endpoint;

  /** @param to the caller's own */
  constructor(
    protected readonly to: AnyHandler,
    private readonly begun: Begun,
  ) {
    this.#endpoint = begun.endpoint;
  }

  /** By its maker, whichever try is under way. */
  protected abstract get calledOff(): CalledOff | undefined;
  protected abstract fail(error: Error): void;

  protected started(): void {
    this.#sent = true;
  }
  protected answered(status: unknown): void {
    if (typeof status === 'number' && status >= 200) this.#status = status;
  }
  protected ended(): void {
    const from = this.begun.sender.service.settings.health?.failingStatus ?? 0;
    this.#end(from > 0 && this.#status >= from ? 'failed' : 'ok');
  }
  #end(outcome: RequestOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { sender, beganMs } = this.begun;
    this.#endpoint.done(outcome, outcome === 'ok' ? sender.service.clock.nowMs() - beganMs : undefined);
  }

  /** @returns whether it goes on at another endpoint; otherwise the error is the caller's */
  protected goesOn(error: Error): boolean {
    const { sender, options } = this.begun;
    const stopped = this.calledOff;
    if (isOfTheCaller(error, options)) {
      this.#end('abandoned');
      return false;
    }
    if (stopped !== undefined || isCalledOff(error)) {
      const isSilent = this.#sent && this.#status === 0 && isTimeout(stopped === undefined ? error : stopped.reason);
      this.#end(isSilent ? 'failed' : 'abandoned');
      return false;
    }
    if (this.#status > 0) {
      this.#end('failed');
      return false;
    }
    const endpoint = this.#endpoint;
    const { retries } = sender.service;
    const sent = this.#sent;
    endpoint.done(sent ? 'failed' : 'unreachable');
    this.#isOver = true;
    // A body may be one that cannot be sent twice.
    if (sent && options.body !== undefined && options.body !== null) return false;
    const tried = (this.#tried ??= [endpoint]);
    const failure = { error, endpoint, attempt: tried.length, sent, method: options.method };
    if (!retries.may(failure)) return false;
    // A connection that an idle endpoint has closed: the endpoint is well, and may be all there is.
    const next = sender.next(tried) ?? (sent ? sender.next([]) : undefined);
    if (next === undefined) return false;
    const delay = retries.noteRetry(failure);
    this.#isOver = this.#sent = false;
    this.#endpoint = next;
    tried.push(next);
    const again = (): void => {
      try {
        // Between two tries nothing is under way that undici would have called off.
        const { calledOff } = this;
        if (calledOff !== undefined) throw asError(calledOff.reason);
        sender.send(options, next, this as unknown as AnyHandler);
      } catch (thrown) {
        next.notAsked();
        this.#isOver = true;
        this.fail(thrown as Error);
      }
    };
    if (delay === 0) process.nextTick(again);
    else retries.later(delay, again);
    return true;
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new DOMException('This operation was aborted', 'AbortError');
}

/** Up to undici 6. */
class OldHandler extends Passing {
  /** What calls off the try that is under way; the caller has one function for all of them. */
  #abort: ((reason?: unknown) => void) | undefined;
  #calledOff: CalledOff | undefined;

  protected override get calledOff(): CalledOff | undefined {
    return this.#calledOff;
  }
  protected override fail(error: Error): void {
    this.to.onError?.(error);
  }

  onConnect(abort: (reason?: unknown) => void, context: unknown): void {
    const isFirst = this.#abort === undefined;
    this.#abort = abort;
    this.started();
    if (this.#calledOff !== undefined) abort(this.#calledOff.reason);
    if (!isFirst) return;
    this.to.onConnect?.((reason?: unknown) => {
      this.#calledOff = { reason };
      this.#abort?.(reason);
    }, context);
  }
  onHeaders(status: unknown, headers: unknown, resume: unknown, statusText: unknown): unknown {
    this.answered(status);
    return this.to.onHeaders?.(status, headers, resume, statusText);
  }
  onData(chunk: unknown): unknown {
    return this.to.onData?.(chunk);
  }
  onComplete(trailers: unknown): void {
    this.ended();
    this.to.onComplete?.(trailers);
  }
  onUpgrade(status: unknown, headers: unknown, socket: unknown): void {
    this.ended();
    this.to.onUpgrade?.(status, headers, socket);
  }
  onBodySent(chunk: unknown, total: unknown): unknown {
    return this.to.onBodySent?.(chunk, total);
  }
  onRequestSent(): unknown {
    return this.to.onRequestSent?.();
  }
  onResponseStarted(): unknown {
    return this.to.onResponseStarted?.();
  }
  onError(error: Error): void {
    if (!this.goesOn(error)) this.to.onError?.(error);
  }
}

/** From undici 7 on: the controller of each try is the caller's. */
class NewHandler extends Passing {
  #controller: { readonly aborted?: boolean; readonly reason?: unknown } | undefined;

  protected override get calledOff(): CalledOff | undefined {
    return this.#controller?.aborted === true ? { reason: this.#controller.reason } : undefined;
  }
  protected override fail(error: Error): void {
    this.to.onResponseError?.(this.#controller ?? null, error);
  }

  onRequestStart(controller: object, context: unknown): void {
    this.#controller = controller;
    this.started();
    this.to.onRequestStart?.(controller, context);
  }
  onRequestUpgrade(controller: unknown, status: unknown, headers: unknown, socket: unknown): void {
    this.ended();
    this.to.onRequestUpgrade?.(controller, status, headers, socket);
  }
  onResponseStart(controller: unknown, status: unknown, headers: unknown, statusText: unknown): unknown {
    this.answered(status);
    return this.to.onResponseStart?.(controller, status, headers, statusText);
  }
  onResponseData(controller: unknown, chunk: unknown): unknown {
    return this.to.onResponseData?.(controller, chunk);
  }
  onResponseEnd(controller: unknown, trailers: unknown): void {
    this.ended();
    this.to.onResponseEnd?.(controller, trailers);
  }
  onBodySent(chunk: unknown, total: unknown): unknown {
    return this.to.onBodySent?.(chunk, total);
  }
  onRequestSent(): unknown {
    return this.to.onRequestSent?.();
  }
  onResponseStarted(): unknown {
    return this.to.onResponseStarted?.();
  }
  onResponseError(controller: unknown, error: Error): void {
    if (!this.goesOn(error)) this.to.onResponseError?.(controller, error);
  }
}

/** @param to the caller's own */
export function handlerFor(to: AnyHandler, begun: Begun): AnyHandler {
  const Form = typeof to.onRequestStart === 'function' ? NewHandler : OldHandler;
  return new Form(to, begun) as unknown as AnyHandler;
}
