// The ways that a thread has to ask servers: one of each kind, whatever is asked over them.
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { HttpsTransport } from '../transport/https.js';
import { SystemUdpTransport } from '../transport/system-udp.js';
import { TcpTransport } from '../transport/tcp.js';
import { TlsTransport } from '../transport/tls.js';
import type { Transport } from '../transport/transport.js';

export interface Transports {
  readonly udp: Transport;
  readonly tcp: Transport;
  readonly tls: Transport;
  readonly https: Transport;
}

/** They open nothing before something is asked. */
export const systemTransports = (clock: Clock, random: Random) => ({
  udp: new SystemUdpTransport(clock, random),
  tcp: new TcpTransport(clock, random),
  tls: new TlsTransport(clock, random),
  https: new HttpsTransport(clock, random),
});

/** @param given in the place of the real ones */
export function makeTransports(clock: Clock, random: Random, given: Partial<Transports>): Transports {
  const { udp, tcp, tls, https } = systemTransports(clock, random);
  return { udp: given.udp ?? udp, tcp: given.tcp ?? tcp, tls: given.tls ?? tls, https: given.https ?? https };
}
