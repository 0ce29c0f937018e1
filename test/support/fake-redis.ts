// A Redis in this process, on a fake clock: the commands that this package sends, and the ways in which a real one fails.
import type { MakeRedisClient, RedisArgument, RedisClient, RedisReply } from '../../lib/cache/redis/client.js';
import type { Clock } from '../../lib/base/clock.js';

interface Stored {
  value: Buffer;
  untilMs: number;
}

const text = (argument: RedisArgument): string =>
  typeof argument === 'string' ? argument : argument.toString('latin1');
const octets = (argument: RedisArgument): Buffer => (typeof argument === 'string' ? Buffer.from(argument) : argument);

interface Blocked {
  key: string;
  run: () => boolean;
}

export class FakeRedis {
  readonly values = new Map<string, Stored>();
  readonly streams = new Map<string, { id: [number, number]; value: Buffer }[]>();
  /** Every command that came, by its name. */
  readonly commands: string[] = [];
  /** Takes commands and answers none, as a process that is stopped. */
  stopped = false;
  /** Nobody listens. */
  down = false;
  /** What each command is refused with. */
  error: ((command: string) => string | undefined) | undefined;
  /** Answers come after so long. */
  delayMs = 0;
  /** The node that has a key, where it is a Cluster. */
  nodeOf: ((key: string) => string) | undefined;
  /** Nodes that take commands and refuse them. */
  readonly downNodes = new Set<string>();
  /** What each command takes longer than others. */
  slow: ((command: string) => number) | undefined;
  /** Its clock, ahead of the test's. */
  aheadMs = 0;
  clients = 0;
  readonly #connected = new Set<{ lost: (error: unknown) => void; underWay: Set<(error: Error) => void> }>();
  readonly #blocked = new Set<Blocked>();

  constructor(readonly clock: Clock) {}

  nowMs(): number {
    return 1_700_000_000_000 + this.clock.nowMs() + this.aheadMs;
  }

  readonly make: MakeRedisClient = lost => {
    const client = { lost, underWay: new Set<(error: Error) => void>() };
    let open = true;
    const made: RedisClient = {
      spreads: this.nodeOf !== undefined,
      connect: () => {
        if (this.down) return Promise.reject(new Error('connect ECONNREFUSED'));
        if (this.stopped) return new Promise(() => {});
        this.clients++;
        this.#connected.add(client);
        return Promise.resolve();
      },
      send: (key, command) =>
        new Promise<RedisReply>((resolve, reject) => {
          client.underWay.add(reject);
          if (!open || !this.#connected.has(client)) {
            reject(new Error('The client is closed'));
            return;
          }
          this.commands.push(text(command[0]));
          if (this.stopped) return;
          if (this.downNodes.has(this.nodeOf?.(text(key)) ?? '')) {
            reject(new Error('connect ECONNREFUSED'));
            return;
          }
          const run = (): void => this.#run(command, resolve, reject);
          const delayMs = this.delayMs + (this.slow?.(text(command[0])) ?? 0);
          if (delayMs === 0) run();
          else this.clock.after(delayMs, run);
        }),
      nodeOf: key => this.nodeOf?.(text(key)),
      destroy: () => {
        open = false;
        this.#connected.delete(client);
        for (const reject of client.underWay) reject(new Error('The client is closed'));
        client.underWay.clear();
      },
    };
    return Promise.resolve(made);
  };

