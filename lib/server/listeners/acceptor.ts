// Takes TCP connections at one address, for whatever is spoken over them; of a proxy's the header first, which says whose
// they are.
import { createServer, type Server, type Socket } from 'node:net';
import { formatSocketAddress, type SocketAddress } from '../../base/address.js';
import { ShardnsError } from '../../base/errors.js';
import type { ListenerParts } from './listener.js';
import type { StreamClient } from './stream-session.js';

export interface AcceptorUse {
  /** For errors: `TCP`. */
  readonly label: string;
  readonly accept: (socket: Socket, client: StreamClient) => void;
}

export type AcceptorParts = Pick<ListenerParts, 'clock' | 'connections' | 'proxies' | 'inherited'>;

export class Acceptor {
  readonly #server: Server;
  #port: number;
  readonly #unsaid = new Set<Socket>();

  constructor(
    private readonly at: SocketAddress,
    private readonly parts: AcceptorParts,
    private readonly use: AcceptorUse,
  ) {
    this.#port = at.port;
    // Who has shut its sending side still waits for replies; the session closes it behind them.
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, socket => this.#accept(socket));
  }

  get bound(): readonly SocketAddress[] {
    const { address, family } = this.at;
    return [{ address, family, port: this.#port }];
  }

  /** @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address */
  async listen(): Promise<void> {
    const { address, port, family } = this.at;
    const backlog = 511;
    const fd = this.parts.inherited.duplicate('tcp', this.at);
    const place = fd === undefined ? { host: address, port, ipv6Only: family === 6, backlog } : { fd, backlog };
    return new Promise((resolve, reject) => {
      const onError = (cause: Error): void => {
        const what = `cannot listen on ${formatSocketAddress(this.at)} (${this.use.label}): ${cause.message}`;
        reject(new ShardnsError('ERR_SHARDNS_LISTEN', what, { cause }));
      };
      this.#server.once('error', onError);
      this.#server.listen(place, () => {
        this.#server.off('error', onError);
        // A connection that came could not be had, for want of file descriptors and the like: more may come.
        this.#server.on('error', () => this.parts.connections.stats.rejected++);
        this.#port = (this.#server.address() as { port: number }).port;
        resolve();
      });
    });
  }

  /** No new connections; those that came stay, but for those of proxies that have not said whose they are. */
  stop(): void {
    this.#server.close();
    for (const socket of this.#unsaid) socket.destroy();
  }
  close(): void {
    this.stop();
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort = 0 } = socket;
    if (remoteAddress === undefined) {
      socket.destroy(); // gone already
      return;
    }
    const { parts, use } = this;
    const peer = { address: remoteAddress, port: remotePort };
    if (!parts.proxies.has(remoteAddress)) use.accept(socket, peer);
    else {
      this.#unsaid.add(socket);
      socket.on('close', () => this.#unsaid.delete(socket));
      parts.proxies.read(socket, peer, parts, client => {
        this.#unsaid.delete(socket);
        use.accept(socket, client);
      });
    }
  }
}
