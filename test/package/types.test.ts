// The package's declarations as a program of strict settings reads them: all that its entries reach is checked, as tsc
// does without `skipLibCheck`. Where the library itself is compiled, `exactOptionalPropertyTypes` is off.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'shardns-types-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
symlinkSync(process.cwd(), join(folder, 'node_modules/shardns'));
symlinkSync(join(process.cwd(), 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'));
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
const file = (name: string, lines: string[]): string => {
  writeFileSync(join(folder, name), lines.join('\n'));
  return join(folder, name);
};

const STRICTEST: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  noPropertyAccessFromIndexSignature: true,
  skipLibCheck: false,
  noEmit: true,
  target: ts.ScriptTarget.ES2023,
  types: ['node'],
  typeRoots: [join(folder, 'node_modules/@types')],
};
function problems(files: string[], options: ts.CompilerOptions): string[] {
  const program = ts.createProgram(files, { ...STRICTEST, ...options });
  return ts.getPreEmitDiagnostics(program).map(({ file: at, messageText }) => {
    const text = ts.flattenDiagnosticMessageText(messageText, '\n');
    return `${at?.fileName ?? ''}: ${text}`;
  });
}

const ENTRIES = ['shardns', 'shardns/lookup', 'shardns/dnssec', 'shardns/discovery'];
const imported = ENTRIES.map((entry, i) => `import * as e${i} from '${entry}'; void e${i};`);
const required = ENTRIES.map((entry, i) => `import e${i} = require('${entry}'); void e${i};`);
const used = [
  "import { CachedLookup, createServer } from 'shardns';",
  "using lookup = new CachedLookup({ servers: ['192.0.2.1'], timeoutMs: 500 });",
  'void lookup;',
  'export const server = createServer({',
  "  upstreams: { default: ['192.0.2.1'] },",
  "  onQuery: query => (query.client === undefined ? undefined : { refuse: 'REFUSED' }),",
  '});',
];

test('its types hold under strict, exactOptionalPropertyTypes and without skipLibCheck, imported or required', () => {
  const files = [file('imported.ts', [...imported, ...used]), file('required.cts', required)];
  const lib = ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'];
  const { NodeNext } = ts.ModuleKind;
  expect(problems(files, { module: NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, lib })).toEqual([]);
});

test('so they do in a bundler’s project', () => {
  const { ESNext } = ts.ModuleKind;
  const options = { module: ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, lib: ['lib.es2023.d.ts'] };
  expect(problems([file('bundled.ts', imported)], options)).toEqual([]);
});
