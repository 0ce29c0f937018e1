// Servers behind a service: each says its own name, and may be killed at any time.
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export interface Backend {
  readonly name: string;
  readonly port: number;
  readonly address: string;
  requests: number;
  /** Host headers that it was asked by. */
  readonly hosts: Set<string>;
  status: number;
  /** Stops it, with every connection that it has. */
  kill(): Promise<void>;
  /** Closes connections that nothing runs on, as servers do after their keep-alive time. */
  closeIdle(): void;
}

export async function backend(
  name: string,
  { tls, port = 0, address = '127.0.0.1' }: { tls?: https.ServerOptions; port?: number; address?: string } = {},
): Promise<Backend> {
  const sockets = new Set<Socket>();
  const made: Backend = {
    name,
    port: 0,
    address,
    requests: 0,
    hosts: new Set(),
    status: 200,
    kill: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    closeIdle: () => server.closeIdleConnections(),
  };
  const answer = (request: IncomingMessage, response: http.ServerResponse): void => {
    made.requests++;
    made.hosts.add(request.headers.host ?? '');
    response.statusCode = made.status;
    response.setHeader('x-name', name);
    request.resume().on('end', () => response.end(`${name} ${request.method} ${request.url}`));
  };
  const server = tls === undefined ? http.createServer(answer) : https.createServer(tls, answer);
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>(resolve => server.listen(port, address, resolve));
  return Object.assign(made, { port: (server.address() as AddressInfo).port });
}
