// Where the system has no file left, the command says so in one line.
import { execFile } from 'node:child_process';
import { expect, test } from 'vitest';
import { exhaustionOf, isForWantOfRoom, ShardnsError } from '../../../lib/base/errors.js';

function serveWith(files: number): Promise<{ code: unknown; stderr: string }> {
  const command = 'ulimit -n "$1"; exec "$0" dist/cli/main.js serve --listen 127.0.0.1:0 --upstream 192.0.2.1';
  return new Promise(resolve => {
    execFile('sh', ['-c', command, process.execPath, String(files)], { timeout: 170_000 }, (error, _, stderr) =>
      resolve({ code: error?.code, stderr }),
    );
  });
}

test.each([32, 48])('with room for %i files', async files => {
  expect(await serveWith(files)).toEqual({
    code: 1,
    stderr:
      'shardns: this process may open no more files: raise its limit (`ulimit -n`, LimitNOFILE) to 1024 or more (EMFILE)\n',
  });
});

test('what the system has no room for is told from other errors, in an error or as its cause', () => {
  const failed = (code: string): Error => Object.assign(new Error('failed'), { code });
  for (const code of ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']) {
    const within = new ShardnsError('ERR_SHARDNS_UPSTREAM', 'no', { cause: failed(code) });
    expect(exhaustionOf(failed(code))).toContain(`(${code})`);
    expect(exhaustionOf(within)).toContain(`(${code})`);
    expect(isForWantOfRoom(within)).toBe(true);
  }
  for (const one of [
    failed('ENOENT'),
    failed('EADDRINUSE'),
    undefined,
    null,
    'EMFILE',
    new Error('x', { cause: null }),
  ])
    expect(exhaustionOf(one)).toBeUndefined();
});
