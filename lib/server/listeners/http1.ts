// DNS over HTTPS by HTTP/1.1, for clients that do not speak HTTP/2: Node's server over connections that it is given. Bounds:
// MAX_HEAD_OCTETS and MAX_FIELDS of a request's head, a DNS message of its body, and those of DohConnection; Node's own time-outs are off,
// since they run on its own clock.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { MessageBody } from '../../wire/message-body.js';
import type { DohConnection, DohReply } from './doh-connection.js';
import { ALLOWED_METHODS, DNS_MESSAGE, readHead } from './doh-request.js';

/** Of request line and fields together. */
export const MAX_HEAD_OCTETS = 8192;
/** Fields of a request's head: browsers send a dozen. */
export const MAX_FIELDS = 32;

export class Http1 {
  readonly #server: Server;
  readonly #connections = new WeakMap<Duplex, DohConnection>();

  constructor(private readonly path: string) {
    const timeouts = { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 };
    this.#server = createServer({ ...timeouts, maxHeaderSize: MAX_HEAD_OCTETS }, (request, response) => {
      const connection = this.#connections.get(request.socket);
      if (connection === undefined) request.socket.destroy();
      else serve(request, response, connection, this.path);
    });
    // Node leaves out, and does not tell, what is beyond a number of fields: that of a proxy, which comes last.
    this.#server.maxHeadersCount = 0;
    // Nobody is led elsewhere.
    for (const event of ['upgrade', 'connect']) this.#server.on(event, (_, socket: Duplex) => socket.destroy());
  }

  take(socket: Duplex, connection: DohConnection): void {
    this.#connections.set(socket, connection);
    connection.farewell = () => void (connection.isBusy || socket.end());
    this.#server.emit('connection', socket);
  }
}

function serve(request: IncomingMessage, response: ServerResponse, connection: DohConnection, path: string): void {
  const { method = '', url: target = '', headers } = request;
  const isHead = method === 'HEAD';
  const reply = (one: DohReply): void => write(response, connection, one, isHead);
  const { forwardedBy } = connection;
  // Node joins the lines of both headers, as RFC 9110 section 5.3 has it.
  const forwarded = forwardedBy === undefined ? undefined : (headers[forwardedBy] as string | undefined);
  const reading = readHead(
    { method, target, contentType: headers['content-type'], contentLength: headers['content-length'] },
    path,
  );
  for (const one of [request, response]) one.on('error', () => connection.destroy());
  if (request.rawHeaders.length > 2 * MAX_FIELDS) reply(connection.refuse(431));
  else if (reading === 'body') readBody(request, connection, query => connection.ask(query, forwarded, reply), reply);
  else if (typeof reading === 'number') reply(connection.refuse(reading));
  else connection.ask(reading, forwarded, reply);
}

function readBody(
  request: IncomingMessage,
  connection: DohConnection,
  ask: (query: Uint8Array) => void,
  reply: (one: DohReply) => void,
): void {
  const body = new MessageBody();
  connection.begin(request);
  request.on('data', (chunk: Buffer) => {
    if (body.isTooLong) return;
    body.add(chunk);
    connection.received(chunk.length);
    if (!body.isTooLong) return;
    connection.end(request, body.octets);
    reply(connection.refuse(413));
  });
  request.on('end', () => {
    if (body.isTooLong) return;
    connection.end(request, body.octets);
    ask(body.message);
  });
}

function write(response: ServerResponse, connection: DohConnection, reply: DohReply, isHead: boolean): void {
  if (response.destroyed || response.headersSent) return;
  const { status, octets, freshness } = reply;
  const length = octets?.length ?? 0;
  const headers: Record<string, string | number> = { 'content-length': length };
  if (octets !== undefined) headers['content-type'] = DNS_MESSAGE;
  if (freshness !== undefined) headers['cache-control'] = freshness;
  if (status === 405) headers.allow = ALLOWED_METHODS;
  // What the client is still to send of a request that was refused is not read.
  if (status >= 400 || connection.isLeaving) headers.connection = 'close';
  const written = MAX_HEAD_OCTETS / 16 + length;
  connection.writes(written);
  response.on('finish', () => connection.wrote(written));
  response.writeHead(status, headers);
  response.end(octets === undefined || isHead ? undefined : Buffer.from(octets));
}
