// Joins what the package's entries, its command and its worker threads load into a few files, in place of those that the
// compiler made of each module: Node opens, reads and links module files one by one, which is three quarters of what a
// program pays for an import of 110 of them.
//
// Names and lines stay as the compiler writes them, so that stack traces can be read: without them an import of
// `shardns/lookup` would take 1 ms and 0.1 MiB less.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
rmSync(join(dist, 'bundle'), { recursive: true, force: true });
const threads = ['server/recursion-worker', 'server/zone-worker'];
const entries = ['index', 'node/index', 'dnssec/index', 'discovery/index', 'cli/main', ...threads];

/** A file for these modules and all that they load, except what belongs to a group before this one. */
const groups = [
  ['wire', /\/dist\/(wire\/|base\/bounded-map)/],
  ['lookup', /\/dist\/node\/(?!validating|encrypted)/],
  // The entry and the command have it.
  ['discovery', /\/dist\/discovery\/(?!index)/],
  // What those load that share a second level.
  ['fleet', /\/dist\/(cache\/(redis|answers)\/|server\/fleet)/],
  ['cache', /\/dist\/cache\//],
  // What lookups load when the first server is asked over TLS or HTTPS; a server has it too.
  ['encrypted', /\/dist\/node\/encrypted\.js$/],
  // What lookups load when the first of them has to be proven; a server has it too.
  ['validation', /\/dist\/node\/validating\.js$/],
  ['recursion', /\/dist\/server\/recursion\.js$/],
  ['server', /\/dist\/(admin\/create-server|server\/settings\/contradictions)\.js$/],
].map(([name, test], i) => ({ name, test, priority: 100 - i }));

const bundle = await rolldown({
  input: Object.fromEntries(entries.map(name => [name, join(dist, `${name}.js`)])),
  // The package's dependencies stay what their users install; so does its binary.
  external: /^[^./]/,
  platform: 'node',
});
await bundle.write({
  dir: dist,
  format: 'esm',
  entryFileNames: '[name].js',
  // One folder deep, as the modules are: what they name relative to themselves is where they look for it.
  chunkFileNames: 'bundle/[name].js',
  // A third of the text, which V8 reads and keeps; the sources and the declarations have them.
  comments: { legal: false, annotation: false, jsdoc: false },
  codeSplitting: { groups },
});
await bundle.close();
