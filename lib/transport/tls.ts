// Queries over TLS (RFC 7858): those of TCP, over streams whose other end has proved that it is the server that is meant
// (RFC 8310 section 5, strict privacy). Nothing is written before that, and nothing is ever asked in another way instead.
//
// Queries are padded to 128 octets (RFC 8467 section 4.1). Sessions are resumed, so that a connection that is made anew costs
// one round trip less and no signature.
//
// Bounds: those of TCP; MAX_SESSIONS sessions, one a server; 30 s idle, which is as long as servers wait that have time.
import { isIP, type TcpNetConnectOpts } from 'node:net';
import type { ConnectionOptions, PeerCertificate, SecureContext, TLSSocket } from 'node:tls';
import { formatSocketAddress } from '../base/address.js';
import { BoundedMap } from '../base/bounded-map.js';
import { padded } from '../wire/opt.js';
import { TcpTransport } from './tcp.js';
import type { TcpStreams } from './tcp-server.js';
import type { ExchangeListener, ExchangeOptions, Exchanging, ServerAddress, TlsAuthentication } from './transport.js';

const MAX_SESSIONS = 256;
const IDLE_MS = 30_000;
const PADDED_TO = 128;
const ALPN = ['dot'];

/** Loaded when the first server is asked so: most programs never do. */
const tls = (): typeof import('node:tls') => process.getBuiltinModule('node:tls');

export class TlsTransport extends TcpTransport {
  /** Certificates of authorities (PEM) in the place of those that Node trusts. */
  #authorities: string | undefined;
  #context: SecureContext | undefined;
  /** Of servers that have proved who they are, by all that this was proved by. */
  readonly #sessions = new BoundedMap<string, Buffer>(MAX_SESSIONS);

  /** Believes these from now on, PEM; undefined: those that Node does. Servers have to prove anew who they are. */
  trust(authorities: string | undefined): void {
    if (authorities === this.#authorities) return;
    this.#authorities = authorities;
    this.#context = undefined;
    this.#sessions.clear();
    this.leave();
  }

  override ask(
    query: Uint8Array,
    server: ServerAddress,
    options: ExchangeOptions,
    listener: ExchangeListener,
  ): Exchanging {
    return super.ask(padded(query, PADDED_TO), server, options, listener);
  }

  protected override get label(): 'TLS' {
    return 'TLS';
  }
  protected override keyOf(server: ServerAddress): string {
    const { name = '', pins } = authenticationOf(server);
    return [formatSocketAddress(server), name, ...pins].join(' ');
  }
  protected override streamsTo(server: ServerAddress, localAddress: string | undefined): TcpStreams {
    return {
      label: 'TLS',
      opened: 'secureConnect',
      idleMs: IDLE_MS,
      connect: () => this.#connect(server, localAddress),
    };
  }

  #connect(server: ServerAddress, localAddress: string | undefined): TLSSocket {
    const key = this.keyOf(server);
    const { name, pins } = authenticationOf(server);
    const { connect, createSecureContext } = tls();
    const context = (this.#context ??= createSecureContext({ ca: this.#authorities, minVersion: 'TLSv1.2' }));
    const options: ConnectionOptions & TcpNetConnectOpts = {
      host: server.address,
      port: server.port,
      localAddress,
      secureContext: context,
      ALPNProtocols: ALPN,
      // Names only (RFC 6066 section 3).
      servername: name === undefined || isIP(name) !== 0 ? '' : name,
      session: this.#sessions.get(key),
      // The pins are enough where there is no name.
      rejectUnauthorized: name !== undefined,
      checkServerIdentity: (_, certificate) => (name === undefined ? undefined : whyNot(name, certificate)),
    };
    const socket = connect(options);
    socket.setNoDelay(true);
    let isProved = false;
    let session: Buffer | undefined;
    const keep = (): void => {
      if (isProved && session !== undefined && this.#context === context) this.#sessions.set(key, session);
    };
    // Before whoever writes to it hears of it.
    socket.on('secureConnect', () => {
      // A session that is resumed was kept because this was so.
      isProved = pins.length === 0 || socket.isSessionReused() || pins.includes(pinOf(socket));
      if (isProved) keep();
      else socket.destroy(new Error('its certificate has none of the pinned keys'));
    });
    socket.on('session', (its: Buffer) => {
      session = its;
      keep();
    });
    socket.on('close', () => {
      // It may be the session that the server chokes on.
      if (!isProved) this.#sessions.delete(key);
    });
    return socket;
  }
}

/** By its address, where nothing else is said. */
function authenticationOf({ address, tls: wanted }: ServerAddress): TlsAuthentication {
  return wanted ?? { name: address, pins: [] };
}

function whyNot(name: string, certificate: PeerCertificate): Error | undefined {
  return tls().checkServerIdentity(name, certificate);
}

/** Of the certificate's SubjectPublicKeyInfo. */
function pinOf(socket: TLSSocket): string {
  const key = socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' });
  return key === undefined
    ? ''
    : process.getBuiltinModule('node:crypto').createHash('sha256').update(key).digest('base64');
}
