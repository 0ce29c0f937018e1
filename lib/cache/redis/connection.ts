// A connection to Redis that never makes anybody wait: a command that cannot be sent fails at once, one that is not
// answered in time fails then, and whatever ends the connection has it made anew behind a growing wait.
//
// A client whose commands are late one after another is stuck: a stopped server, or a path that loses everything. It is
// let go of, and another one is tried. In a Cluster, where one node may be stuck and others not, the old one serves until
// another one has connected.
//
// Bounds: `maxUnderWay` commands; one timer for their deadlines; one client, and one that is being connected.
import { BackOff } from '../../base/back-off.js';
import type { Clock, Timer } from '../../base/clock.js';
import { EqualTimers } from '../../base/equal-timers.js';
import { ShardnsError, show } from '../../base/errors.js';
import type { Logger } from '../../base/log.js';
import type { Random } from '../../base/random.js';
import type { MakeRedisClient, RedisArgument, RedisClient, RedisReply } from './client.js';

export const CONNECTION_LIMITS = {
  connectMs: 2000,
  /** From one try to connect to the next. */
  backOff: { firstMs: 100, mostMs: 5000 },
  /** Commands that are late, without an answer in between, until the client is taken for stuck. */
  lateInARow: 3,
  /** How often a client that is stuck may be replaced. */
  replaceMs: 1000,
} as const;

/** Told once how a command went. Must not throw. */
export interface Awaiting {
  replied(reply: RedisReply): void;
  failed(error: Error): void;
}

/** Whoever wants to know of a connection. None may throw. */
export interface ConnectionWatch {
  connected?(): void;
  lost?(): void;
}

export interface ConnectionParts {
  readonly make: MakeRedisClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Whose it is, for the log: `redis://10.0.0.1:6379`, without a password. */
  readonly label: string;
  /** How long a command may take. */
  readonly deadlineMs: number;
  readonly maxUnderWay: number;
}

export type ConnectionState = 'new' | 'connecting' | 'connected' | 'waiting' | 'closed';

export class RedisConnection {
  readonly stats = { commands: 0, late: 0, errors: 0, connected: 0, lost: 0 };
  #client: RedisClient | undefined;
  #connecting: Attempt | undefined;
  #retry: Timer | undefined;
  #closed = false;
  #begun = false;
  #underWay = 0;
  #lateInARow = 0;
  #replacedAt = -Infinity;
  readonly #deadlines: EqualTimers;
  readonly #backOff: BackOff;
  readonly #watches: ConnectionWatch[] = [];
  /** What it failed with last. */
  #error: string | undefined;
  /** That was told in the log: once, until it is connected again. */
  #told = false;

  constructor(private readonly parts: ConnectionParts) {
    this.#deadlines = new EqualTimers(parts.clock);
    this.#backOff = new BackOff(parts.random, CONNECTION_LIMITS.backOff);
  }

