// What a client of lookups is made with beside its options: for tests, and for those who share a cache.
import type { Clock } from '../base/clock.js';
import { Field, isOptionsObject, list, readFields } from '../base/fields.js';
import type { Random } from '../base/random.js';
import type { ConnectRedis } from '../cache/answers/make-answers.js';
import type { DnsCache } from '../cache/dns-cache.js';
import { partFields } from '../resolve/parts.js';
import type { LocalAddress, Transport } from '../transport/transport.js';

const dependencyFields = {
  ...partFields,
  interfaces: new Field<() => string[]>(value =>
    typeof value === 'function' ? undefined : 'expected a function',
  ).optional(),
  localAddress: new Field<LocalAddress>(value =>
    isOptionsObject(value) ? undefined : 'expected an object',
  ).optional(),
  servers: list<string>(0, Infinity, text => (typeof text === 'string' ? undefined : 'expected a string')).optional(),
};

export interface ClientDependencies {
  clock?: Clock;
  random?: Random;
  /** A cache of one's own, shared with other threads perhaps; it keeps its options and outlives the client. */
  cache?: DnsCache;
  udpTransport?: Transport;
  tcpTransport?: Transport;
  tlsTransport?: Transport;
  httpsTransport?: Transport;
  /** Makes what asks the Redis of `secondLevel`, in the place of @redis/client. */
  connectRedis?: ConnectRedis;
  /** The machine's own addresses. */
  interfaces?: () => string[];
  /** Which of them to ask from. */
  localAddress?: LocalAddress;
  /** In place of those of options; there may be none, or more than 8. */
  servers?: readonly string[];
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION */
export const readDependencies = (given: unknown): ClientDependencies =>
  readFields(dependencyFields, given, 'dependencies');
