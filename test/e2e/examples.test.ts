// The programs in examples/ do what they say.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { hasRedis } from '../support/redis-server.js';

const run = promisify(execFile);

/** What each prints. */
const EXAMPLES: Record<string, string[]> = {
  'proxy-with-hooks': ["printer.example [ '192.0.2.7' ]", 'ads.example ENOTFOUND', 'decided 2 of 4'],
  'kubernetes-sidecar': [
    '+ 10-1-0-1.orders.shop.svc.cluster.local:8080 10.1.0.1',
    '+ 10-1-0-3.orders.shop.svc.cluster.local:8080 10.1.0.3',
    '- 10-1-0-1.orders.shop.svc.cluster.local:8080',
  ],
  'worker-threads': ['thread 0: 192.0.2.7', 'thread 2: 192.0.2.7', 'servers were asked 1 time'],
  'cluster-with-file': ['process 0: made by 0', 'process 1: made by 0', 'process 2: made by 0'],
  'fleet-of-processes': [
    'three processes: free, free, free by 1 query',
    'after a change: paid, paid, paid by 1 query',
    'without Redis: Eva',
    'its state: connected false, follows false',
  ],
  'database-cache': ['1000 callers, 1 query: Ada', 'after a change: paid by query 2', 'while it is down: paid'],
};

test('every example is run', () => {
  const programs = readdirSync('examples').filter(name => name.endsWith('.mjs'));
  expect(programs.sort()).toEqual(
    Object.keys(EXAMPLES)
      .map(name => `${name}.mjs`)
      .sort(),
  );
});
test.each(Object.entries(EXAMPLES))(
  '%s',
  async (name, lines) => {
    if (name === 'fleet-of-processes' && !hasRedis) return;
    const { stdout } = await run(process.execPath, [`examples/${name}.mjs`], { timeout: 170_000 });
    for (const line of lines) expect(stdout).toContain(line);
  },
  40_000,
);
