// Workers that are terminated while they ask; in a process of its own, which may die of it.
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { expect, test } from 'vitest';
import { makeResponse } from '../../support/messages.js';

const WORKERS = 25;

test('a worker may be terminated at any time during lookups', async () => {
  const server = createSocket('udp4');
  let closed = false;
  server.on('message', (query, from) => {
    const response = makeResponse(query, { answers: [] });
    setTimeout(() => closed || server.send(response, from.port, from.address), 3);
  });
  await new Promise<void>(resolve => server.bind(0, '127.0.0.1', resolve));
  const entry = new URL('../../../dist/node/index.js', import.meta.url).href;
  const worker = `
    import { parentPort } from 'node:worker_threads';
    const { CachedLookup } = await import(${JSON.stringify(entry)});
    const servers = ['127.0.0.1:${server.address().port}'];
    const cached = new CachedLookup({ servers, hostsFile: false, resolvConf: false });
    let asked = 0;
    const ask = () => { for (let i = 0; i < 40; i++) cached.lookup('host' + asked++ + '.example', () => {}); };
    cached.lookup('first.example', () => { parentPort.postMessage('asking'); setInterval(ask, 5); ask(); });`;
  const code = `
    import { once } from 'node:events';
    import { setTimeout } from 'node:timers/promises';
    import { Worker } from 'node:worker_threads';
    for (let i = 0; i < ${WORKERS}; i++) {
      const worker = new Worker(${JSON.stringify(worker)}, { eval: true });
      await once(worker, 'message');
      await setTimeout(5 + i);
      await worker.terminate();
    }
    console.log('survived');`;
  const said = await new Promise<string>(resolve =>
    execFile(process.execPath, ['--input-type=module', '-e', code], (error, stdout, stderr) =>
      resolve(error ? `${error.signal ?? error.code} ${stderr}` : stdout.trim()),
    ),
  );
  closed = true;
  server.close();
  expect(said).toBe('survived');
});
