// The package's declarations as a program of strict settings reads them: all that its entries reach is checked, as tsc
// does without `skipLibCheck`. Where the library itself is compiled, `exactOptionalPropertyTypes` is off.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
  "import { ByteCache, type ByteCacheOptions } from 'shardns';",
  'interface User { name: string }',
  'declare function find(id: string): Promise<User>;',
  'declare function read(id: Uint8Array): User;',
  'declare const given: { ttlMs: number | undefined; tags: string[] | undefined; signal: AbortSignal | undefined };',
  "const users = ByteCache.create<User>({ codec: 'json', redis: { url: 'redis://127.0.0.1', leaseMs: undefined } });",
  "export const user: Promise<User> = users.fetch('42', find, given);",
  "export const more = users.fetch(Buffer.from('42'), read, { ttlMs: ({ name }) => name.length });",
  'export const any = (id: string | Uint8Array) => users.fetch(id, (key, context) => {',
  '  context.ttlMs = given.ttlMs;',
  '  return { name: `${String(key)} before ${context.stale?.name}` };',
  '});',
  "users.set('42', { name: 'Eva' }, { ttlMs: given.ttlMs, tags: given.tags });",
  "users.on('user.updated', (id: string) => ({ keys: [id], tags: given.tags }));",
  "users.namespace<string>('names', { codec: 'utf8', ttlMs: given.ttlMs }).set('42', 'Eva');",
  'export const options: ByteCacheOptions<User> = {',
  '  writer: { write: async batch => { for (const { key, value } of batch) console.log(key, value?.name); } },',
  '};',
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

test('the snippets of the README and of docs/ are what the types allow', () => {
  for (const name of ['undici', '@grpc']) {
    symlinkSync(join(process.cwd(), 'node_modules', name), join(folder, 'node_modules', name));
  }
  const pages = ['README.md', ...readdirSync('docs').map(name => join('docs', name))];
  const files = pages.flatMap((page, at) =>
    [...readFileSync(page, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code], i) =>
      file(`snippet-${at}-${i}.ts`, [`// ${page}`, code, 'export {};']),
    ),
  );
  const { NodeNext } = ts.ModuleKind;
  const lib = ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'];
  const options = { module: NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, lib, skipLibCheck: true };
  expect(problems(files, options)).toEqual([]);
});
