// Write-behind that outlives the process: a write is done when Redis has it in a stream, one of several by its key, and comes
// to the program's store by whoever holds that stream's lease, in this process or another one.
//
// Bounds: about `maxQueued` writes in all streams together; beyond, writes fail. Those of DurablePartition.
import { ShardnsError } from '../../base/errors.js';
import type { Timer } from '../../base/clock.js';
import type { RedisReply } from '../redis/client.js';
import { Sealer } from '../redis/frame.js';
import { Secrets } from '../redis/secrets.js';
import { DurablePartition, type PartitionParts } from './durable-partition.js';
import { sealWrite } from './durable-entry.js';
import type { ByteLevel } from './level.js';
import { writeId } from './loads.js';
import { NO_WRITES, type PendingWrite, type StoreWriter, type WriteCounts } from './writer.js';
import type { WriterSettings } from './writer-options.js';

const COMMAND_MS = 2000;
/** How often the lengths of the streams are asked for. */
const LOOK_MS = 1000;

export interface DurableParts extends Pick<PartitionParts, 'clock' | 'random' | 'log'> {
  readonly level: ByteLevel;
  /** Number of the namespace here, and its name with its length. */
  readonly space: number;
  readonly prefix: Buffer;
  readonly canRead: PartitionParts['canRead'];
  readonly makeWriter: PartitionParts['makeWriter'];
}

export class DurableWriter implements StoreWriter {
  /** A write is awaited until Redis has it. */
  readonly awaits = true;
  readonly #partitions: DurablePartition[];
  readonly #sealer: Sealer;
  /** Writes in the streams: as they were last, and those added since. */
  #length = 0;
  #added = 0;
  #refused = 0;
  #timer: Timer | undefined;
  #closed = false;

  constructor(
    private readonly settings: Pick<WriterSettings<unknown>, 'maxQueued' | 'partitions' | 'leaseMs' | 'timeoutMs'>,
    private readonly parts: DurableParts,
  ) {
    const { level, clock, random, log, prefix, canRead, makeWriter, space } = parts;
    const { secrets, encrypt } = level.settings;
    this.#sealer = new Sealer({ secrets: new Secrets(secrets), encrypt });
    const name = level.redis.keys.of(prefix).subarray(-16).toString('hex');
    const { leaseMs, timeoutMs, partitions } = settings;
    const common: PartitionParts = {
      connection: level.redis.connection,
      clock,
      random,
      log,
      sealer: this.#sealer,
      leaseMs,
      timeoutMs,
      token: Buffer.from(this.#sealer.writer, 'latin1').toString('hex'),
      idOf: ({ key }) => writeId(space, key),
      canRead,
      makeWriter,
    };
    this.#partitions = Array.from(
      { length: partitions },
      // The braces: in a Cluster its lease is beside the stream.
      (_, i) => new DurablePartition(`${level.redis.keys.prefix}writes:{${name}:${i}}`, common),
    );
    this.#look();
  }

  get counts(): WriteCounts {
    const sum = { ...NO_WRITES };
    for (const { writer, stats } of this.#partitions) {
      sum.dead += stats.unreadable;
      if (writer === undefined) continue;
      for (const key of Object.keys(sum) as (keyof WriteCounts)[]) sum[key] += writer.counts[key];
    }
    return { ...sum, refused: sum.refused + this.#refused, queued: this.#length + this.#added };
  }

  /** Those of other processes are not known here. */
  pending(): PendingWrite | undefined {
    return undefined;
  }

  /** @returns resolves when Redis has it; rejects where nobody knows whether it has */
  async add(_id: string, { key, encoded }: PendingWrite): Promise<void> {
    if (this.#closed) throw new ShardnsError('ERR_SHARDNS_CLOSED', 'a writer whose cache is closed');
    const { maxQueued } = this.settings;
    if (this.#length + this.#added >= maxQueued) {
      this.#refused++;
      throw new ShardnsError('ERR_SHARDNS_OVERLOAD', `the store is behind by ${maxQueued} writes (writer.maxQueued)`);
    }
    const { level, prefix } = this.parts;
    const hash = level.redis.keys.of(Buffer.concat([prefix, Buffer.from(key as Uint8Array)]));
    const partition = this.#partitions[folded(hash) % this.#partitions.length];
    const { stream } = partition;
    this.#added++;
    const sealed = sealWrite(this.#sealer, stream, key, encoded).flatMap(frame => ['w', frame]);
    const command = ['XADD', stream, '*', ...sealed];
    level.alive.hold();
    try {
      await level.redis.connection.call(stream, command, COMMAND_MS);
    } catch (error) {
      // Where it is there all the same, the next look says so.
      this.#added = Math.max(0, this.#added - 1);
      throw error;
    } finally {
      level.alive.release();
    }
    partition.wake();
  }

  async end(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.parts.level.alive.hold();
    await Promise.all(this.#partitions.map(one => one.end()));
    this.parts.level.alive.release();
  }
  /** What waits in the streams waits for another process. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const one of this.#partitions) one.close();
  }

  #look(): void {
    if (this.#closed) return;
    this.#timer = this.parts.clock.after(LOOK_MS, () => void this.#measure());
  }
  async #measure(): Promise<void> {
    const { connection } = this.parts.level.redis;
    const added = this.#added;
    const lengths = await Promise.all(
      this.#partitions.map(({ stream }) => connection.call(stream, ['XLEN', stream], COMMAND_MS)),
    ).catch((): RedisReply[] | undefined => undefined);
    if (lengths !== undefined) {
      this.#length = lengths.reduce<number>((sum, one) => sum + Number(one), 0);
      this.#added = Math.max(0, this.#added - added);
    }
    this.#look();
  }
}

/** Of a key's hash, as its letters are: the last of them has few bits. */
const folded = (hash: Buffer): number =>
  hash.subarray(-9, -1).reduce((sum, octet) => (Math.imul(sum, 31) + octet) >>> 0, 0);
