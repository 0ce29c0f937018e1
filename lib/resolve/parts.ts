// What tests and embedders put in place of the real thing, of a server and of a program's client: each part is looked at
// once, when it is given.
import type { Clock } from '../base/clock.js';
import { Field, having } from '../base/fields.js';
import type { Random } from '../base/random.js';
import type { ConnectRedis } from '../cache/answers/make-answers.js';
import { DnsCache } from '../cache/dns-cache.js';
import type { Transport } from '../transport/transport.js';

const transport = having<Transport>('ask', 'close').optional();

export const partFields = {
  clock: having<Clock>('nowMs', 'wallSeconds', 'after').optional(),
  random: having<Random>('uint32').optional(),
  cache: new Field<DnsCache>(value => (value instanceof DnsCache ? undefined : 'expected a DnsCache')).optional(),
  udpTransport: transport,
  tcpTransport: transport,
  tlsTransport: transport,
  httpsTransport: transport,
  connectRedis: new Field<ConnectRedis>(value =>
    typeof value === 'function' ? undefined : 'expected a function',
  ).optional(),
};
