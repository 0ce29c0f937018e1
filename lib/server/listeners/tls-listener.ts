// DNS over TLS at one address (RFC 7858): connections that have shaken hands get a session. Bounds: those of TlsAcceptor,
// then those of StreamSession.
import type { SocketAddress } from '../../base/address.js';
import { AcceptingListener } from './accepting-listener.js';
import { StreamSessions } from './stream-sessions.js';
import { TlsAcceptor, type TlsAcceptorParts } from './tls-acceptor.js';

export class TlsListener extends AcceptingListener {
  readonly protocol = 'tls';
  protected readonly acceptor: TlsAcceptor;
  protected readonly taken: StreamSessions;

  constructor(at: SocketAddress, parts: TlsAcceptorParts) {
    super();
    this.taken = new StreamSessions('tls', parts);
    this.acceptor = new TlsAcceptor(at, parts, {
      label: 'TLS',
      alpn: ['dot'], // RFC 7858 section 3.1
      secured: (socket, client, before) => {
        socket.allowHalfOpen = true;
        this.taken.take(socket, client, before);
        if (this.acceptor.isStopped) this.taken.finish();
      },
    });
  }
}
