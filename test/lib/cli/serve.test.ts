// The command as a process: its signals, and a log that cannot be written.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { askUdp } from '../../support/client.js';
import { answerA, makeQuery, rcodeOf } from '../../support/messages.js';
import { freePort } from '../../support/free-port.js';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
interface Running {
  child: ChildProcess;
  out(): string;
  err(): string;
  /** Waits for a text in what it says. */
  says(text: string): Promise<void>;
  ended: Promise<number | string>;
}
function serve(args: string[], stdout: 'pipe' | number = 'pipe', env: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(process.execPath, ['dist/cli/main.js', 'serve', '--memory', '1MiB', '--threads', '1', ...args], {
    stdio: ['ignore', stdout, 'pipe'],
    env: { ...process.env, ...env },
  });
  children.push(child);
  let [out, err] = ['', ''];
  const waiting: { text: string; resolve: () => void }[] = [];
  const look = (): void => {
    for (const one of waiting) if (out.includes(one.text)) one.resolve();
  };
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    look();
  });
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<number | string>(resolve =>
    child.on('exit', (code, signal) => resolve(signal ?? code ?? 'unknown')),
  );
  return {
    child,
    out: () => out,
    err: () => err,
    ended,
    says: text =>
      Promise.race([
        new Promise<void>(resolve => {
          waiting.push({ text, resolve });
          look();
        }),
        ended.then(code => {
          throw new Error(`ended with ${code} before it said ${text}: ${out} ${err}`);
        }),
      ]),
  };
}
const HERE = ['--listen', '127.0.0.1:0', '--upstream', '127.0.0.1:9'];
const addressOf = (out: string): string => /"udp":\["([^"]*)"/.exec(out)![1];
test('SIGHUP, SIGUSR1 and SIGUSR2 do what they are for, none opens the inspector, SIGTERM drains', async () => {
  const server = serve(HERE);
  await server.says('"listening"');
  server.child.kill('SIGUSR1');
  await server.says('"statistics"');
  server.child.kill('SIGUSR2');
  await server.says('"level":30,"');
  await server.says('"switchedTo":"debug"');
  server.child.kill('SIGUSR2');
  await server.says('"switchedTo":"info"');
  // One key a line: of two, readers take the other one.
  expect(server.out()).not.toMatch(/"level":.*"level":/);
  server.child.kill('SIGPIPE');
  server.child.kill('SIGHUP');
  await server.says('"configuration read again; the cache was kept"');
  server.child.kill('SIGTERM');
  expect(await server.ended).toBe(0);
  expect(server.out()).toContain('"stopped"');
  expect(server.err()).toBe('');
});

test('signals that come while it starts are done later, and one to end ends it at once', async () => {
  const server = serve(HERE);
  // As soon as the process has its handlers, which is long before it listens.
  let sent = 0;
  const timer = setInterval(() => {
    if (!handles(server.child.pid!)) return;
    clearInterval(timer);
    for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) server.child.kill(signal);
    sent++;
  }, 1);
  await server.says('"configuration read again; the cache was kept"');
  await server.says('"statistics"');
  clearInterval(timer);
  expect(sent).toBe(1);
  server.child.kill('SIGINT');
  expect(await server.ended).toBe(0);
  const early = serve(HERE);
  while (!handles(early.child.pid!)) await new Promise(resolve => setTimeout(resolve, 1));
  early.child.kill('SIGTERM');
  expect(await early.ended).toBe(0);
});

test('a signal to end that comes twice at once, as process groups get it, drains and saves all the same', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shardns-serve-'));
  const file = join(folder, 'answers');
  const slow = createSocket('udp4');
  await new Promise<void>(resolve => slow.bind(0, '127.0.0.1', resolve));
  const asked = new Promise<() => void>(resolve =>
    slow.once('message', (query, { port, address }) => resolve(() => slow.send(answerA(query), port, address))),
  );
  const upstream = `127.0.0.1:${slow.address().port}`;
  const server = serve(['--listen', '127.0.0.1:0', '--upstream', upstream, '--snapshot', file]);
  await server.says('"listening"');
  // Somebody waits for an answer, so that draining takes its time.
  void askUdp(addressOf(server.out()), makeQuery('a.example'), 100).catch(() => {});
  const answer = await asked;
  server.child.kill('SIGINT');
  await server.says('"draining"');
  server.child.kill('SIGINT');
  answer();
  expect(await server.ended).toBe(0);
  expect(existsSync(file)).toBe(true);
  slow.close();
  rmSync(folder, { recursive: true });
});

