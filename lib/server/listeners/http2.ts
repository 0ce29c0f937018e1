// DNS over HTTPS by Node's own HTTP/2, where the framing of ours cannot run. Bounds: `maxPipelined` streams at once,
// MAX_HEAD_OCTETS and MAX_FIELDS of a request's head, a DNS message of its body, those of DohConnection, and what nghttp2
// holds against floods: settings, pings, continuations, and resets (1000 at once, then 33 a second). A connection on which
// nghttp2 has given up (GOAWAY) is not read any more, and closed when it has been idle.
import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { MessageBody } from '../../wire/message-body.js';
import type { DohConnection, DohReply } from './doh-connection.js';
import { ALLOWED_METHODS, DNS_MESSAGE, readHead } from './doh-request.js';
import { MAX_FIELDS, MAX_HEAD_OCTETS } from './http1.js';

/** What the client does not listen for, of which each costs it its connection: frames that are broken, streams too many. */
const MAX_FAULTS = 100;
/** What a reply costs beside its octets. */
const REPLY_OVERHEAD = 256;

/** Gives a connection that has agreed on HTTP/2 its session. */
export function serveHttp2(socket: Duplex, connection: DohConnection, path: string): void {
  const { maxPipelined } = connection.parts.connections.options;
  const session: ServerHttp2Session = performServerHandshake(socket, {
    maxSessionMemory: 4,
    maxHeaderListPairs: MAX_FIELDS,
    maxOutstandingPings: 10,
    maxSettings: 32,
    maxSessionInvalidFrames: MAX_FAULTS,
    maxSessionRejectedStreams: MAX_FAULTS,
    settings: { maxConcurrentStreams: maxPipelined, maxHeaderListSize: MAX_HEAD_OCTETS, enablePush: false },
  });
  connection.farewell = () => session.close();
  let faults = 0;
  session.on('error', () => connection.abused());
  session.on('frameError', () => connection.abused());
  session.on('goaway', () => session.close());
  session.on('close', () => connection.destroy());
  // The types of Node lack the last argument.
  session.on('stream', ((stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _: number, raw: string[]) => {
    stream.on('error', () => {
      if (++faults > MAX_FAULTS) connection.abused();
    });
    try {
      new Http2Request(stream, headers, connection).serve(path, octetsOf(raw));
    } catch {
      connection.destroy(); // the stream went away while it was looked at
    }
  }) as (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void);
}

const octetsOf = (texts: readonly string[]): number => texts.reduce((sum, one) => sum + one.length, 0);

class Http2Request {
  #body = new MessageBody();
  /** Of the reply, not taken yet. */
  #written = 0;
  readonly #reply = (one: DohReply): void => this.#write(one);

  constructor(
    private readonly stream: ServerHttp2Stream,
    private readonly headers: IncomingHttpHeaders,
    private readonly connection: DohConnection,
  ) {
    stream.on('close', () => {
      this.#endBody();
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR) connection.wrote(this.#written);
      else connection.dropped(this.#written);
      this.#written = 0;
    });
  }

  /** @param headOctets of its fields */
  serve(path: string, headOctets: number): void {
    const { headers, connection } = this;
    if (headOctets > MAX_HEAD_OCTETS) {
      this.#reply(connection.refuse(431));
      return;
    }
    const one = (name: string): string | undefined => headers[name] as string | undefined;
    const reading = readHead(
      {
        method: one(':method') ?? '',
        target: one(':path') ?? '',
        contentType: headers['content-type'],
        contentLength: headers['content-length'],
      },
      path,
    );
    if (reading === 'body') this.#readBody();
    else if (typeof reading === 'number') this.#reply(connection.refuse(reading));
    else connection.ask(reading, this.#forwarded, this.#reply);
  }

  /** For whom a proxy asks; Node joins the lines of the header. */
  get #forwarded(): string | undefined {
    const { forwardedBy } = this.connection;
    return forwardedBy === undefined ? undefined : (this.headers[forwardedBy] as string | undefined);
  }

  #readBody(): void {
    const { stream, connection } = this;
    connection.begin(this);
    stream.on('data', (chunk: Buffer) => {
      if (this.#body.isTooLong) return;
      this.#body.add(chunk);
      connection.received(chunk.length);
      if (this.#body.isTooLong) this.#reply(connection.refuse(413));
    });
    stream.on('end', () => {
      if (this.#body.isTooLong || stream.destroyed) return;
      const { message: query } = this.#body;
      this.#endBody();
      connection.ask(query, this.#forwarded, this.#reply);
    });
  }
  #endBody(): void {
    this.connection.end(this, this.#body.octets);
    this.#body = new MessageBody();
  }

  #write({ status, octets, freshness }: DohReply): void {
    const { stream, connection, headers } = this;
    if (stream.destroyed || stream.closed || stream.headersSent) return;
    const length = octets?.length ?? 0;
    const fields: Record<string, string | number> = { ':status': status, 'content-length': length };
    if (octets !== undefined) fields['content-type'] = DNS_MESSAGE;
    if (freshness !== undefined) fields['cache-control'] = freshness;
    if (status === 405) fields.allow = ALLOWED_METHODS;
    this.#written = REPLY_OVERHEAD + length;
    connection.writes(this.#written);
    if (connection.isGone) return;
    const isBare = length === 0 || headers[':method'] === 'HEAD';
    stream.respond(fields, { endStream: isBare });
    if (!isBare) stream.end(Buffer.from(octets!));
    // What the client is still to send of a request that was refused is not read.
    else if (status >= 400) stream.close();
  }
}
