// Where a Redis is and who asks it: common to all that share one. Its times and bounds are with those who use it.
import type { RedisPlace } from './address.js';

export interface RedisOptions {
  /** One; or nodes of a Cluster; or Sentinels. */
  readonly places: readonly RedisPlace[];
  readonly mode: 'standalone' | 'cluster' | 'sentinel';
  /** What Sentinels call the master. */
  readonly masterName?: string;
  /** Instead of those in the places; a Sentinel's places have those of the Sentinels. */
  readonly username?: string;
  readonly password?: string;
  readonly tls?: RedisTls;
}

export interface RedisTls {
  /** Certificates that are believed, in place of the system's (PEM). */
  readonly ca?: string;
  /** This client's own. */
  readonly certificate?: string;
  readonly key?: string;
  /** What the server's certificate is for, where that is not its host. */
  readonly servername?: string;
}

/** What is wrong with certificates, where there are some: without `rediss://` they would have no use, and nobody would know. */
export function plainTls(tls: object | undefined, urls: readonly string[]): string | undefined {
  if (tls === undefined || urls.some(url => /^rediss:/i.test(url))) return undefined;
  return 'expected none beside redis://, which is without TLS: that is rediss://';
}

/** For the log: where it is, and no more. */
export function labelOf({ places, mode, masterName }: RedisOptions): string {
  const [first] = places;
  const host = first.host.includes(':') ? `[${first.host}]` : first.host;
  const at = `${first.tls ? 'rediss' : 'redis'}://${host}:${first.port}`;
  if (mode === 'sentinel') return `${masterName} by ${at}`;
  return mode === 'cluster' ? `cluster by ${at}` : at;
}
