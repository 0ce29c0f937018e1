// `shardns build`: compiles the addon where no prebuilt one fits, with the node-gyp that is part of npm: nothing is
// downloaded to be run, as `npm exec node-gyp` would.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** npm tells where its node-gyp is. */
const COMPILE = 'node "$npm_config_node_gyp" rebuild ${SHARDNS_NODEDIR:+"--nodedir=$SHARDNS_NODEDIR"}';

/** @returns the exit code */
export function build(): number {
  const folder = fileURLToPath(new URL('../..', import.meta.url));
  const node = dirname(dirname(process.execPath));
  // Headers that came with this Node need not be fetched.
  const nodedir = existsSync(join(node, 'include/node/node_api.h')) ? node : '';
  const { status, error } = spawnSync('npm', ['exec', '-c', COMPILE], {
    cwd: folder,
    stdio: 'inherit',
    env: { ...process.env, SHARDNS_NODEDIR: nodedir },
  });
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
