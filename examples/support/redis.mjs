// A Redis of an example's own: `redis-server` on a free port of this machine, without a disk.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
const answers = port =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

/** @returns `{ url, stop }` */
export async function startRedis() {
  const port = await freePort();
  const words = ['--port', String(port), '--bind', '127.0.0.1', '--save', ''];
  const server = spawn('redis-server', words, { stdio: 'ignore' });
  let failure;
  server.on('error', error => (failure = error));
  process.on('exit', () => server.kill());
  while (!(await answers(port))) {
    if (failure !== undefined || server.exitCode !== null) {
      throw new Error('redis-server does not start: install it, or name a Redis in REDIS', { cause: failure });
    }
    await sleep(20);
  }
  const stop = async () => {
    server.kill();
    await once(server, 'exit');
  };
  return { url: `redis://127.0.0.1:${port}`, stop };
}