test('a configuration of 30,000 zones is read at SIGHUP, and refused by its line', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shardns-serve-'));
  const path = join(folder, 'shardns.yaml');
  const write = (zones: number, last: string): void => {
    const lines = Array.from(
      { length: zones },
      (_, i) => `    - { name: ads${i}.tracker${i % 977}.example, kind: refuse }`,
    );
    writeFileSync(path, ['local:', '  zones:', ...lines, last, ''].join('\n'));
  };
  write(1, '    - { name: first.example, kind: refuse }');
  const server = serve([...HERE, '--config', path]);
  await server.says('"listening"');
  const ask = async (name: string): Promise<number> =>
    rcodeOf((await askUdp(addressOf(server.out()), makeQuery(name), 60_000))!);
  expect(await ask('first.example')).toBe(5);
  write(30_000, '    - { name: last.example, kind: nxdomain }');
  server.child.kill('SIGHUP');
  await server.says('"configuration read again; the cache was kept"');
  expect(await ask('last.example')).toBe(3);
  write(30_000, '    - { name: last.example, kind: potato }');
  server.child.kill('SIGHUP');
  await server.says(`${path}:30003: local.zones[30000].kind: expected one of`);
  expect(await ask('last.example')).toBe(3);
  rmSync(folder, { recursive: true });
});

test('a log on a full disk, or whose reader is gone, stops nothing', async () => {
  const port = await freePort();
  const full = openSync('/dev/full', 'w');
  const args = ['--listen', `127.0.0.1:${port}`, '--upstream', '127.0.0.1:9', '--log-level', 'debug'];
  const server = serve(args, full);
  closeSync(full);
  let reply: Buffer | undefined;
  for (let i = 0; i < 600 && reply === undefined; i++) {
    reply = await askUdp(`127.0.0.1:${port}`, makeQuery('localhost'), 200);
  }
  expect(rcodeOf(reply!)).toBe(0);
  server.child.kill('SIGHUP');
  server.child.kill('SIGTERM');
  expect(await server.ended).toBe(0);

  const other = serve(HERE);
  await other.says('"listening"');
  other.child.stdout!.destroy();
  for (let i = 0; i < 5; i++) other.child.kill('SIGUSR1');
  expect(rcodeOf((await askUdp(addressOf(other.out()), makeQuery('localhost')))!)).toBe(0);
  other.child.kill('SIGTERM');
  expect(await other.ended).toBe(0);
});

test('options that contradict each other are told', async () => {
  const server = serve([...HERE, '--recursive']);
  await server.says('upstreams are not asked: resolver.recursive resolves names from the root');
});

test('a server that is its own upstream is told', async () => {
  const port = await freePort();
  const server = serve(['--listen', `0.0.0.0:${port}`, '--upstream', `127.0.0.1:${port}`]);
  await server.says('an upstream is this server itself');
});

/** Whether a process has handlers of its own for SIGHUP. */
function handles(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return (BigInt(`0x${/SigCgt:\s*([0-9a-f]+)/.exec(status)![1]}`) & 1n) === 1n;
  } catch {
    return false;
  }
}

test('a server whose upstreams have names that nobody tells starts, and ctl status shows them', async () => {
  const silent = createSocket('udp4');
  await new Promise<void>(resolve => silent.bind(0, '127.0.0.1', resolve));
  const folder = mkdtempSync(join(tmpdir(), 'shardns-names-'));
  const socket = join(folder, 'control.sock');
  try {
    const bootstrap = `127.0.0.1:${silent.address().port}`;
    const args = ['--listen', '127.0.0.1:0', '--upstream', 'tcp://dns.example', '--bootstrap', bootstrap];
    writeFileSync(join(folder, 'shardns.yaml'), `control: ${socket}`);
    const server = serve([...args, '--config', join(folder, 'shardns.yaml')]);
    await server.says('"listening"');
    const reply = await askUdp(addressOf(server.out()), makeQuery('a.example', { edns: true }));
    expect(rcodeOf(reply!)).toBe(2);
    expect(reply!.includes(Buffer.from([0, 15, 0, 2, 0, 14]))).toBe(true); // extended error 14: Not Ready
    const status = execFileSync(process.execPath, ['dist/cli/main.js', 'ctl', 'status', '--socket', socket]);
    expect(status.toString()).toContain('name       dns.example: no address yet');
    expect(server.out()).not.toContain('no upstream: only');
  } finally {
    silent.close();
    rmSync(folder, { recursive: true });
  }
});
