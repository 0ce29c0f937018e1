#!/usr/bin/env node
// The command of the package. In a checkout that was not built yet, it builds first.
import { existsSync } from 'node:fs';

// Before anything else is loaded: what SIGHUP and SIGUSR1 ask for is not there yet, and neither may end the start nor open
// Node's inspector. dist/cli/signals.js takes over.
if (process.argv[2] === 'serve') for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2']) process.on(signal, () => {});

const built = new URL('../../dist/cli/main.js', import.meta.url);
const setup = new URL('../../scripts/setup.mjs', import.meta.url);
if (existsSync(setup)) await (await import(setup.href)).setUp({});
await import(built.href);
