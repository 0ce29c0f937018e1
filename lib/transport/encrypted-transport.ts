// What is the same for all ways to ask over TLS: whom certificates are believed from, and padding, so that the length of a
// query tells less (RFC 8467 section 4.1: to 128 octets).
import { padded, QUERY_BLOCK } from '../wire/opt.js';
import { StreamTransport } from './stream-transport.js';
import { proofKeyOf, type TlsConnector } from './tls-connector.js';
import type { ExchangeListener, ExchangeOptions, Exchanging, ServerAddress } from './transport.js';

export abstract class EncryptedTransport extends StreamTransport {
  protected abstract readonly connector: TlsConnector;

  /** Believes these from now on, PEM; undefined: those that Node does. Servers have to prove anew who they are. */
  trust(authorities: string | undefined): void {
    if (this.connector.trust(authorities)) this.leave();
  }

  override ask(
    query: Uint8Array,
    server: ServerAddress,
    options: ExchangeOptions,
    listener: ExchangeListener,
  ): Exchanging {
    return super.ask(padded(query, QUERY_BLOCK), server, options, listener);
  }

  protected override keyOf(server: ServerAddress): string {
    return proofKeyOf(server);
  }
}
