// The control API of one server, by whatever way it is called. What it needs (schemas, the history of the server) is
// loaded at the first call, or when a page is to be shown: a server that nobody asks pays nothing for it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Server } from '../server/server.js';
import type { ApiParts } from './api/call.js';
import type { Caller } from './api/caller.js';
import type { Told } from './api/router.js';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** What is logged of calls, by whatever way they come. */
export const toldTo = (log: Logger): Told => ({
  changed: line => log.info(line, 'control'),
  broke: (error, call) => log.error({ err: error, call }, 'a call failed: this is a mistake of ours'),
});

interface Loaded {
  readonly parts: ApiParts;
  readonly route: typeof import('./api/router.js').route;
  readonly sendProblem: typeof import('./api/router.js').sendProblem;
}

export class ControlApi {
  #loading: Promise<Loaded> | undefined;
  #loaded: Loaded | undefined;
  #closed = false;

  constructor(
    private readonly server: Server,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** Begins to sample what the server does. */
  async parts(): Promise<ApiParts> {
    return (await this.#load()).parts;
  }

  /** Answers one call of one who may do what `caller` says. Never rejects. */
  async answer(exchange: Exchange, caller: Caller): Promise<void> {
    const { response } = exchange;
    response.on('error', () => {}); // whoever asked is gone
    try {
      const { parts, route } = await this.#load();
      await route(parts, exchange, caller, toldTo(this.log));
    } catch (error) {
      this.log.error({ err: error }, 'a call of the control API could not be answered: this is a mistake of ours');
      if (!response.headersSent) response.writeHead(500);
      response.end();
    }
  }

  close(): void {
    this.#closed = true;
    this.#end();
  }
  #end(): void {
    this.#loaded?.parts.events.close();
    this.#loaded?.parts.history.end();
  }

  #load(): Promise<Loaded> {
    return (this.#loading ??= this.#loadOnce());
  }
  async #loadOnce(): Promise<Loaded> {
    const { server, clock, log } = this;
    const [{ route, sendProblem }, { History }, { EventStreams }, { Profiler }] = await Promise.all([
      import('./api/router.js'),
      import('./history.js'),
      import('./api/event-streams.js'),
      import('./profiler.js'),
    ]);
    const history = new History(() => server.report(), clock, log);
    const events = new EventStreams(history, clock);
    const profiler = new Profiler({ clock });
    this.#loaded = { parts: { server, history, events, profiler }, route, sendProblem };
    if (this.#closed) this.#end();
    else history.begin();
    return this.#loaded;
  }
}
