// One way to ask a server: octets out, octets back. Implementations match the response to the query; whoever calls
// decides what the response is worth.
import type { SocketAddress } from '../base/address.js';
import type { Canceller } from '../base/cancel.js';

export interface ExchangeOptions {
  /** Milliseconds until the exchange fails with ERR_SHARDNS_TIMEOUT. */
  timeoutMs: number;
  cancel?: Canceller;
}

/** The machine's own addresses to ask from; the kernel chooses where none is given. */
export interface LocalAddress {
  v4?: string;
  v6?: string;
}

export interface Transport {
  /**
   * Sends `query` with an id of the transport's own choice and resolves with the matching response.
   * @param query wire format; its id is overwritten
   * @throws {ShardnsError} ERR_SHARDNS_TIMEOUT, ERR_SHARDNS_UPSTREAM, ERR_SHARDNS_OVERLOAD, ERR_SHARDNS_ABORTED
   */
  exchange(query: Uint8Array, server: SocketAddress, options: ExchangeOptions): Promise<Uint8Array>;
  /** Lets go of every socket; exchanges under way fail with ERR_SHARDNS_CLOSED. */
  close(): void;
}

export interface TransportStats {
  sent: number;
  received: number;
  /** Responses that matched no query: wrong id, question or case. Ignored. */
  mismatched: number;
}
