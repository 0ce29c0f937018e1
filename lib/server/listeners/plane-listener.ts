// The native UDP plane as a listener: one for all addresses, since its threads and its miss ring are common to them.
import type { SocketAddress } from '../../base/address.js';
import type { Listener } from './listener.js';
import type { UdpPlane } from './udp-plane.js';

export class PlaneListener implements Listener {
  readonly protocol = 'udp';
  plane: UdpPlane | undefined;

  /** @param make binds its sockets */
  constructor(
    private readonly endpoints: readonly SocketAddress[],
    private readonly make: () => UdpPlane,
  ) {}

  get bound(): readonly SocketAddress[] {
    return (this.plane?.ports ?? []).map((port, i) => ({ ...this.endpoints[i], port }));
  }
  get underWay(): number {
    return this.plane?.underWay ?? 0;
  }

  async listen(): Promise<void> {
    this.plane = this.make();
  }
  stop(): void {
    this.plane?.stopReceiving();
  }
  close(): void {
    this.plane?.close();
  }
}
