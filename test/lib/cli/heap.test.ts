// How much V8's heap of the command grows before a full collection.
import { execFile } from 'node:child_process';
import { expect, test } from 'vitest';

// Makes garbage that has lived for a while, as the state of misses that wait for an upstream is, and prints the most
// octets that were on the heap once its first limit, which V8 chooses without knowing, is behind.
const CHURN = `
  const waiting = [];
  const kept = Array.from({ length: 20_000 }, (_, i) => ({ i, octets: Array(20).fill(i) }));
  let most = 0;
  for (let i = 0; i < 6_000_000; i++) {
    waiting[i % 30_000] = { i, then: [i, i + 1, i + 2] };
    if (i > 3_000_000 && i % 1000 === 0) most = Math.max(most, process.memoryUsage().heapUsed);
  }
  console.log(most, kept.length);
`;

const mostOnHeap = (before: string): Promise<number> =>
  new Promise((resolve, reject) =>
    execFile(
      process.execPath,
      [
        '--input-type=module',
        '--max-semi-space-size=1',
        '--single-threaded-gc',
        '--no-incremental-marking',
        '--eval',
        before + CHURN,
      ],
      (error, out) => (error === null ? resolve(parseInt(out)) : reject(error)),
    ),
  );

test('full collections come earlier once the heap is to stay level', async () => {
  const [level, left] = await Promise.all([
    mostOnHeap(`(await import('./dist/cli/heap.js')).levelHeapGrowth();`),
    mostOnHeap(''),
  ]);
  expect(level).toBeGreaterThan(0);
  expect(level).toBeLessThan(left * 0.7);
});
