// A server under a service manager: its sockets are the manager's, who hears how it is. Through a real process, and a manager
// that keeps the sockets while it is restarted.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { askTcp, askUdp } from '../support/client.js';
import { makeQuery, rcodeOf } from '../support/messages.js';
import { hasPerl, hear, Manager, type Program } from '../support/service-manager.js';

/** Long enough for a machine that has other things to do. */
const WAIT_MS = 120_000;
const folders: string[] = [];
const managers: Manager[] = [];
const readers: Program[] = [];
afterEach(() => {
  for (const one of managers.splice(0)) one.close();
  for (const one of readers.splice(0)) one.child.kill('SIGKILL');
  for (const one of folders.splice(0)) rmSync(one, { recursive: true });
});

async function manage(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Manager> {
  const command = [process.execPath, 'dist/cli/main.js', 'serve', '--memory', '1MiB', '--upstream', '127.0.0.1:9'];
  const manager = await Manager.start([...command, ...args], { XDG_RUNTIME_DIR: '', ...env });
  managers.push(manager);
  return manager;
}
function file(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'shardns-manager-'));
  folders.push(folder);
  return join(folder, name);
}
/** Replies to so many questions that are asked now; each for a name that needs no upstream. */
function ask(manager: Manager, count: number): Promise<(number | undefined)[]> {
  const questions = Array.from({ length: count }, (_, i) =>
    askUdp(manager.address, makeQuery(i % 2 === 0 ? 'localhost' : `n${i}.localhost`), WAIT_MS),
  );
  return Promise.all(questions).then(replies => replies.map(one => one && rcodeOf(one)));
}
async function askOverTcp(manager: Manager): Promise<number[]> {
  return (await askTcp(manager.address, [makeQuery('localhost')], WAIT_MS)).map(rcodeOf);
}
const answered = (count: number): number[] => Array<number>(count).fill(0);

describe.skipIf(!hasPerl)('under a service manager', () => {
  test.each(['native', 'dgram'])(
    'a server (udp: %s) that is restarted loses no question, over UDP and TCP',
    async udp => {
      const path = file('shardns.yaml');
      writeFileSync(path, `udp: ${udp}\n`);
      const manager = await manage(['--config', path]);
      // Before the first start, too.
      const early = [ask(manager, 20), askOverTcp(manager)];
      manager.begin();
      await manager.server.says('"listening"');
      expect(manager.server.text).toContain('"handedOver":2');
      expect(await Promise.all(early)).toEqual([answered(20), [0]]);
      for (let restart = 2; restart <= 3; restart++) {
        const before = ask(manager, 20);
        manager.signal('TERM');
        const during = ask(manager, 40);
        expect(await manager.ended()).toBe('0 0');
        const between = [ask(manager, 40), askOverTcp(manager)];
        manager.begin();
        await manager.server.says('"listening"', restart);
        const after = [ask(manager, 20), askOverTcp(manager)];
        expect(await before).toEqual(answered(20));
        expect(await during).toEqual(answered(40));
        expect(await Promise.all(between)).toEqual([answered(40), [0]]);
        expect(await Promise.all(after)).toEqual([answered(20), [0]]);
      }
      manager.signal('TERM');
      expect(await manager.ended()).toBe('0 0');
    },
    2 * WAIT_MS,
  );

  test(
    'listeners that are opened anew have the same sockets',
    async () => {
      const path = file('shardns.yaml');
      writeFileSync(path, 'threads: 1\n');
      const manager = await manage(['--config', path]);
      manager.begin();
      await manager.server.says('"listening"');
      const reloads = ['threads: 2\n', 'udp: dgram\n', 'threads: 3\nudp: native\n'];
      for (const [i, text] of reloads.entries()) {
        writeFileSync(path, text);
        const before = ask(manager, 20);
        manager.signal('HUP');
        await manager.server.says('"configuration read again; the cache was kept"', i + 1);
        expect(await before).toEqual(answered(20));
        expect(await ask(manager, 20)).toEqual(answered(20));
        expect(await askOverTcp(manager)).toEqual([0]);
      }
      // Sockets that nobody would read are no change that can be made.
      writeFileSync(path, 'listen: ["127.0.0.1:0"]\n');
      manager.signal('HUP');
      await manager.server.says('the new configuration is refused; the old one stays');
      expect(manager.server.text).toContain(`nothing of \`listen\` is for UDP at ${manager.address}`);
      expect(await ask(manager, 5)).toEqual(answered(5));
      manager.signal('TERM');
      expect(await manager.ended()).toBe('0 0');
    },
    2 * WAIT_MS,
  );

  test(
    'a socket that nobody would read is refused at the start',
    async () => {
      const manager = await manage(['--listen', '127.0.0.1:0']);
      manager.begin();
      expect(await manager.ended()).toBe('1 0');
      expect(manager.server.text).toContain(
        `a socket was handed over that cannot be used (descriptor 3, "udp"): nothing of \`listen\` is for UDP at ${manager.address}`,
      );
    },
    WAIT_MS,
  );

  test.each(['path', 'abstract name'])(
    'the manager hears at its %s of readiness, reloads, signs of life and the end',
    async kind => {
      const at = kind === 'path' ? file('notify') : `@shardns-test-${process.pid}`;
      const heard = await hear(at);
      readers.push(heard);
      const manager = await manage([], { NOTIFY_SOCKET: at, WATCHDOG_USEC: '1000000' });
      manager.begin();
      await heard.says(`told READY=1 STATUS=answering at ${manager.address}; 0 entries`);
      expect(await ask(manager, 1)).toEqual([0]);
      await heard.says('told WATCHDOG=1', 3);
      manager.signal('HUP');
      await heard.says('told RELOADING=1 MONOTONIC_USEC=');
      await heard.says('told READY=1', 2);
      manager.signal('TERM');
      await heard.says('told STOPPING=1');
      expect(await manager.ended()).toBe('0 0');
    },
    WAIT_MS,
  );
});
