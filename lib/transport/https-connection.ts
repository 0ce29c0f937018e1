// A connection to a server over HTTP/2, with what is asked on it; what becomes of either is for HttpsServer.
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Timer } from '../base/clock.js';
import type { Exchange } from './pending.js';
import type { PlaceHolder } from './tcp-places.js';

/** Until the server has said how many it takes (RFC 9113 section 6.5.2 recommends no less). */
export const FIRST_STREAMS = 100;

/** A query and where it is asked. */
export class Asked {
  readonly on = new Set<Connection>();
  /** Connections that broke, or fell silent, under it. */
  broken = 0;
  refused = 0;
  constructor(readonly exchange: Exchange) {}
}

export class Connection implements PlaceHolder {
  session: ClientHttp2Session | undefined;
  /** Queries that are asked here, oldest first; without a stream until it is open. */
  readonly streams = new Map<Asked, ClientHttp2Stream | undefined>();
  readonly abandoned = new Set<ClientHttp2Stream>();
  most = FIRST_STREAMS;
  /** The server takes no more streams: it has said GOAWAY. */
  leaving = false;
  suspect = false;
  heardMs: number;
  idle: Timer | undefined;
  silence: Timer | undefined;
  failure: Error | undefined;
  gaveWay = false;
  constructor(
    readonly socket: TLSSocket,
    now: number,
  ) {
    this.heardMs = now;
  }

  /** Nothing more comes of it. */
  get isBroken(): boolean {
    return this.socket.destroyed || this.session?.destroyed === true;
  }
  /** May be asked, now or when it has room. */
  get isUsable(): boolean {
    return !this.suspect && !this.leaving && !this.isBroken && this.session?.closed !== true;
  }
  get hasRoom(): boolean {
    return this.streams.size + this.abandoned.size < this.most;
  }

  displaced(): void {
    this.gaveWay = true;
    this.socket.destroy();
  }
}
