// Where the command begins: signals first, then what it does.
import { signals } from './signals.js';

if (process.argv[2] === 'serve') signals.take();
// A reader that has gone, or a full disk, is no reason to end: what is served matters more than what is said.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
await import('./commands.js');
