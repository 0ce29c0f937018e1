// A DNS server over HTTPS on loopback (RFC 8484), by Node's HTTP/2.
import {
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { IncomingHttpHeaders, SecureServerOptions } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { ServerAddress, TlsAuthentication } from '../../lib/transport/transport.js';
import type { MadeCertificate } from './certificate.js';
import { answerA } from './messages.js';

export interface HttpsQuery {
  readonly message: Buffer;
  readonly headers: IncomingHttpHeaders;
  readonly stream: ServerHttp2Stream;
}

export class HttpsTestServer {
  readonly queries: HttpsQuery[] = [];
  readonly sessions: ServerHttp2Session[] = [];
  readonly sockets: TLSSocket[] = [];
  resumed = 0;
  answer: (query: HttpsQuery) => void = ({ message, stream }) => respond(stream, answerA(message));

  private constructor(readonly server: Http2SecureServer) {}

  static async start(its: MadeCertificate, options: SecureServerOptions = {}): Promise<HttpsTestServer> {
    const server = createSecureServer({ cert: its.certificate, key: its.key, ...options });
    const started = new HttpsTestServer(server);
    server.on('secureConnection', (socket: TLSSocket) => {
      started.sockets.push(socket);
      if (socket.isSessionReused()) started.resumed++;
      socket.on('error', () => {});
    });
    server.on('session', session => {
      started.sessions.push(session);
      session.on('error', () => {});
    });
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('error', () => {});
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const query = { message: Buffer.concat(chunks), headers, stream };
        started.queries.push(query);
        started.answer(query);
      });
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return started;
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }
  at(tls: Partial<TlsAuthentication> = {}, path?: string): ServerAddress {
    return { address: '127.0.0.1', port: this.port, family: 4, tls: { name: 'dns.example', pins: [], ...tls }, path };
  }
  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

export function respond(stream: ServerHttp2Stream, message: Uint8Array, headers: Record<string, string> = {}): void {
  if (stream.destroyed) return;
  stream.respond({ ':status': 200, 'content-type': 'application/dns-message', ...headers });
  stream.end(message);
}
