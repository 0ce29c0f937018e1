// `shardns check-config`: whether a configuration file is good, what is wrong where, and which of the files that it names
// are of no use here. The last are warnings: a configuration may be checked on another machine, and by another user.
import { closeSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { systemClock } from '../base/clock.js';
import { silentLogger } from '../base/log.js';
import { openRegularFile } from '../base/regular-file.js';
import { Certificates } from '../server/certificates.js';
import { contradictions } from '../server/settings/contradictions.js';
import { readOptions, type ServerOptions } from '../server/settings/settings.js';
import { checkConfig, readConfigText } from './config.js';
import { say } from './say.js';

/** @returns the exit code */
export async function checkFile(path: string): Promise<number> {
  let text: string;
  try {
    text = readConfigText(path);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 1;
  }
  const result = checkConfig(text);
  if ('options' in result) {
    const { options } = result;
    const now = systemClock.wallSeconds();
    for (const one of [...contradictions(options, { now }), ...uselessFiles(options)])
      process.stderr.write(`${path}: warning: ${one}\n`);
    await say(`${path}: good\n`);
    return 0;
  }
  for (const problem of result.problems) process.stderr.write(`${path}:${problem.line}: ${problem.text}\n`);
  return 1;
}

/** What `serve` would end with: certificates, keys and lists, as these files are now. */
function uselessFiles(options: ServerOptions): string[] {
  const settings = readOptions(options);
  const found: string[] = [];
  const attempt = (option: string, use: () => void): void => {
    try {
      use();
    } catch (error) {
      found.push(`${option}: ${(error as Error).message}`);
    }
  };
  attempt('tls', () => new Certificates(systemClock, silentLogger).prepare(settings).discard());
  for (const [i, { source }] of settings.lists.entries()) {
    // Of a URL there is a copy, or will be.
    if (isAbsolute(source)) attempt(`lists[${i}].source`, () => closeSync(openRegularFile(source).fd));
  }
  return found;
}
