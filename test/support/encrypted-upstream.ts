// A server that is to be asked over TLS or HTTPS and nothing else: whatever else comes to its port is counted.
import { createSocket } from 'node:dgram';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { frame, MessageReader } from '../../lib/transport/framing.js';
import type { MadeCertificate } from './certificate.js';
import { answerA, decode } from './messages.js';

export interface EncryptedUpstream {
  readonly port: number;
  /** Names of whole questions that came encrypted. */
  readonly asked: string[];
  /** Datagrams, and connections that begin with anything but a handshake. */
  plain: number;
  close(): void;
}

/** Answers all with 192.0.2.7 where it is asked as it should be, with 192.0.2.66 over UDP. */
export async function encryptedUpstream(scheme: 'tls' | 'https', its: MadeCertificate): Promise<EncryptedUpstream> {
  const sockets: Socket[] = [];
  const answer = (message: Buffer): Buffer => {
    seen.asked.push(decode(message).questions![0].name);
    const response = Buffer.from(answerA(message, 60, '192.0.2.7'));
    // AA, for those who ask it as a zone's server.
    return response.fill(response[2] | 4, 2, 3);
  };
  const secure = scheme === 'tls' ? overTls(its, answer) : overHttps(its, answer);
  const server = createTcpServer(socket => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.once('readable', () => {
      const first = socket.read(1) as Buffer | null;
      if (first === null) return;
      socket.unshift(first);
      if (first[0] !== 22) seen.plain++;
      secure.emit('connection', socket);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const udp = createSocket('udp4');
  const seen: EncryptedUpstream = {
    port,
    asked: [],
    plain: 0,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      udp.close();
    },
  };
  udp.on('message', (message, from) => {
    seen.plain++;
    udp.send(answerA(message, 60, '192.0.2.66'), from.port, from.address);
  });
  await new Promise<void>(resolve => udp.bind(port, '127.0.0.1', resolve));
  return seen;
}

type Answer = (message: Buffer) => Buffer;

function overTls(its: MadeCertificate, answer: Answer): TlsServer {
  const server = createTlsServer({ cert: its.certificate, key: its.key }, socket => {
    const reader = new MessageReader();
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      for (const message of reader.push(chunk)) socket.write(frame(answer(message)));
    });
  });
  return server.on('tlsClientError', () => {});
}

function overHttps(its: MadeCertificate, answer: Answer): Http2SecureServer {
  const server = createSecureServer({ cert: its.certificate, key: its.key });
  server.on('tlsClientError', () => {});
  server.on('session', session => void session.on('error', () => {}));
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      if (stream.destroyed) return;
      if (headers[':path'] !== '/dns-query') {
        stream.respond({ ':status': 404 }, { endStream: true });
        return;
      }
      stream.respond({ ':status': 200, 'content-type': 'application/dns-message' });
      stream.end(answer(Buffer.concat(chunks)));
    });
  });
  return server;
}
