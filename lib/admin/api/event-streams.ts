// Streams of events (WHATWG server-sent events): each second what came in it. One that is not read gets no more until it
// is: the next event has the totals. A stream ends with what it was opened by: before an event is written it is asked
// whether that token or session still stands.
//
// Bounds: MAX_STREAMS; 64 KiB unread each; one that takes nothing for 30 s is closed.
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../base/clock.js';
import type { History } from '../history.js';
import type { Caller, Exchange } from './caller.js';
import { Refused } from './refused.js';

const MAX_STREAMS = 16;
const MAX_UNREAD_BYTES = 65_536;
const MAX_UNREAD_MS = 30_000;
/** A comment so often keeps proxies from closing a stream on which nothing comes. */
const PING_MS = 15_000;

interface Stream {
  readonly response: ServerResponse;
  readonly caller: Caller;
  /** Since when it takes nothing. */
  stuckSinceMs: number | undefined;
  lastMs: number;
}

export class EventStreams {
  readonly #streams = new Set<Stream>();
  readonly stats = { opened: 0, skipped: 0, closedStuck: 0 };
  #sequence = 0;

  constructor(
    history: History,
    private readonly clock: Clock,
  ) {
    history.onSample(sample => this.send('stats', sample));
  }

  get size(): number {
    return this.#streams.size;
  }

  /** @throws {Refused} 503 where there are too many */
  open({ request, response, caller }: Exchange): void {
    if (this.#streams.size >= MAX_STREAMS) {
      throw new Refused(503, 'ERR_SHARDNS_OVERLOAD', `${MAX_STREAMS} streams of events are open`, {
        'retry-after': '10',
      });
    }
    const stream: Stream = { response, caller, stuckSinceMs: undefined, lastMs: this.clock.nowMs() };
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    // Of HEAD the headers are all.
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    response.write('retry: 2000\n\n');
    this.#streams.add(stream);
    this.stats.opened++;
    response.on('close', () => this.#streams.delete(stream));
  }

  send(event: string, data: unknown): void {
    if (this.#streams.size === 0) return;
    const text = `id: ${++this.#sequence}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    for (const stream of this.#streams) {
      if (stream.caller.stands()) this.#write(stream, text);
      else {
        this.#streams.delete(stream);
        stream.response.end();
      }
    }
  }

  #write(stream: Stream, text: string): void {
    const { response } = stream;
    const now = this.clock.nowMs();
    if (response.writableLength > MAX_UNREAD_BYTES) {
      this.stats.skipped++;
      stream.stuckSinceMs ??= now;
      if (now - stream.stuckSinceMs < MAX_UNREAD_MS) return;
      this.stats.closedStuck++;
      response.destroy();
      return;
    }
    stream.stuckSinceMs = undefined;
    response.write(now - stream.lastMs >= PING_MS ? `: ping\n\n${text}` : text);
    stream.lastMs = now;
  }

  close(): void {
    for (const { response } of this.#streams) response.end();
    this.#streams.clear();
  }
}
