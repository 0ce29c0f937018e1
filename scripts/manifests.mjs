// Writes deploy/kubernetes/*.yaml, for those without Helm, from the chart and the values beside them; `--check` fails where they
// differ.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { renderChart } from './chart.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'deploy', 'kubernetes');
const SUFFIX = '.values.yaml';

for (const file of readdirSync(folder).filter(name => name.endsWith(SUFFIX))) {
  const values = parse(readFileSync(join(folder, file), 'utf8'));
  const release = { name: 'shardns', namespace: 'shardns', service: 'kubectl', values };
  const objects = Object.values(renderChart(join(root, 'deploy', 'helm', 'shardns'), release));
  const head = `# Written by \`npm run manifests\` from deploy/helm/shardns and ${file}: change it there.\n`;
  const text = head + objects.join('---\n');
  const path = join(folder, file.replace(SUFFIX, '.yaml'));
  if (!process.argv.includes('--check')) writeFileSync(path, text);
  else if (readFileSync(path, 'utf8') !== text) {
    console.error(`${path} is not what the chart gives: npm run manifests`);
    process.exitCode = 1;
  }
}
