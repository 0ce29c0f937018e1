// The thread that reads large zone files, where none is to be had.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { encodeName } from '../../../lib/wire/name.js';
import { ZoneThread } from '../../../lib/server/zone-thread.js';

const begun = vi.hoisted(() => ({ count: 0 }));
vi.mock('node:worker_threads', async original => ({
  ...(await original<typeof import('node:worker_threads')>()),
  Worker: class {
    constructor() {
      begun.count++;
      throw new Error('Access to this API has been restricted');
    }
  },
}));

test('files are read here where a thread is not allowed, the second one too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shardns-zone-thread-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'zone');
  const names = Array.from({ length: 10_000 }, (_, i) => `n${i} A 192.0.2.1\n`).join('');
  writeFileSync(
    file,
    `$ORIGIN a.example.\n$TTL 60\n@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n${names}`,
  );
  const thread = new ZoneThread();
  onTestFinished(() => thread.close());
  for (let i = 1; i <= 2; i++) {
    const { zone, errors } = await thread.read({ file, apex: encodeName('a.example'), makeDigest: false });
    expect(errors).toEqual([]);
    expect(zone?.recordCount).toBe(10_003);
    expect(begun.count).toBe(i);
  }
});
