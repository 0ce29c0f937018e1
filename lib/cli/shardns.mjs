#!/usr/bin/env node
// The command of the package. In a checkout that was not built yet, it builds first.
import { existsSync } from 'node:fs';

const built = new URL('../../dist/cli/main.js', import.meta.url);
const setup = new URL('../../.ci/setup.mjs', import.meta.url);
if (existsSync(setup)) await (await import(setup.href)).setUp({});
await import(built.href);
