// Streams over TLS to servers that have proved who they are (RFC 8310 section 5, strict privacy): one that has not is destroyed
// before anybody may write to it.
//
// Sessions are resumed, so that a connection that is made anew costs one round trip less and no signature.
//
// Bound: MAX_SESSIONS sessions, one a server.
import { isIP, type TcpNetConnectOpts } from 'node:net';
import type { ConnectionOptions, PeerCertificate, SecureContext, TLSSocket } from 'node:tls';
import { formatSocketAddress } from '../base/address.js';
import { BoundedMap } from '../base/bounded-map.js';
import type { ServerAddress, TlsAuthentication } from './transport.js';

const MAX_SESSIONS = 256;

/** Loaded when the first server is asked so: most programs never do. */
const tls = (): typeof import('node:tls') => process.getBuiltinModule('node:tls');

/** The protocol that is spoken over them (ALPN, RFC 7301); `optional`: who agrees on none is asked too. */
export interface SpokenProtocol {
  readonly name: string;
  readonly agreed: 'needed' | 'optional';
}

export class TlsConnector {
  /** Certificates of authorities (PEM) in the place of those that Node trusts. */
  #authorities: string | undefined;
  #context: SecureContext | undefined;
  /** Of servers that have proved who they are, by all that this was proved by. */
  readonly #sessions = new BoundedMap<string, Buffer>(MAX_SESSIONS);

  constructor(private readonly spoken: SpokenProtocol) {}

  /**
   * Believes these from now on, PEM; undefined: those that Node does. Servers have to prove anew who they are.
   * @returns whether they are others than before
   */
  trust(authorities: string | undefined): boolean {
    if (authorities === this.#authorities) return false;
    this.#authorities = authorities;
    this.#context = undefined;
    this.#sessions.clear();
    return true;
  }

  /** It has proved who it is when it says `secureConnect` and is not destroyed. */
  connect(server: ServerAddress, localAddress: string | undefined): TLSSocket {
    const key = proofKeyOf(server);
    const { name, pins, calls = name } = authenticationOf(server);
    const { connect, createSecureContext } = tls();
    const context = (this.#context ??= createSecureContext({ ca: this.#authorities, minVersion: 'TLSv1.2' }));
    const options: ConnectionOptions & TcpNetConnectOpts = {
      host: server.address,
      port: server.port,
      localAddress,
      secureContext: context,
      ALPNProtocols: [this.spoken.name],
      // Names only (RFC 6066 section 3).
      servername: calls === undefined || isIP(calls) !== 0 ? '' : calls,
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
      const isPinned = pins.length === 0 || socket.isSessionReused() || pins.includes(pinOf(socket));
      const { name: protocol, agreed } = this.spoken;
      isProved = isPinned && (agreed === 'optional' || socket.alpnProtocol === protocol);
      if (isProved) keep();
      else
        socket.destroy(
          new Error(isPinned ? `it speaks no ${protocol}` : 'its certificate has none of the pinned keys'),
        );
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

/** The same for servers at one place that have to prove the same. */
export function proofKeyOf(server: ServerAddress): string {
  const { name = '', pins, calls = '' } = authenticationOf(server);
  return [formatSocketAddress(server), name, calls, ...pins].join(' ');
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
