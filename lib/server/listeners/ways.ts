// Which listeners a server has, by its settings: a line for each protocol, in the order in which they are opened.
import type { SocketAddress } from '../../base/address.js';
import { shareOf } from '../../base/client-shares.js';
import { threadsOf } from '../settings/listeners.js';
import type { ServerSettings } from '../settings/settings.js';
import type { Listener, ListenerParts } from './listener.js';
import { PlaneListener } from './plane-listener.js';
import { TcpListener } from './tcp-listener.js';
import { UdpListener } from './udp-listener.js';
import { UdpPlane } from './udp-plane.js';
import { isWildcard, WildcardListener } from './wildcard-listener.js';

/** @param endpoints those of `listen`; where port 0 was asked for, with the port that the ways before were given */
type Way = (parts: ListenerParts, settings: ServerSettings, endpoints: readonly SocketAddress[]) => Listener[];

export const WAYS: readonly Way[] = [overUdp, overTcp];

function overUdp(parts: ListenerParts, settings: ServerSettings, endpoints: readonly SocketAddress[]): Listener[] {
  const { engine, gate, resolver, answerer, clock, log } = parts;
  const { missRing, receiveBufferBytes } = settings;
  if (settings.udp === 'native') {
    const options = { threads: threadsOf(settings), pin: settings.pin, ...missRing, receiveBufferBytes };
    return [new PlaneListener(endpoints, () => new UdpPlane(engine, gate, endpoints, resolver, clock, options))];
  }
  const { waiters, clientShare } = missRing;
  const options = { maxUnderWay: waiters, clientUnderWay: shareOf(waiters, clientShare), receiveBufferBytes };
  return endpoints.map(at =>
    isWildcard(at) ? new WildcardListener(at, answerer, options, clock, log) : new UdpListener(at, answerer, options),
  );
}

/** At the ports of UDP, so that truncation leads to the right place. */
function overTcp(parts: ListenerParts, settings: ServerSettings, endpoints: readonly SocketAddress[]): Listener[] {
  return settings.tcp.enabled ? endpoints.map(at => new TcpListener(at, parts)) : [];
}
