// Which transport an upstream is asked by, and which in its place where that one will not do. An upstream names its route by
// the scheme of its URL; an encrypted transport is one more line here, and one in upstream-url.ts.
import type { Transport } from '../transport/transport.js';

/** In the order of preference; see Inquiry for when the second takes the place of the first. */
export interface Route {
  /**
   * Asked first where there is one: at once and in one packet, but cut where the response is long, and open to whoever
   * forges packets from off the path (see Doubt).
   */
  readonly datagram: Transport | undefined;
  /** Asked where no datagram will do. What comes is whole, and nobody else can send it. */
  readonly stream: Transport;
}

export type EncryptedScheme = 'tls' | 'https';
export type Scheme = 'udp' | 'tcp' | EncryptedScheme;
/** Whoever is asked over TLS is asked in no other way: a client without that has no route to it. */
export type Routes = Readonly<Record<'udp' | 'tcp', Route> & Record<EncryptedScheme, Route | undefined>>;

export function routesOf(
  udp: Transport,
  tcp: Transport,
  encrypted: Partial<Readonly<Record<EncryptedScheme, Transport>>> = {},
): Routes {
  const { tls, https } = encrypted;
  return {
    udp: { datagram: udp, stream: tcp },
    tcp: { datagram: undefined, stream: tcp },
    tls: tls && { datagram: undefined, stream: tls },
    https: https && { datagram: undefined, stream: https },
  };
}
