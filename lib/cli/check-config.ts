// `shardns check-config`: whether a configuration file is good, and what is wrong where.
import { contradictions } from '../server/settings/contradictions.js';
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
    for (const one of contradictions(result.options, { now: Date.now() / 1000 }))
      process.stderr.write(`${path}: warning: ${one}\n`);
    await say(`${path}: good\n`);
    return 0;
  }
  for (const problem of result.problems) process.stderr.write(`${path}:${problem.line}: ${problem.text}\n`);
  return 1;
}
