// What servers are called natively. The last one is at hand: most questions go to the same few.
import type { SocketAddress } from '../base/address.js';
import { type NativeAsker, SERVER_ADDRESS } from '../native/binding.js';

export class ServerAddresses {
  /** Only those without an interface's name, which may come and go. */
  readonly #addresses = new WeakMap<SocketAddress, Uint32Array>();
  #lastServer: SocketAddress | undefined;
  #lastAddress: Uint32Array | undefined;

  constructor(private readonly native: Pick<NativeAsker, 'serverAddress'>) {}

  /** All zero, which is no address, where this machine has not the interface that it names: the query fails. */
  of(server: SocketAddress): Uint32Array {
    if (server === this.#lastServer && this.#lastAddress !== undefined) return this.#lastAddress;
    let address = this.#addresses.get(server);
    if (address === undefined) {
      address = new Uint32Array(SERVER_ADDRESS / 4);
      this.native.serverAddress(server.address, server.port, new Uint8Array(address.buffer));
      if (server.address.includes('%')) return address;
      this.#addresses.set(server, address);
    }
    this.#lastServer = server;
    this.#lastAddress = address;
    return address;
  }
}
