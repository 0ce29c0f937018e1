// Real Redis servers of the tests' own: on free ports of the loopback, without persistence, stopped when a test file ends.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './until.js';
import { freePort } from './free-port.js';

const run = promisify(execFile);

/** Where it is not installed, tests of it are skipped; with CI=true that is a failure. */
export const hasRedis = existsSync('/usr/bin/redis-server') || process.env.CI === 'true';

export const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

export class RedisServer {
  #process: ChildProcess | undefined;
  readonly #dir = mkdtempSync(join(tmpdir(), 'shardns-redis-'));

  private constructor(
    readonly port: number,
    private readonly options: readonly string[],
    private readonly isWhole = false,
  ) {}

  static async start(options: readonly string[] = [], port?: number): Promise<RedisServer> {
    const server = new RedisServer(port ?? (await freePort()), options);
    await server.start();
    return server;
  }

  /** With words of one's own in place of those that every server has. */
  static async startWith(words: readonly string[], port: number): Promise<RedisServer> {
    const server = new RedisServer(port, words, true);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const { port } = this;
    const fixed = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--dir', this.#dir];
    const words = this.isWhole ? this.options : [...fixed, ...this.options];
    this.#process = spawn('/usr/bin/redis-server', words, { stdio: 'ignore' });
    await until(async () => (await this.cli('PING').catch(() => '')).startsWith('PONG'), 'Redis');
  }
  async cli(...words: string[]): Promise<string> {
    const { stdout } = await run('/usr/bin/redis-cli', ['-p', String(this.port), ...words], { timeout: 170_000 });
    return stdout.trim();
  }
  /** SIGSTOP: it takes connections and answers nothing. */
  stop(): void {
    this.#process?.kill('SIGSTOP');
  }
  goOn(): void {
    this.#process?.kill('SIGCONT');
  }
  async kill(): Promise<void> {
    const process = this.#process;
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    const ended = new Promise(resolve => process.once('exit', resolve));
    process.kill('SIGKILL');
    await ended;
  }
}

/** Three masters. */
export async function startCluster(): Promise<RedisServer[]> {
  const servers = await Promise.all(
    [0, 1, 2].map(() =>
      RedisServer.start([
        '--cluster-enabled',
        'yes',
        '--cluster-config-file',
        'nodes.conf',
        '--cluster-node-timeout',
        '2000',
        '--cluster-require-full-coverage',
        'no',
      ]),
    ),
  );
  const nodes = servers.map(({ port }) => `127.0.0.1:${port}`);
  await run('/usr/bin/redis-cli', ['--cluster', 'create', ...nodes, '--cluster-replicas', '0', '--cluster-yes']);
  for (const server of servers) {
    await until(async () => (await server.cli('CLUSTER', 'INFO')).includes('cluster_state:ok'), 'the cluster');
  }
  return servers;
}
