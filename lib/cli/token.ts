// `shardns token`: draws a token for the control API. It is shown once; the file gets its hash only.
import { appendFileSync, existsSync, lstatSync, openSync, closeSync } from 'node:fs';
import { optionError, ShardnsError, show } from '../base/errors.js';
import { systemRandom } from '../base/random.js';
import { drawSecret, hashOf, readTokens, TOKEN_SCOPES } from '../admin/tokens.js';
import { say } from './say.js';

/**
 * @returns the exit status
 * @throws {ShardnsError} ERR_SHARDNS_OPTION; ERR_SHARDNS_FILE for a file that others may read or that has other lines
 */
export async function drawToken(path: string, scope: string, name?: string): Promise<number> {
  if (!(TOKEN_SCOPES as readonly string[]).includes(scope)) {
    throw optionError('--scope', scope, TOKEN_SCOPES.join(', '));
  }
  if (name !== undefined && !/^[\x21-\x7e]{1,64}$/.test(name)) {
    throw optionError('--name', name, '1 to 64 visible ASCII characters');
  }
  if (existsSync(path) && lstatSync(path).size > 0) readTokens(path);
  const token = drawSecret(systemRandom);
  try {
    // Made for its owner alone, whatever the umask.
    closeSync(openSync(path, 'a', 0o600));
    appendFileSync(path, `${scope}  ${hashOf(token).toString('hex')}${name === undefined ? '' : `  ${name}`}\n`);
  } catch (cause) {
    throw new ShardnsError('ERR_SHARDNS_FILE', `${show(path)}: cannot be written: ${(cause as Error).message}`, {
      cause,
    });
  }
  await say(`${token}\n`);
  return 0;
}
