// A way to a server that tests can cut, stop and open again.
import { connect, createServer, type Server, type Socket } from 'node:net';

export class TcpProxy {
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  /** What comes is not passed on, and nobody is told. */
  #isSilent = false;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(to: number): Promise<TcpProxy> {
    const holder: { proxy?: TcpProxy } = {};
    const server = createServer(client => holder.proxy!.#accept(client, to));
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return (holder.proxy = new TcpProxy(server, (server.address() as { port: number }).port));
  }
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  #accept(client: Socket, to: number): void {
    if (this.#isCut) {
      client.destroy();
      return;
    }
    const upstream = connect(to, '127.0.0.1');
    for (const [from, into] of [
      [client, upstream],
      [upstream, client],
    ]) {
      this.#sockets.add(from);
      from.on('data', octets => {
        if (!this.#isSilent) into.write(octets);
      });
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        into.destroy();
      });
    }
  }

  /** Every connection breaks, and there are no new ones. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }
  silence(): void {
    this.#isSilent = true;
  }
  open(): void {
    this.#isCut = this.#isSilent = false;
  }
  close(): void {
    this.cut();
    this.server.close();
  }
}
