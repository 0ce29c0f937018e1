// The client of Redis and Valkey that is used, @redis/client. Its own queue while
// it is not connected, its time-outs and its reconnecting are off wherever they can be: all three make callers wait
// (RedisConnection has its own).
import type { TypeMapping } from '@redis/client';
import { isIP } from 'node:net';
import { ShardnsError } from '../../base/errors.js';
import type { RedisPlace } from './address.js';
import type { MakeRedisClient, RedisArgument, RedisClient, RedisReply } from './client.js';
import { findLibrary, type Library, loadLibrary } from './client-library.js';
import { keySlot } from './key-slot.js';
import type { RedisOptions } from './options.js';

/** Commands that one socket has under way at the most: beyond, they fail at once. */
const MAX_QUEUED = 4096;
const CONNECT_MS = 2000;
/** How long a Cluster's nodes may take to be connected to before the others are used. */
const NODES_MS = 300;

/**
 * A maker of clients of one Redis, one Cluster, or the master that Sentinels name.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION where the package is not installed: nothing that is tried again would mend that
 */
export function nodeRedis(options: RedisOptions): MakeRedisClient {
  findLibrary();
  return async lost => {
    const redis = loadLibrary();
    switch (options.mode) {
      case 'standalone':
        return standalone(redis, options, lost);
      case 'cluster':
        return cluster(redis, options);
      case 'sentinel':
        return sentinel(redis, options);
    }
  };
}

function commandOptions({ RESP_TYPES }: Library): { typeMapping: TypeMapping; timeout: undefined } {
  // A time-out of the client's would make an AbortSignal for each command, which costs more than all the rest of it.
  return { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer }, timeout: undefined };
}

const shared = { RESP: 2, disableOfflineQueue: true, maintNotifications: 'disabled' } as const;

function socketOf({ host, port, tls: byTls }: RedisPlace, { tls }: RedisOptions, reconnects: boolean) {
  return {
    host,
    port,
    connectTimeout: CONNECT_MS,
    ...(reconnects ? {} : { reconnectStrategy: false as const }),
    ...(byTls ? tlsOf(tls, isIP(host) === 0 ? host : undefined) : {}),
  };
}
function tlsOf(tls: RedisOptions['tls'], host: string | undefined) {
  const { ca, certificate: cert, key, servername = host } = tls ?? {};
  return { tls: true as const, ca, cert, key, ...(servername === undefined ? {} : { servername }) };
}
const credentials = (
  one: { username?: string; password?: string },
  other: { username?: string; password?: string },
) => ({
  username: one.username ?? other.username,
  password: one.password ?? other.password,
});

function standalone(redis: Library, options: RedisOptions, lost: (error: unknown) => void): RedisClient {
  const [place] = options.places;
  const client = redis.createClient({
    ...shared,
    socket: socketOf(place, options, false),
    ...credentials(options, place),
    database: place.database,
    commandsQueueMaxLength: MAX_QUEUED,
    commandOptions: commandOptions(redis),
  });
  client.on('error', lost);
  client.on('end', () => lost(new ShardnsError('ERR_SHARDNS_UPSTREAM', 'the connection has ended')));
  client.unref();
  return {
    spreads: false,
    connect: async () => void (await client.connect()),
    send: (_, command) => client.sendCommand(command) as Promise<RedisReply>,
    nodeOf: () => undefined,
    destroy: () => quietly(() => client.destroy()),
  };
}

function cluster(redis: Library, options: RedisOptions): RedisClient {
  const { places } = options;
  const socket = (place: RedisPlace) => socketOf(place, options, true);
  const byTls = places.some(({ tls }) => tls);
  const client = redis.createCluster({
    RESP: 2,
    // One that takes connections and says nothing would be waited for when nobody wants the client any more.
    rootNodes: places.map(place => ({ socket: { ...socket(place), socketTimeout: CONNECT_MS } })),
    defaults: {
      disableOfflineQueue: true,
      maintNotifications: 'disabled',
      commandsQueueMaxLength: MAX_QUEUED,
      socket: { connectTimeout: CONNECT_MS, ...(byTls ? tlsOf(options.tls, undefined) : {}) },
      ...credentials(options, places[0]),
    },
    // It would wait for all of them, also for one that has stopped.
    minimizeConnections: true,
    maxCommandRedirections: 4,
    commandOptions: commandOptions(redis),
  } as Parameters<Library['createCluster']>[0]);
  client.on('error', () => {}); // told by the commands that fail
  // A program may end whatever is connected.
  client.on('node-connect', ({ host, port }: { host: string; port: number }) =>
    client.nodeByAddress.get(`${host}:${port}`)?.client?.unref(),
  );
  return {
    spreads: true,
    connect: async () => {
      await client.connect();
      // Where one has stopped, the others are there all the same.
      const nodes = client.masters.map(node => client.nodeClient(node));
      await Promise.race([Promise.allSettled(nodes), new Promise(resolve => setTimeout(resolve, NODES_MS).unref())]);
    },
    send: (key, command) => client.sendCommand(key, false, command as RedisArgument[]) as Promise<RedisReply>,
    nodeOf: key => client.slots[keySlot(key)]?.master.address,
    destroy: () => quietly(() => client.destroy()),
  };
}

function sentinel(redis: Library, options: RedisOptions): RedisClient {
  const { places, masterName = '' } = options;
  const byTls = places.some(({ tls }) => tls) ? tlsOf(options.tls, undefined) : {};
  const node = { ...shared, commandsQueueMaxLength: MAX_QUEUED };
  const { username, password } = options;
  const client = redis.createSentinel({
    RESP: 2,
    name: masterName,
    sentinelRootNodes: places.map(({ host, port }) => ({ host, port })),
    nodeClientOptions: { ...node, username, password, socket: { connectTimeout: CONNECT_MS, ...byTls } },
    sentinelClientOptions: {
      ...node,
      ...credentials(places[0], {}),
      socket: { connectTimeout: CONNECT_MS, ...byTls },
    },
    commandOptions: commandOptions(redis),
    scanInterval: 5000,
  } as unknown as Parameters<Library['createSentinel']>[0]);
  client.on('error', () => {});
  return {
    spreads: false,
    connect: async () => void (await client.connect()),
    send: (_, command) => client.sendCommand(false, command as RedisArgument[]) as Promise<RedisReply>,
    nodeOf: () => undefined,
    destroy: () => quietly(() => client.destroy()),
  };
}

/** Ends may be told twice, and clients that were never connected do not like to be ended. */
function quietly(end: () => unknown): void {
  try {
    const ended = end();
    if (ended instanceof Promise) ended.catch(() => {});
  } catch {
    // It was over before.
  }
}
