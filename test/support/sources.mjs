// TypeScript of lib/ and test/support for programs that run outside of vitest (benchmarks, fuzz targets): bundled into
// build/ and loaded, all from one bundle so that each module is there once.
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * @param {string} name of the folder in build/
 * @param {Record<string, string>} inputs files from the project's root, by a name of one's own
 * @returns {Promise<Record<string, any>>} the modules by those names
 */
export async function loadSources(name, inputs) {
  const dir = join(root, 'build', name);
  const bundle = await rolldown({
    input: Object.fromEntries(Object.entries(inputs).map(([key, path]) => [key, join(root, path)])),
    external: /^[^./]/,
    platform: 'node',
    resolve: { extensionAlias: { '.js': ['.ts', '.js'] } },
  });
  await bundle.write({ dir, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' });
  await bundle.close();
  const modules = {};
  for (const key of Object.keys(inputs)) modules[key] = await import(pathToFileURL(join(dir, `${key}.mjs`)).href);
  return modules;
}
