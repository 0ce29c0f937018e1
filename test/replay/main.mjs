// Runs the replayer from its sources: Node 20 does not read TypeScript, vite does.
import { runnerImport } from 'vite';

const { module } = await runnerImport(new URL('main.ts', import.meta.url).pathname);
process.exitCode = await module.main(process.argv.slice(2));
// A scenario may leave promises that never settle; nothing else is open.
process.exit();
