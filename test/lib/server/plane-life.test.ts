// The end of a native plane that nobody closed.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const PROGRAM = `
import { setTimeout } from 'node:timers/promises';
import { binding } from './dist/native/binding.js';
const freed = new Set();
const registry = new FinalizationRegistry(name => freed.add(name));
const options = {
  endpoints: ['127.0.0.1', 0], threads: 1, pin: 0, flights: 16, waiters: 16, clientFlights: 16, clientWaiters: 16,
  receiveBufferBytes: 65_536,
};
(() => {
  const cache = binding().createCache({ memoryBytes: 2 ** 20, shards: 1, policy: 0, averageEntryBytes: 184, seedHigh: 1, seedLow: 2, configurationHigh: 0, configurationLow: 0 });
  const gate = binding().createGate({ seedHigh: 1, seedLow: 2 });
  const plane = binding().createPlane(cache, { ...options, gate }, () => undefined);
  registry.register(gate, 'gate');
  const buffer = new Uint8Array(4096);
  plane.registerDrain(buffer);
  plane.start();
  registry.register(cache, 'cache');
  registry.register(plane, 'plane');
  registry.register(buffer, 'buffer');
})();
for (let i = 0; i < 100 && freed.size < 4; i++) {
  gc();
  await setTimeout(10);
}
console.log([...freed].sort().join(' '));
`;

test('a plane that is collected without close() lets go of its cache and its buffer', async () => {
  const args = ['--expose-gc', '--input-type=module', '-e', PROGRAM];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout.trim()).toBe('buffer cache gate plane');
});
