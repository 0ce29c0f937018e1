// Makes dist/dashboard: the page's own modules and those of its libraries in one file, so that it needs neither a build of
// the user's nor another host.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'dist', 'dashboard');
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const bundle = await rolldown({ input: join(root, 'dashboard', 'app.js'), platform: 'browser' });
await bundle.write({ file: join(out, 'app.js'), format: 'esm', minify: true, comments: { legal: true } });
await bundle.close();

copyFileSync(join(root, 'dashboard', 'index.html'), join(out, 'index.html'));
const charts = readFileSync(join(root, 'node_modules', 'uplot', 'dist', 'uPlot.min.css'), 'utf8');
writeFileSync(join(out, 'style.css'), `${charts}\n${readFileSync(join(root, 'dashboard', 'style.css'), 'utf8')}`);
const licences = ['htm', 'preact', 'uplot'].map(
  name => `${name}\n\n${readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8')}`,
);
writeFileSync(join(out, 'licences.txt'), licences.join('\n\n'));
