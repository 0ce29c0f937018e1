// What tests and embedders put in place of a server's parts.
import type { Clock } from '../base/clock.js';
import { Field, having, isOptionsObject, readFields } from '../base/fields.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { ConnectRedis } from '../cache/answers/make-answers.js';
import type { DnsCache } from '../cache/dns-cache.js';
import type { CredentialsSource } from '../cache/s3/credentials.js';
import { placeFields } from '../cache/s3/options.js';
import { partFields } from '../resolve/parts.js';
import type { ValidationPolicy } from '../dnssec/verdict.js';
import type { Transport } from '../transport/transport.js';
import type { InheritedSockets } from './listeners/inherited.js';

/** What tests and embedders put in place of the real thing. */
export interface ServerDependencies {
  clock?: Clock;
  random?: Random;
  log?: Logger;
  /**
   * A cache of one's own, shared with other threads perhaps; it outlives the server. Its memory, policy and shards are
   * its own; lifetimes, stale answers and prefetch follow the server's options.
   */
  cache?: DnsCache;
  udpTransport?: Transport;
  tcpTransport?: Transport;
  tlsTransport?: Transport;
  httpsTransport?: Transport;
  /** Makes what asks the Redis of `secondLevel`, in the place of @redis/client. */
  connectRedis?: ConnectRedis;
  /** Of `snapshot.s3`, in the place of those of the environment, the container or the machine. */
  s3Credentials?: CredentialsSource;
  /** In the place of what `dnssec` says of algorithms and times: old captures have some that nobody believes any more. */
  validationPolicy?: ValidationPolicy;
  /** Sockets that are bound already: addresses of `listen` that are theirs are listened on by them. */
  inherited?: InheritedSockets;
}

const dependencyFields = {
  ...partFields,
  log: having<Logger>('debug', 'info', 'warn', 'error').optional(),
  s3Credentials: new Field<CredentialsSource>(value =>
    placeFields.credentials.check(value) === undefined
      ? undefined
      : 'expected credentials, or a function that gives them',
  ).optional(),
  validationPolicy: new Field<ValidationPolicy>(value =>
    isOptionsObject(value) ? undefined : 'expected an object',
  ).optional(),
  inherited: having<InheritedSockets>('at', 'duplicate', 'checkUsed').optional(),
};

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming each part that is not what it should be, or not known */
export function readDependencies(given: unknown): ServerDependencies {
  return readFields(dependencyFields, given, 'dependencies');
}
