// Recursion over real sockets: a root, top-level domains and leaves served by nsd, the same questions to Unbound.
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const run = promisify(execFile);
const missing = ['nsd', 'nsd-control', 'unbound', 'ip'].filter(
  tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0,
);
// Its name servers listen on port 53 of addresses that the machine is given for the time.
if (process.getuid?.() !== 0) missing.push('the rights of root');
if (missing.length > 0) {
  if (process.env.CI === 'true') throw new Error(`missing: ${missing.join(', ')}`);
  console.warn(`missing: ${missing.join(', ')}: the end-to-end test of recursion is skipped`);
}

describe.skipIf(missing.length > 0)('recursion over real servers', () => {
  test('a thousand questions have the rcodes and answers that Unbound gives', { timeout: 600_000 }, async () => {
    const { stdout } = await run(process.execPath, ['bench/internet/compare.mjs', '1000', 'unbound'], {
      timeout: 590_000,
    });
    expect(stdout).toMatch(/unbound: 1000 of 1000 the same/);
  });
});
