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

interface Item {
  id: [number, number];
  /** Of its fields. */
  values: Buffer[];
}
/** Of those who read a stream together: up to where, and what was given and not acknowledged. */
interface Group {
  last: [number, number];
  readonly given: Map<string, [number, number]>;
}

interface Blocked {
  key: string;
  run: () => boolean;
}

export class FakeRedis {
  readonly values = new Map<string, Stored>();
  readonly streams = new Map<string, Item[]>();
  /** One of each stream, whatever it is called. */
  readonly groups = new Map<string, Group>();
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
  /** Whether a command is done and its answer never comes. */
  loses: ((command: readonly string[]) => boolean) | undefined;
  /** Whether XREAD waits for an entry, where it is asked to. */
  waits = true;
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
          if (this.loses?.(command.map(text)) === true) {
            this.#run(
              command,
              () => {},
              () => {},
            );
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
    this.groups.clear();
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
    else if (name === 'XREADGROUP') this.#xreadgroup(command.map(text), resolve, reject);
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
        return this.#xadd(command);
      case 'XGROUP':
        return this.#xgroup(text(command[2]));
      case 'XACK':
        return command.slice(3).filter(id => this.groups.get(key)?.given.delete(text(id))).length;
      case 'XDEL': {
        const gone = new Set(command.slice(2).map(text));
        const left = this.#stream(key).filter(({ id }) => !gone.has(id.join('-')));
        this.streams.set(key, left);
        return gone.size;
      }
      case 'EVAL': {
        // Both of its scripts are about who holds a lease.
        const [, script, , lease, token, ms] = command.map(text);
        if (this.#get(lease)?.toString() !== token) return 0;
        if (script.includes("'del'")) this.values.delete(lease);
        else this.values.get(lease)!.untilMs = this.nowMs() + Number(ms);
        return 1;
      }
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
  #xadd(command: readonly RedisArgument[]): RedisReply {
    const words = command.map(text);
    const [, key] = words;
    const fields = command.slice(words.indexOf('*') + 1);
    const values = fields.filter((_, i) => i % 2 === 1).map(octets);
    const most = words[2] === 'MAXLEN' ? Number(words[4]) : Infinity;
    const stream = this.#stream(key);
    const now = Math.floor(this.nowMs());
    const last = stream.at(-1)?.id ?? [0, 0];
    const id: [number, number] = now > last[0] ? [now, 0] : [last[0], last[1] + 1];
    stream.push({ id, values });
    if (stream.length > most) stream.splice(0, stream.length - most);
    for (const one of this.#blocked) if (one.key === key && one.run()) this.#blocked.delete(one);
    return Buffer.from(id.join('-'));
  }
  #xgroup(key: string): RedisReply {
    if (this.groups.has(key)) throw new Error('BUSYGROUP Consumer Group name already exists');
    this.#stream(key);
    this.groups.set(key, { last: [0, 0], given: new Map() });
    return 'OK';
  }
  #xreadgroup(command: readonly string[], resolve: (reply: RedisReply) => void, reject: (error: Error) => void): void {
    const [key, from] = command.slice(command.indexOf('STREAMS') + 1);
    const count = Number(command[command.indexOf('COUNT') + 1]);
    const group = this.groups.get(key);
    if (group === undefined) {
      reject(new Error(`NOGROUP No such key '${key}' or consumer group`));
      return;
    }
    const isAfter = (one: readonly number[], other: readonly number[]): boolean =>
      one[0] > other[0] || (one[0] === other[0] && one[1] > other[1]);
    const stream = this.#stream(key);
    if (from === '>') {
      const found = stream.filter(({ id }) => isAfter(id, group.last)).slice(0, count);
      for (const { id } of found) group.given.set(id.join('-'), (group.last = id));
      resolve(found.length === 0 ? null : [[Buffer.from(key), found.map(shown)]]);
      return;
    }
    const [ms, sequence = 0] = from.split('-').map(Number);
    const given = [...group.given.values()].filter(id => isAfter(id, [ms, sequence])).slice(0, count);
    const itemOf = (id: readonly number[]): RedisReply => {
      const item = stream.find(one => one.id.join('-') === id.join('-'));
      return item === undefined ? [Buffer.from(id.join('-')), null] : shown(item);
    };
    resolve([[Buffer.from(key), given.map(itemOf)]]);
  }
  #xread(command: readonly string[], resolve: (reply: RedisReply) => void): void {
    const at = command.indexOf('STREAMS');
    const [key, from] = command.slice(at + 1);
    const count = Number(command[command.indexOf('COUNT') + 1]);
    const block = this.waits && command.includes('BLOCK') ? Number(command[command.indexOf('BLOCK') + 1]) : undefined;
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

const shown = ({ id, values }: Item): RedisReply => [
  Buffer.from(id.join('-')),
  values.flatMap(value => [Buffer.from('i'), value]),
];
