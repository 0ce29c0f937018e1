// Servers of others, started on free ports of the loopback for a test and stopped with it.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Tools that are not installed: said, and an error under CI=true. */
export function missingTools(...tools: string[]): string[] {
  const missing = tools.filter(tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
  if (missing.length === 0) return missing;
  if (process.env.CI === 'true') throw new Error(`not installed: ${missing.join(' ')}`);
  console.warn(`not installed: ${missing.join(' ')}: the tests with them are skipped`);
  return missing;
}

/** A folder of its own, and processes that end with it. */
export class RealServers {
  readonly folder = mkdtempSync(join(tmpdir(), 'shardns-real-'));
  readonly #children: ChildProcess[] = [];
  output = '';

  file(name: string, text: string): string {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }
  start(command: string, args: string[]): ChildProcess {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: this.folder });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.output += String(chunk)));
    this.#children.push(child);
    return child;
  }
  async run(command: string, args: string[], input?: string): Promise<string> {
    const running = run(command, args, { cwd: this.folder });
    if (input !== undefined) running.child.stdin!.end(input);
    return (await running).stdout;
  }
  dig(port: number, ...args: string[]): Promise<string> {
    return this.run('dig', ['@127.0.0.1', '-p', String(port), '+tries=1', '+time=20', ...args]);
  }
  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(child => {
        if (child.exitCode !== null || child.signalCode !== null) return undefined;
        const gone = new Promise(resolve => child.on('exit', resolve));
        child.kill('SIGKILL');
        return gone;
      }),
    );
    rmSync(this.folder, { recursive: true, force: true });
  }
}
