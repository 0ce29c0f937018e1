// How a Redis is written: `redis://host:6379`, `rediss://host` by TLS, with a user, a password and a database where it has
// them. Several are the nodes of a Cluster, or Sentinels.
import { isIP } from 'node:net';
import { optionError } from '../../base/errors.js';

export const REDIS_PORT = 6379;
export const SENTINEL_PORT = 26_379;

export interface RedisPlace {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly database?: number;
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION that does not show a password */
export function parseRedisUrl(text: string, option: string, defaultPort = REDIS_PORT): RedisPlace {
  const wrong = (): never => {
    throw optionError(option, text, '"redis://host:port" or "rediss://host:port" (TLS)');
  };
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return wrong();
  }
  if ((url.protocol !== 'redis:' && url.protocol !== 'rediss:') || url.hostname === '') return wrong();
  if (url.search !== '' || url.hash !== '') return wrong();
  const database = /^\/?$/.test(url.pathname) ? undefined : Number(/^\/(\d{1,4})$/.exec(url.pathname)?.[1]);
  if (Number.isNaN(database)) return wrong();
  const bare = url.hostname.replace(/^\[(.*)\]$/, '$1');
  let username: string;
  let password: string;
  try {
    username = decodeURIComponent(url.username);
    password = decodeURIComponent(url.password);
  } catch {
    return wrong();
  }
  return {
    host: isIP(bare) === 0 ? url.hostname : bare,
    port: url.port === '' ? defaultPort : Number(url.port),
    tls: url.protocol === 'rediss:',
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
    ...(database === undefined ? {} : { database }),
  };
}
