// Where the files of this package lie that are not linked with its code: the native addon, the code of worker threads.
// They are beside the code, and nowhere else is looked, unless a bundler has moved it: then they are in a copy beside the
// bundle, or in the node_modules of a folder above it, as Node would look for them. Nothing in the environment says where:
// it may be set by those who may not choose what a process runs.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lazy } from './lazy.js';

declare const __filename: string;

/** In CommonJS, as bundlers write it. Not by `typeof`, which webpack answers by itself, with modules too. */
function commonJsFile(): string | undefined {
  try {
    return __filename;
  } catch {
    return undefined;
  }
}

/**
 * Files that may be this code: esbuild leaves no `import.meta` in CommonJS, webpack leaves in it the path on the machine
 * that it ran on, and the program's own file is where bundles mostly are.
 */
const ownFiles = lazy((): readonly string[] => {
  // Written so: that is what transformers to CommonJS know.
  const url = import.meta.url as string | undefined;
  const files = [url?.startsWith('file:') ? fileURLToPath(url) : undefined, commonJsFile(), process.argv[1]];
  return [...new Set(files.filter(file => file !== undefined))];
});

function isPackage(folder: string): boolean {
  let text: string;
  try {
    text = readFileSync(join(folder, 'package.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_ACCESS_DENIED') throw error;
    return false;
  }
  return (JSON.parse(text) as { name?: string }).name === 'shardns';
}

/** The package that this code is in; undefined in a bundle. Modules and the files that they are joined to are two deep. */
const ownPackage = lazy((): string | undefined => {
  const [file] = ownFiles();
  const folder = file === undefined ? undefined : join(dirname(file), '..', '..');
  return folder !== undefined && isPackage(folder) ? folder : undefined;
});

function* installedAbove(file: string): Generator<string> {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    yield join(folder, 'node_modules', 'shardns');
    if (folder === dirname(folder)) return;
  }
}

/** Folders in which files of the package may be, the likeliest first. */
const folders = lazy((): readonly string[] => {
  const own = ownPackage();
  if (own !== undefined) return [own];
  const copies = ownFiles().map(dirname);
  const installed = ownFiles().flatMap(file => [...installedAbove(file)].filter(isPackage));
  return [...new Set([...copies, ...installed])];
});

/** Whether the code is no longer in its package. */
export const isBundled = (): boolean => ownPackage() === undefined;

/**
 * @param names paths in the package, the likeliest first
 * @returns the path of the first of them that is there
 * @throws ERR_ACCESS_DENIED where Node's permission model lets nobody look
 */
export function packageFile(...names: readonly string[]): string | undefined {
  for (const folder of folders()) {
    const found = names.map(name => join(folder, name)).find(path => existsSync(path));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `require` from where this code is. Bundlers do not see it, and leave what is loaded by it where it is. */
export function ownRequire(): NodeJS.Require {
  const { createRequire } = process.getBuiltinModule('node:module');
  return createRequire(ownFiles()[0] ?? process.cwd());
}
