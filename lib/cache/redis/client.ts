// What this package asks of a client of Redis or Valkey; the one that is used is made in node-redis.ts, tests have their own.

export type RedisArgument = string | Buffer;

/** What a server has said, by RESP 2: text of any kind as a Buffer, numbers, lists, null. Errors reject. */
export type RedisReply = Buffer | string | number | null | readonly RedisReply[];

export interface RedisClient {
  /** Whether keys lie on several nodes: then a command has keys of one node only. */
  readonly spreads: boolean;
  /** Resolves when commands are taken; rejects where the server cannot be reached. Once. */
  connect(): Promise<void>;
  /** @param key that the command is about: in a Cluster it says which node is asked */
  send(key: RedisArgument, command: readonly RedisArgument[]): Promise<RedisReply>;
  /** The node that has the key, where there are several and it is known. */
  nodeOf(key: RedisArgument): string | undefined;
  /** Ends it at once: what is under way rejects. Never throws. */
  destroy(): void;
}

/** @param lost told once, when a client that was connected can do no more. Must not throw. */
export type MakeRedisClient = (lost: (error: unknown) => void) => Promise<RedisClient>;
