// `shardns build`: compiles the addon where no prebuilt one fits, with node-gyp.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** By its exact version: what it downloads and runs does not change by itself. For every Node that is supported. */
const NODE_GYP = 'node-gyp@12.0.0';

/** @returns the exit code */
export function build(): number {
  const folder = fileURLToPath(new URL('../..', import.meta.url));
  const node = dirname(dirname(process.execPath));
  // Headers that came with this Node need not be fetched.
  const headers = existsSync(join(node, 'include/node/node_api.h')) ? [`--nodedir=${node}`] : [];
  const { status, error } = spawnSync(
    'npm',
    ['exec', '--yes', `--package=${NODE_GYP}`, '--', 'node-gyp', 'rebuild', ...headers],
    {
      cwd: folder,
      stdio: 'inherit',
    },
  );
  if (error !== undefined) {
    process.stderr.write(`shardns: npm could not be run: ${error.message}\n`);
    return 1;
  }
  if (status !== 0) {
    process.stderr.write(
      `shardns: the addon was not built in ${folder}: it needs a C++20 compiler, make and Python 3\n`,
    );
  }
  return status ?? 1;
}
