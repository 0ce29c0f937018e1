// A real redis-server of a test's own, on a free port of the loopback, with nothing on disk.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const REDIS_SERVER = '/usr/bin/redis-server';
export const hasRedis = existsSync(REDIS_SERVER);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  return port;
}

export class RedisServer implements AsyncDisposable {
  private constructor(
    readonly port: number,
    readonly process: ChildProcess,
    readonly folder: string,
  ) {}

  static async start(...more: string[]): Promise<RedisServer> {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'shardns-redis-'));
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...more];
    const server = new RedisServer(port, spawn(REDIS_SERVER, options, { stdio: 'ignore' }), folder);
    for (let i = 0; i < 500 && !(await server.#answers()); i++) await new Promise(resolve => setTimeout(resolve, 20));
    return server;
  }
  #answers(): Promise<boolean> {
    return new Promise(resolve => {
      const socket = connect(this.port, '127.0.0.1', () => socket.end('PING\r\n'));
      socket.on('data', data => resolve(String(data).startsWith('+PONG')));
      socket.on('error', () => resolve(false));
      socket.on('close', () => resolve(false));
    });
  }
  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise(resolve => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
