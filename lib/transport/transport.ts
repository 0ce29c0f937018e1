// One way to ask a server: octets out, octets back. Implementations match the response to the query; whoever calls
// decides what the response is worth.
//
// Whoever asks is an object that hears of it, and not a promise: one is asked for every miss, and a promise, its two
// functions and what they hold are the greater part of the garbage that a query would make.
import type { SocketAddress } from '../base/address.js';
import type { ShardnsError } from '../base/errors.js';
import type { Doubt } from './doubt.js';
import type { Forwarding } from './forwarded.js';

export type { Doubt };

/** How a server proves that it is the one that is meant, where it is asked over TLS (RFC 8310): by both, where both are given. */
export interface TlsAuthentication {
  /** A host name, or a numeric address, that its certificate has to be for. Undefined: the pins are enough. */
  readonly name: string | undefined;
  /** SHA-256 of SubjectPublicKeyInfos in base64, of which its certificate has one (RFC 7858 section 4.2); empty: any. */
  readonly pins: readonly string[];
  /** What it is called by those who ask it (SNI, and the host of a URL), where that is another name: it proves nothing. */
  readonly calls?: string;
}

/** A server to be asked. */
export interface ServerAddress extends SocketAddress {
  readonly tls?: TlsAuthentication;
  /** Of its URL, where it is asked over HTTPS; it begins with a slash. */
  readonly path?: string;
}

/** Whoever asks a server: hears of doubts any number of times, and once of the end. Must not throw. */
export interface ExchangeListener {
  answered(response: Uint8Array, exchange: Exchanging): void;
  /** @param error ERR_SHARDNS_TIMEOUT, ERR_SHARDNS_UPSTREAM, ERR_SHARDNS_OVERLOAD, ERR_SHARDNS_CLOSED */
  lost(error: ShardnsError, exchange: Exchanging): void;
  /** UDP only. */
  doubted(doubt: Doubt, exchange: Exchanging): void;
}

/** An exchange under way. */
export interface Exchanging {
  /** The listener hears nothing more of it. May be called at any time, any number of times. */
  callOff(): void;
}

export interface ExchangeOptions {
  /** When it begins, where the clock has just been read. */
  beganMs?: number;
  /** Milliseconds until the exchange fails with ERR_SHARDNS_TIMEOUT; without it, it lasts until it is called off. */
  timeoutMs?: number;
  /** UDP: `drawn` by chance and compared, or `kept` as written and compared without their case. Default: drawn. */
  letters?: 'drawn' | 'kept';
  /** Numeric address of the client that it is for, whose share of a server's connections it counts to; undefined: nobody's. */
  client?: string | undefined;
  /** UDP: `guarded` (default) needs 28 unpredictable bits, `any` does with a shared socket and the id. */
  entropy?: 'guarded' | 'any';
}

/** Cause of ERR_SHARDNS_OVERLOAD when every socket for one query is in use: TCP, or less entropy, is left. */
export const NO_SOCKET_ALONE = Symbol('no socket of its own');

/** The machine's own addresses to ask from; the kernel chooses where none is given. */
export interface LocalAddress {
  v4?: string;
  v6?: string;
}

export interface Transport {
  /**
   * Sends `query` with an id of the transport's own choice. Never throws. The listener hears nothing before it has
   * returned; after that, at any time.
   * @param query wire format; what is sent is a copy, with another id and, where they are drawn, other letters
   */
  ask(query: Uint8Array, server: ServerAddress, options: ExchangeOptions, listener: ExchangeListener): Exchanging;
  /** Where flights of a native plane can be forwarded without JavaScript. */
  readonly forwarding?: Forwarding | undefined;
  /** Lets go of every socket; exchanges under way fail with ERR_SHARDNS_CLOSED. */
  close(): void;
}

export interface TransportStats {
  sent: number;
  received: number;
  /** Responses that matched no query: wrong id, question or case. Ignored. */
  mismatched: number;
  /** UDP, of `mismatched`: no query under way had the id. They come too late, or somebody guesses. */
  unknownId: number;
}
export const noTransportStats = (): TransportStats => ({ sent: 0, received: 0, mismatched: 0, unknownId: 0 });
