// Where raw results go, with what a reader needs to judge them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

export function keep(name, results) {
  const folder = fileURLToPath(new URL('./results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const [cpu] = cpus();
  const record = {
    date: new Date().toISOString(),
    cpu: `${cpu.model}, ${cpus().length} cores`,
    node: process.version,
    ...results,
  };
  writeFileSync(`${folder}${name}.json`, `${JSON.stringify(record, null, 2)}\n`);
  process.stdout.write(`kept in bench/results/${name}.json\n`);
}

export const median = values => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
