// An exchanger on a fake clock and a fake network whose UDP draws and compares letters.
import { systemRandom } from '../../lib/base/random.js';
import { Exchanger, type ExchangerOptions } from '../../lib/upstream/exchange.js';
import { routesOf } from '../../lib/upstream/route.js';
import { parseUpstream } from '../../lib/upstream/upstream-url.js';
import { Upstream } from '../../lib/upstream/upstream.js';
import { FakeClock } from './fake-clock.js';
import { FakeTransport, type Handler } from './fake-transport.js';
import { makeQuery, type QueryShape } from './messages.js';

export function buildExchanger(
  udpHandler: Handler,
  servers: string[],
  options: Partial<ExchangerOptions> = {},
  tcpHandler: Handler = udpHandler,
) {
  const clock = new FakeClock();
  const udp = new FakeTransport(clock, udpHandler, 'udp');
  const tcp = new FakeTransport(clock, tcpHandler);
  const exchanger = new Exchanger({
    routes: routesOf(udp, tcp),
    clock,
    random: systemRandom,
    options: {
      deadlineMs: 5000,
      maxInFlight: 100,
      maxTotal: 200,
      hedge: true,
      ...options,
    },
  });
  const upstreams = servers.map(text => {
    const { at, scheme } = parseUpstream(text, 'test');
    return new Upstream(at!, clock, scheme);
  });
  const ok = (response: Uint8Array): boolean => (response[3] & 15) === 0 || (response[3] & 15) === 3;
  const exchange = (name = 'a.example', shape: QueryShape = { edns: true }) =>
    exchanger.exchange(makeQuery(name, shape), upstreams, ok);
  return { clock, udp, tcp, exchanger, upstreams, exchange };
}

/** No TCP there. */
export const refusing: Handler = () => {
  throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
};
