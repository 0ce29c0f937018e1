// Which listeners a server has, by its settings: a line for each protocol, in the order in which they are opened.
import { formatSocketAddress, type SocketAddress } from '../../base/address.js';
import { shareOf } from '../../base/client-shares.js';
import { threadsOf, usesPlane } from '../settings/listeners.js';
import type { ServerSettings } from '../settings/settings.js';
import { type Endpoint, isWildcard, type ListenScheme } from './endpoint.js';
import { HttpsListener } from './https-listener.js';
import type { Listener, ListenerParts } from './listener.js';
import { PlaneListener } from './plane-listener.js';
import { TcpListener } from './tcp-listener.js';
import { TlsListener } from './tls-listener.js';
import { UdpListener } from './udp-listener.js';
import { UdpPlane, type UdpPlaneOptions } from './udp-plane.js';
import { WildcardListener } from './wildcard-listener.js';

/**
 * @param endpoints those of `listen` that are its; where port 0 was asked for, with the port that the ways before were given
 * @param before those in whose place they come: one that would be the same is given once more, listening as it is
 */
type Open = (
  parts: ListenerParts,
  settings: ServerSettings,
  endpoints: readonly Endpoint[],
  before: readonly Listener[],
) => Listener[];

/** One a protocol, with the entries of `listen` that ask for it. */
export const WAYS: readonly { scheme: ListenScheme; open: Open }[] = [
  { scheme: 'plain', open: overUdp },
  { scheme: 'plain', open: overTcp },
  { scheme: 'tls', open: overTls },
  { scheme: 'https', open: overHttps },
];

function overUdp(...[parts, settings, endpoints, before]: Parameters<Open>): Listener[] {
  if (endpoints.length === 0) return [];
  const { engine, gate, resolver, answerer, clock, log, proxies, inherited, tap } = parts;
  const { missRing, receiveBufferBytes } = settings;
  if (usesPlane(settings)) {
    const authority: UdpPlaneOptions['authority'] = (message, client, reply) =>
      answerer.answerForAuthority(message, { protocol: 'udp', client }, reply);
    const adopted = endpoints.flatMap((at, i) => inherited.at('udp', at).map(fd => ({ endpoint: i, fd })));
    const { pin } = settings;
    const options = { threads: threadsOf(settings), pin, ...missRing, receiveBufferBytes, authority, adopted, tap };
    const predecessor = before.find(one => one instanceof PlaneListener)?.plane;
    const make = (): UdpPlane => new UdpPlane(engine, gate, endpoints, resolver, clock, options, predecessor);
    return [new PlaneListener(endpoints, make)];
  }
  const { waiters, clientShare } = missRing;
  const options = { maxUnderWay: waiters, clientUnderWay: shareOf(waiters, clientShare), receiveBufferBytes, proxies };
  return endpoints.map(at =>
    isWildcard(at)
      ? new WildcardListener(at, answerer, options, clock, log)
      : new UdpListener(at, answerer, { ...options, descriptor: () => inherited.duplicate('udp', at) }),
  );
}

/** At the ports of UDP, so that truncation leads to the right place. */
function overTcp(...[parts, settings, endpoints, before]: Parameters<Open>): Listener[] {
  if (!settings.tcp.enabled) return [];
  const open = before.filter(one => one instanceof TcpListener);
  return endpoints.map(at => open.find(({ bound: [one] }) => isSameSocket(one, at)) ?? new TcpListener(at, parts));
}

function overTls(...[parts, , endpoints, before]: Parameters<Open>): Listener[] {
  const open = before.filter(one => one instanceof TlsListener);
  return endpoints.map(at => open.find(({ bound: [one] }) => isSameSocket(one, at)) ?? new TlsListener(at, parts));
}

function overHttps(...[parts, , endpoints, before]: Parameters<Open>): Listener[] {
  const open = before.filter(one => one instanceof HttpsListener);
  if (open.length === 0 && endpoints.length > 0 && parts.https.framing === 'node') {
    const reason = 'this program has not the functions of nghttp2 that Node carries otherwise';
    parts.log.warn({ reason }, 'HTTP/2 of clients is framed by Node, which is several times slower');
  }
  return endpoints.map(at => {
    const same = open.find(({ bound: [one], path }) => isSameSocket(one, at) && path === at.path);
    return same ?? new HttpsListener(at, parts);
  });
}

function isSameSocket(one: SocketAddress, other: SocketAddress): boolean {
  return formatSocketAddress(one) === formatSocketAddress(other);
}
