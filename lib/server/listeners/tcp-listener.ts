// DNS over TCP at one address (RFC 7766): takes connections, as many as `TcpConnections` has places for.
import type { SocketAddress } from '../../base/address.js';
import { AcceptingListener } from './accepting-listener.js';
import { Acceptor, type AcceptorParts } from './acceptor.js';
import { type SessionParts, StreamSessions } from './stream-sessions.js';

export class TcpListener extends AcceptingListener {
  readonly protocol = 'tcp';
  protected readonly acceptor: Acceptor;
  protected readonly taken: StreamSessions;

  constructor(at: SocketAddress, parts: SessionParts & AcceptorParts) {
    super();
    this.taken = new StreamSessions('tcp', parts);
    this.acceptor = new Acceptor(at, parts, {
      label: 'TCP',
      accept: (socket, client) => this.taken.take(socket, client),
    });
  }
}
