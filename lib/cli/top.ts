// `shardns top`: how a running server is, each second, by its control socket; behind a pipe once. `q` ends it.
//
// A server that cannot be reached any more, as while it is restarted, is tried again each second.
import { request } from 'node:http';
import { type Clock, systemClock, type Timer } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import { KeepAlive } from '../base/keep-alive.js';
import { socketOf } from './ctl.js';
import { say } from './say.js';
import { type TopData, topFrame, type TopSample, type TopSize } from './top-frame.js';

const EVERY_MS = 1000;
const TIMEOUT_MS = 5000;
/** A server that nobody has asked before begins to sample at the first question. */
const FIRST_SAMPLE_MS = 3000;
const LOOK_AGAIN_MS = 100;
/** What is shown of the past. */
const SPAN_SECONDS = 120;
const PIPE: TopSize = { columns: 120, rows: 1000 };
const MAX_REPLY_OCTETS = 4 << 20;

export interface Terminal {
  /** Undefined: nobody looks at it as it changes. */
  readonly size: TopSize | undefined;
  /** @returns false when nobody reads any more */
  write(text: string): Promise<boolean>;
  onKey(listener: (key: string) => void): void;
  onResize(listener: () => void): void;
  /** Gives it back as it was. */
  end(): void;
}

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
/** q, Ctrl-C, or Escape by itself: it begins what other keys send, too. */
const isEnding = (keys: string): boolean => keys === '\x1b' || [...'qQ\x03'].some(key => keys.includes(key));

/** @throws {ShardnsError} ERR_SHARDNS_OPTION where no socket is found; ERR_SHARDNS_UPSTREAM where nobody answers there */
export async function runTop(flags: { socket?: string }): Promise<number> {
  const socketPath = socketOf(flags);
  // Timers of the clock keep no process alive.
  const alive = new KeepAlive();
  alive.hold();
  try {
    return await new Top(() => readTop(socketPath), processTerminal(), systemClock).run();
  } finally {
    alive.close();
  }
}

export class Top {
  #data: TopData | undefined;
  #problem: string | undefined;
  #timer: Timer | undefined;
  #end: () => void = () => {};

  constructor(
    private readonly read: () => Promise<TopData>,
    private readonly terminal: Terminal,
    private readonly clock: Clock,
  ) {}

  /** @returns the exit status, when whoever looks has had enough */
  async run(): Promise<number> {
    this.#data = await this.read();
    if (this.terminal.size === undefined) return this.#once();
    const over = new Promise<void>(resolve => (this.#end = resolve));
    this.terminal.onKey(key => {
      if (isEnding(key)) this.#end();
    });
    this.terminal.onResize(() => this.#show('\x1b[2J'));
    this.#show(ENTER);
    this.#next();
    await over;
    this.#timer?.cancel();
    await this.terminal.write(LEAVE);
    this.terminal.end();
    return 0;
  }

  async #once(): Promise<number> {
    const until = this.clock.nowMs() + FIRST_SAMPLE_MS;
    while (this.#data!.samples.length === 0 && this.clock.nowMs() < until) {
      await new Promise<void>(resolve => this.clock.after(LOOK_AGAIN_MS, resolve));
      this.#data = await this.read();
    }
    await this.terminal.write(`${topFrame(this.#data!, PIPE).join('\n')}\n`);
    this.terminal.end();
    return 0;
  }

  #next(): void {
    this.#timer = this.clock.after(EVERY_MS, () => {
      this.read().then(
        data => this.#took(data, undefined),
        (error: unknown) => this.#took(this.#data!, (error as Error).message),
      );
    });
  }
  #took(data: TopData, problem: string | undefined): void {
    this.#data = data;
    this.#problem = problem;
    this.#show('');
    this.#next();
  }

  /** Each line over the one before, so that nothing flickers. */
  #show(before: string): void {
    const lines = topFrame(this.#data!, this.terminal.size ?? PIPE, this.#problem);
    const text = `${before}\x1b[H${lines.map(line => `${line}\x1b[K`).join('\r\n')}\x1b[J`;
    this.terminal.write(text).then(
      wanted => wanted || this.#end(),
      () => this.#end(),
    );
  }
}

interface HistoryReply {
  fields: string[];
  rows: number[][];
}

async function readTop(socketPath: string): Promise<TopData> {
  const [info, { fields, rows }, { upstreams }] = await Promise.all([
    get<TopData['info']>(socketPath, '/v1/info'),
    get<HistoryReply>(socketPath, `/v1/stats/history?span=${SPAN_SECONDS}&step=1`),
    get<Pick<TopData, 'upstreams'>>(socketPath, '/v1/upstreams'),
  ]);
  const sampleOf = (row: number[]): TopSample => Object.fromEntries(fields.map((name, i) => [name, row[i]]));
  return { info, samples: rows.map(sampleOf), upstreams };
}

function get<T>(socketPath: string, path: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(new ShardnsError('ERR_SHARDNS_UPSTREAM', `${socketPath}: ${cause.message}`, { cause }));
    const asking = request({ socketPath, path, timeout: TIMEOUT_MS }, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_REPLY_OCTETS)
          asking.destroy(new Error(`a reply of more than ${MAX_REPLY_OCTETS} octets`));
      });
      response.on('error', fail);
      response.on('end', () => {
        try {
          if (response.statusCode !== 200) throw new Error(`${path}: status ${response.statusCode}`);
          resolve(JSON.parse(text) as T);
        } catch (error) {
          fail(error as Error);
        }
      });
    });
    asking.on('timeout', () => asking.destroy(new Error(`no answer for ${TIMEOUT_MS / 1000} s`)));
    asking.on('error', fail);
    asking.end();
  });
}

/** Of this process: keys one by one, as they are struck. */
function processTerminal(): Terminal {
  const { stdin, stdout } = process;
  const live = stdout.isTTY === true;
  return {
    get size() {
      return live ? { columns: stdout.columns, rows: stdout.rows } : undefined;
    },
    write: text => say(text),
    onKey: listener => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => listener('q'));
      if (stdin.isTTY !== true) return;
      stdin.setRawMode(true);
      stdin.setEncoding('utf8');
      stdin.on('data', (keys: string) => listener(keys));
    },
    onResize: listener => void stdout.on('resize', listener),
    end: () => {
      if (stdin.isTTY === true) stdin.setRawMode(false);
      stdin.destroy();
    },
  };
}