  get isConnected(): boolean {
    return this.#client !== undefined;
  }
  get state(): ConnectionState {
    if (this.#closed) return 'closed';
    if (this.#client !== undefined) return 'connected';
    if (this.#connecting !== undefined) return 'connecting';
    return this.#begun ? 'waiting' : 'new';
  }
  /** Why it is not connected, for people; undefined while it is. */
  get error(): string | undefined {
    return this.isConnected ? undefined : this.#error;
  }
  get underWay(): number {
    return this.#underWay;
  }
  get label(): string {
    return this.parts.label;
  }
  /** Whether a command may have keys of one node only. */
  get spreads(): boolean {
    return this.#client?.spreads === true;
  }
  nodeOf(key: RedisArgument): string | undefined {
    return this.#client?.nodeOf(key);
  }

  watch(watch: ConnectionWatch): void {
    this.#watches.push(watch);
  }

  /** Connects, and stays connected until it is closed. */
  begin(): void {
    if (this.#begun || this.#closed) return;
    this.#begun = true;
    this.#connect();
  }

  /** @param deadlineMs where this one may take another time */
  send(
    key: RedisArgument,
    command: readonly RedisArgument[],
    awaiting: Awaiting,
    deadlineMs = this.parts.deadlineMs,
  ): void {
    const client = this.#client;
    if (client === undefined) {
      awaiting.failed(notConnected(this.parts.label));
      return;
    }
    if (this.#underWay >= this.parts.maxUnderWay) {
      awaiting.failed(new ShardnsError('ERR_SHARDNS_OVERLOAD', `${this.#underWay} commands to Redis are under way`));
      return;
    }
    this.stats.commands++;
    this.#underWay++;
    let waiting: Awaiting | undefined = awaiting;
    const timer = this.#deadlines.after(deadlineMs, () => {
      const one = waiting;
      waiting = undefined;
      this.#underWay--;
      this.#late(client);
      one?.failed(late(this.parts.label, deadlineMs));
    });
    const end = (tell: (one: Awaiting) => void): void => {
      const one = waiting;
      if (one === undefined) return;
      waiting = undefined;
      timer.cancel();
      this.#underWay--;
      tell(one);
    };
    client.send(key, command).then(
      reply => {
        this.#lateInARow = 0;
        end(one => one.replied(reply));
      },
      (error: unknown) =>
        end(one => {
          this.stats.errors++;
          one.failed(error instanceof Error ? error : new Error(String(error)));
        }),
    );
  }

  /** The same as a promise. */
  call(key: RedisArgument, command: readonly RedisArgument[], deadlineMs?: number): Promise<RedisReply> {
    return new Promise((replied, failed) => this.send(key, command, { replied, failed }, deadlineMs));
  }

  /** What is under way fails. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    this.#connecting?.abandon();
    this.#connecting = undefined;
    const client = this.#client;
    this.#client = undefined;
    client?.destroy();
    if (client !== undefined) this.#tell('lost');
  }

  /** Lets go of what it has: what is under way fails, and it connects anew. */
  drop(reason: string): void {
    const client = this.#client;
    if (client !== undefined) this.#lost(client, new ShardnsError('ERR_SHARDNS_UPSTREAM', reason));
  }

  #late(client: RedisClient): void {
    this.stats.late++;
    if (client !== this.#client || ++this.#lateInARow < CONNECTION_LIMITS.lateInARow) return;
    const now = this.parts.clock.nowMs();
    if (now - this.#replacedAt < CONNECTION_LIMITS.replaceMs) return;
    this.#replacedAt = now;
    this.#lateInARow = 0;
    if (client.spreads) this.#connect();
    else this.#lost(client, new ShardnsError('ERR_SHARDNS_TIMEOUT', 'commands are not answered any more'));
  }

  #lost(client: RedisClient, error: unknown): void {
    if (client !== this.#client) return;
    this.#client = undefined;
    this.stats.lost++;
    client.destroy();
    this.#tellOfFailure(error, 'a connection to Redis is lost');
    this.#tell('lost');
    if (!this.#closed) this.#connectLater();
  }

  #connectLater(): void {
    if (this.#retry !== undefined || this.#connecting !== undefined) return;
    this.#retry = this.parts.clock.after(this.#backOff.next(), () => {
      this.#retry = undefined;
      this.#connect();
    });
  }

  #connect(): void {
    if (this.#closed || this.#connecting !== undefined) return;
    this.#connecting = new Attempt(this.parts, {
      connected: client => {
        this.#connecting = undefined;
        const before = this.#client;
        this.#client = client;
        this.#lateInARow = 0;
        this.#told = false;
        this.#error = undefined;
        this.#backOff.reset();
        this.stats.connected++;
        before?.destroy();
        this.parts.log.info({ redis: this.parts.label }, 'connected to Redis');
        this.#tell('connected');
      },
      failed: error => {
        this.#connecting = undefined;
        this.#tellOfFailure(error, 'Redis cannot be reached');
        if (!this.#closed && this.#client === undefined) this.#connectLater();
      },
      lost: (client, error) => this.#lost(client, error),
    });
  }

  #tellOfFailure(error: unknown, message: string): void {
    this.#error = reasonOf(error);
    if (this.#told || this.#closed) return;
    this.#told = true;
    this.parts.log.warn({ redis: this.parts.label, err: error }, message);
  }

  #tell(what: keyof ConnectionWatch): void {
    for (const watch of this.#watches) watch[what]?.();
  }
}

interface AttemptOwner {
  connected(client: RedisClient): void;
  failed(error: unknown): void;
  lost(client: RedisClient, error: unknown): void;
}

/** One try to connect, bounded in time. */
class Attempt {
  #over = false;
  #client: RedisClient | undefined;
  #timer: Timer | undefined;

  constructor(
    parts: ConnectionParts,
    private readonly owner: AttemptOwner,
  ) {
    void this.#run(parts);
  }

  async #run({ make, clock, label }: ConnectionParts): Promise<void> {
    let connected: RedisClient | undefined;
    try {
      const client = await make(error => {
        if (connected !== undefined) this.owner.lost(connected, error);
        else this.#fail(error);
      });
      if (this.#over) {
        client.destroy();
        return;
      }
      this.#client = client;
      // Only now: that the client is loaded, once, may take long on a busy machine.
      this.#timer = clock.after(CONNECTION_LIMITS.connectMs, () =>
        this.#fail(late(label, CONNECTION_LIMITS.connectMs)),
      );
      await client.connect();
      if (this.#end()) this.owner.connected((connected = client));
    } catch (error) {
      this.#fail(error);
    }
  }

  abandon(): void {
    if (this.#end()) this.#client?.destroy();
  }
  #fail(error: unknown): void {
    if (!this.#end()) return;
    this.#client?.destroy();
    this.owner.failed(error);
  }
  #end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#timer?.cancel();
    return true;
  }
}

/** Of an address that means several hosts no message tells what each of them said. */
function reasonOf(error: unknown): string {
  const { message, code, name } = error as NodeJS.ErrnoException;
  return message || code || name || show(error);
}
function late(label: string, ms: number): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_TIMEOUT', `${label} has not answered in ${ms} ms`);
}
function notConnected(label: string): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_UPSTREAM', `${label} is not connected`);
}