  /** Every connection breaks. */
  cut(): void {
    const all = [...this.#connected];
    this.#connected.clear();
    this.#blocked.clear();
    for (const { lost, underWay } of all) {
      for (const reject of underWay) reject(new Error('Socket closed unexpectedly'));
      lost(new Error('Socket closed unexpectedly'));
    }
  }
  /** It is gone, with all that it had. */
  kill(): void {
    this.down = true;
    this.values.clear();
    this.streams.clear();
    this.cut();
  }

  #run(command: readonly RedisArgument[], resolve: (reply: RedisReply) => void, reject: (error: Error) => void): void {
    const name = text(command[0]);
    const refusal = this.error?.(name);
    if (refusal !== undefined) {
      reject(new Error(refusal));
      return;
    }
    if (name === 'XREAD') this.#xread(command.map(text), resolve);
    else resolve(this.#answer(name, command));
  }

  #answer(name: string, command: readonly RedisArgument[]): RedisReply {
    const key = command.length > 1 ? text(command[1]) : '';
    switch (name) {
      case 'GET':
        return this.#get(key);
      case 'MGET':
        return command.slice(1).map(one => this.#get(text(one)));
      case 'SET': {
        const words = command.slice(3).map(text);
        if (words.includes('NX') && this.#get(key) !== null) return null;
        const untilMs = this.nowMs() + Number(words[words.indexOf('PX') + 1]);
        this.values.set(key, { value: octets(command[2]), untilMs });
        return 'OK';
      }
      case 'DEL':
        return this.values.delete(key) ? 1 : 0;
      case 'TIME': {
        const now = this.nowMs();
        return [Buffer.from(String(Math.floor(now / 1000))), Buffer.from(String(Math.floor((now % 1000) * 1000)))];
      }
      case 'XADD':
        return this.#xadd(key, Number(text(command[4])), octets(command[7]));
      case 'XLEN':
        return this.#stream(key).length;
      case 'XRANGE':
        return this.#range(key, text(command[2]), text(command[3])).slice(0, 1).map(shown);
      case 'XREVRANGE':
        return this.#stream(key).slice(-1).map(shown);
      default:
        throw new Error(`the fake Redis knows no ${name}`);
    }
  }

  #get(key: string): Buffer | null {
    const found = this.values.get(key);
    return found === undefined || found.untilMs <= this.nowMs() ? null : Buffer.from(found.value);
  }

  #stream(key: string) {
    let stream = this.streams.get(key);
    if (stream === undefined) this.streams.set(key, (stream = []));
    return stream;
  }
  #range(key: string, from: string, to: string) {
    const at = (text: string): number[] => text.split('-').map(Number);
    const order = (one: readonly number[], other: readonly number[]): number => one[0] - other[0] || one[1] - other[1];
    return this.#stream(key).filter(
      ({ id }) => (from === '-' || order(id, at(from)) >= 0) && (to === '+' || order(id, at(to)) <= 0),
    );
  }
  #xadd(key: string, most: number, value: Buffer): RedisReply {
    const stream = this.#stream(key);
    const now = Math.floor(this.nowMs());
    const last = stream.at(-1)?.id ?? [0, 0];
    const id: [number, number] = now > last[0] ? [now, 0] : [last[0], last[1] + 1];
    stream.push({ id, value });
    if (stream.length > most) stream.splice(0, stream.length - most);
    for (const one of this.#blocked) if (one.key === key && one.run()) this.#blocked.delete(one);
    return Buffer.from(id.join('-'));
  }
  #xread(command: readonly string[], resolve: (reply: RedisReply) => void): void {
    const at = command.indexOf('STREAMS');
    const [key, from] = command.slice(at + 1);
    const count = Number(command[command.indexOf('COUNT') + 1]);
    const block = command.includes('BLOCK') ? Number(command[command.indexOf('BLOCK') + 1]) : undefined;
    const [ms, sequence] = from.split('-').map(Number);
    const run = (): boolean => {
      const found = this.#stream(key).filter(({ id }) => id[0] > ms || (id[0] === ms && id[1] > sequence));
      if (found.length === 0) return false;
      resolve([[Buffer.from(key), found.slice(0, count).map(shown)]]);
      return true;
    };
    if (run()) return;
    if (block === undefined) {
      resolve(null);
      return;
    }
    const blocked = { key, run };
    this.#blocked.add(blocked);
    this.clock.after(block, () => {
      if (this.#blocked.delete(blocked)) resolve(null);
    });
  }
}

const shown = ({ id, value }: { id: [number, number]; value: Buffer }): RedisReply => [
  Buffer.from(id.join('-')),
  [Buffer.from('i'), value],
];
