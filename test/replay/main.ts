// `npm run replay -- DIR... [--level core|strict] [--only PATTERN] [--json FILE] [--trace]`: a line a scenario, then the totals.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Level } from './matching.js';
import { type Outcome, replay } from './replayer.js';
import { parseScenario } from './scenario.js';

export interface Result extends Outcome {
  file: string;
}

/** Every scenario at or below a path, in the order of their names. */
export function scenarioFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return (readdirSync(path, { recursive: true }) as string[])
    .filter(file => /\.c?rpl$/.test(file))
    .sort()
    .map(file => join(path, file));
}

export async function replayFile(file: string, level: Level, say?: (line: string) => void): Promise<Result> {
  let scenario;
  try {
    scenario = parseScenario(readFileSync(file, 'utf8'));
    // As the project says whose scenarios they are.
    scenario.forwarding = file.includes('/client-cache/');
  } catch (error) {
    return { file, status: 'skip', reason: `not read: ${(error as Error).message}`, asked: 0 };
  }
  return { file, ...(await replay(scenario, level, say)) };
}

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      level: { type: 'string', default: 'core' },
      only: { type: 'string' },
      json: { type: 'string' },
      trace: { type: 'boolean' },
    },
  });
  if (positionals.length === 0 || (values.level !== 'core' && values.level !== 'strict')) {
    process.stderr.write('npm run replay -- DIR... [--level core|strict] [--only PATTERN] [--json FILE] [--trace]\n');
    return 2;
  }
  const only = values.only === undefined ? undefined : new RegExp(values.only);
  const results: Result[] = [];
  for (const path of positionals) {
    for (const file of scenarioFiles(path)) {
      if (only !== undefined && !only.test(file)) continue;
      const result = await replayFile(
        file,
        values.level,
        values.trace ? line => process.stdout.write(`${line}\n`) : undefined,
      );
      results.push(result);
      const reason = result.reason === '' ? '' : `: ${result.reason}`;
      process.stdout.write(`${result.status} ${file}${reason}\n`);
    }
  }
  const count = (status: Outcome['status']): number => results.filter(one => one.status === status).length;
  if (values.json !== undefined) {
    const lines = results.map(({ file, status, reason }) => ({ file, status, reason }));
    writeFileSync(values.json, `${JSON.stringify(lines, null, 2)}\n`);
  }
  process.stdout.write(`${count('pass')} passed, ${count('fail')} failed, ${count('skip')} skipped\n`);
  return count('fail') > 0 ? 1 : 0;
}
