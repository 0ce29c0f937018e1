// Response policy zones over real sockets: the same zones in BIND, in Unbound and here, the same questions to all three.
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const run = promisify(execFile);
const missing = ['nsd', 'named', 'unbound', 'ip'].filter(
  tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0,
);
// Its name servers listen on port 53 of addresses that the machine is given for the time.
if (process.getuid?.() !== 0) missing.push('the rights of root');
if (missing.length > 0) {
  if (process.env.CI === 'true') throw new Error(`missing: ${missing.join(', ')}`);
  console.warn(`missing: ${missing.join(', ')}: the end-to-end test of response policy zones is skipped`);
}

describe.skipIf(missing.length > 0)('response policy zones over real servers', () => {
  test('what BIND or Unbound says otherwise is what is known to differ', { timeout: 600_000 }, async () => {
    const compared = run(process.execPath, ['bench/internet/policy-compare.mjs', '250'], { timeout: 590_000 });
    const { stdout } = await compared.catch((error: { stdout: string; stderr: string }) => ({
      stdout: `${error.stdout}${error.stderr}`,
    }));
    expect(stdout).toMatch(/^ +0 {2}not explained$/m);
  });
});
