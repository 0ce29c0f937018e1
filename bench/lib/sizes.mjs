// What is downloaded: the package as npm packs it, and the dashboard as browsers get it (each file gzipped by itself, level 9).
// Not a measurement: the same at each run. The limit of the dashboard is held by test/package/sizes.test.ts.
//
//   node bench/lib/sizes.mjs
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { keep } from '../results.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'dist/dashboard');
const dashboard = Object.fromEntries(
  readdirSync(folder)
    .filter(name => /\.(?:html|js|css|svg)$/.test(name))
    .map(name => {
      const octets = readFileSync(join(folder, name));
      return [name, { octets: octets.length, gzip: gzipSync(octets, { level: 9 }).length }];
    }),
);
const sum = field => Object.values(dashboard).reduce((total, one) => total + one[field], 0);
dashboard['all of it'] = { octets: sum('octets'), gzip: sum('gzip') };

const said = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
  cwd: root,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'ignore'],
  maxBuffer: 1 << 26,
});
const [{ size, unpackedSize, files }] = JSON.parse(said);
const shares = {};
for (const { path, size: octets } of files) {
  const [first] = path.split('/');
  shares[first] = (shares[first] ?? 0) + octets;
}
const largest = Object.fromEntries(
  Object.entries(shares)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 8),
);
const prebuilds = shares.prebuilds !== undefined;

console.table(dashboard);
console.log(`dashboard: ${(dashboard['all of it'].gzip / 1000).toFixed(1)} kB gzipped, limit 75 kB`);
console.table(largest);
console.log(
  `package: ${(size / 1e6).toFixed(2)} MB packed, ${(unpackedSize / 1e6).toFixed(2)} MB unpacked, ${files.length} files` +
    (prebuilds ? '' : '; without binaries, which npm run build:prebuilds makes'),
);
keep('sizes', {
  dashboard,
  package: { packed: size, unpacked: unpackedSize, files: files.length, prebuilds, largest },
});
