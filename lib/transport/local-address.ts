// The machine's own addresses to ask from: whether they can be had, and transports that change them while they are used.
import type { LocalAddress, Transport } from './transport.js';

/** A transport whose next queries may leave from another address. */
export interface SourcedTransport extends Transport {
  /** From now on; what is under way stays where it is. */
  from(local: LocalAddress): void;
}

export function isSourced(transport: Transport): transport is SourcedTransport {
  return typeof (transport as Partial<SourcedTransport>).from === 'function';
}

export function sameSource(one: LocalAddress, other: LocalAddress): boolean {
  return one.v4 === other.v4 && one.v6 === other.v6;
}

/** Why a socket cannot be bound to an address; undefined: it can. Opens one for a moment, at a port of the kernel's choice. */
export function whyNotBound(address: string, family: 4 | 6): Promise<Error | undefined> {
  return new Promise(resolve => {
    const { createSocket } = process.getBuiltinModule('node:dgram');
    const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', ipv6Only: family === 6 });
    const end = (error?: Error): void => {
      socket.close();
      resolve(error);
    };
    socket.once('error', end);
    // Node asks the kernel for an interface's number by its name, and throws where there is none.
    try {
      socket.bind({ address, port: 0, exclusive: true }, () => end());
    } catch (error) {
      end(error as Error);
    }
  });
}
