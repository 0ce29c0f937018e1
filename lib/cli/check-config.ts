// `shardns check-config`: whether a configuration file is good, what is wrong where, and which of the files that it names
// are of no use here: certificates, lists, zones. The last are warnings: a configuration may be checked on another machine,
// and by another user.
import { closeSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { systemClock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import { silentLogger } from '../base/log.js';
import { openRegularFile } from '../base/regular-file.js';
import { Certificates } from '../server/certificates.js';
import { contradictions } from '../server/settings/contradictions.js';
import { readOptions, type ServerOptions } from '../server/settings/settings.js';
import { encodeName, foldName } from '../wire/name.js';
import { loadZoneFile } from '../zone/load-zone.js';
import { problemText } from '../zone/zone-file.js';
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

/** What is wrong first with a zone file that cannot be served; `check-zone` has the rest. */
function checkZoneAt(file: string, name: string): void {
  const { zone, problems } = loadZoneFile(file, { apex: foldName(encodeName(name)) });
  const first = problems.find(one => one.severity === 'error');
  if (zone === undefined && first !== undefined) throw new ShardnsError('ERR_SHARDNS_FILE', problemText(first));
}

/** What `serve` would end with, or not serve: certificates, keys, lists and zones, as these files are now. */
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
  for (const [i, { name, file }] of settings.zones.entries()) {
    if (file !== undefined) attempt(`zones[${i}].file`, () => checkZoneAt(file, name));
  }
  return found;
}
