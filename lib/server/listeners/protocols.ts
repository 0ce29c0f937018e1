// What clients' queries come over. Each is listened on, counted and reported by its name; another one is added here, and what
// is missing for it does not compile.
import type { ListenScheme } from './endpoint.js';

/** In the order in which they are opened and reported. */
export const PROTOCOLS = ['udp', 'tcp', 'tls', 'https'] as const;
export type Protocol = (typeof PROTOCOLS)[number];
/** Those whose messages come over a stream, each with its length before it (RFC 1035 section 4.2.2). */
export type StreamProtocol = Exclude<Protocol, 'udp' | 'https'>;

/** By which entries of `listen` each is listened for. */
const SCHEME_OF: Readonly<Record<Protocol, ListenScheme>> = { udp: 'plain', tcp: 'plain', tls: 'tls', https: 'https' };
export const schemeOf = (protocol: Protocol): ListenScheme => SCHEME_OF[protocol];

/** Where nobody on the way reads what is said, so that its length is worth hiding (RFC 7830 section 6). */
export const isEncrypted = (protocol: Protocol): boolean => SCHEME_OF[protocol] !== 'plain';

/** A protocol and the family of the client's address. */
export type ProtocolFamily = `${Protocol}${4 | 6}`;

/** Something for each of them. */
export function byProtocolFamily<T>(make: () => T): Record<ProtocolFamily, T> {
  const all = PROTOCOLS.flatMap((one): ProtocolFamily[] => [`${one}4`, `${one}6`]);
  return Object.fromEntries(all.map(one => [one, make()])) as Record<ProtocolFamily, T>;
}
