// Joins what the package's entries load into a few files, in place of those that the compiler made of each module. Node
// opens, reads and links module files one by one: 110 of them are three quarters of what a program pays for an import.
//
// Only the entries: the command and worker threads load the modules as they are.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
rmSync(join(dist, 'bundle'), { recursive: true, force: true });
const bundle = await rolldown({
  input: {
    index: join(dist, 'index.js'),
    'node/index': join(dist, 'node/index.js'),
    'dnssec/index': join(dist, 'dnssec/index.js'),
  },
  // The package's dependencies stay what their users install; so do its binary and its worker threads.
  external: /^[^./]/,
  platform: 'node',
});
await bundle.write({
  dir: dist,
  format: 'esm',
  entryFileNames: '[name].js',
  // One folder deep, as the modules are: what they name relative to themselves is where they look for it.
  chunkFileNames: 'bundle/[name].js',
  // A third of the text, which V8 reads and keeps; the compiler's own files have them.
  comments: { legal: false, annotation: false, jsdoc: false },
});
await bundle.close();
