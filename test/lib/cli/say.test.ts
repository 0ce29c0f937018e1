// What a command tells on standard output: no faster than it is read, and quietly no more once nobody reads.
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { say } from '../../../lib/cli/say.js';

type Taken = (error?: Error | null) => void;
function output(write: (text: string, taken: Taken) => void): Writable {
  const stream = new Writable({ write: (chunk: Buffer, _, taken) => write(chunk.toString(), taken) });
  return stream.on('error', () => {});
}
const failing = (code: string): Writable =>
  output((_, taken) => taken(Object.assign(new Error(`write ${code}`), { code })));

test('waits until it was taken', async () => {
  let take: Taken = () => {};
  const stream = output((_, taken) => (take = taken));
  let said: boolean | undefined;
  const saying = say('a line\n', stream).then(wanted => (said = wanted));
  await new Promise(setImmediate);
  expect(said).toBeUndefined();
  take();
  await saying;
  expect(said).toBe(true);
});
test('tells that nobody reads any more', async () => {
  expect(await say('a line\n', failing('EPIPE'))).toBe(false);
});
test('fails where the disk is full', async () => {
  await expect(say('a line\n', failing('ENOSPC'))).rejects.toMatchObject({
    code: 'ERR_SHARDNS_FILE',
    message: 'standard output: write ENOSPC',
  });
});
