// Where the command begins: signals first, then what it does.
import { exhaustionOf } from '../base/errors.js';
import { signals } from './signals.js';

if (process.argv[2] === 'serve') signals.take();
// A reader that has gone, or a full disk, is no reason to end: what is served matters more than what is said.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
// The parts of it are many files, which Node opens all at the same time.
await import('./commands.js').catch((error: unknown) => {
  const wanting = exhaustionOf(error);
  if (wanting === undefined) throw error;
  process.stderr.write(`shardns: ${wanting}\n`);
  process.exit(1);
});
