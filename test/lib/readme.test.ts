// Every snippet of the README and of docs/ does what it says; the tables are those of the kept results.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { afterAll, describe, expect, test } from 'vitest';
import { checkConfig } from '../../lib/cli/config.js';

const pages = ['README.md', ...readdirSync('docs').map(name => join('docs', name))];
const readme = pages.map(page => readFileSync(page, 'utf8')).join('\n');
const snippets = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, code]) => code);
const folder = mkdtempSync(join(tmpdir(), 'shardns-readme-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('README and docs', () => {
  test.each(snippets('ts').map((code, i) => [i, code] as const))('TypeScript snippet %i runs', async (i, code) => {
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    const path = join(folder, `snippet-${i}.mjs`);
    const url = (file: string): string => `from '${pathToFileURL(join('dist', file)).href}'`;
    const resolved = outputText
      .replace("from 'shardns'", url('index.js'))
      .replace("from 'shardns/dnssec'", url('dnssec/index.js'))
      .replace("from 'shardns/discovery'", url('discovery/index.js'))
      .replace("from '@grpc/grpc-js'", `from '${pathToFileURL('node_modules/@grpc/grpc-js/build/src/index.js').href}'`)
      .replace("from 'undici'", `from '${pathToFileURL('node_modules/undici/index.js').href}'`);
    writeFileSync(path, resolved);
    const output = await new Promise<string>((resolve, reject) =>
      execFile(process.execPath, [path], { timeout: 170_000 }, (error, out) =>
        error === null ? resolve(out) : reject(error),
      ),
    );
    // What a line is said to print stands behind an arrow.
    for (const [, text] of code.matchAll(/\/\/ -> (.*)$/gm)) expect(output).toContain(text.trim());
  });

  test.each(snippets('yaml'))('configuration is good: %#', text => {
    expect(checkConfig(text)).toHaveProperty('options');
  });

  test('each command line in it is one the command knows', () => {
    const lines = snippets('sh')
      .join('')
      .split('\n')
      .filter(line => line.startsWith('npx shardns'));
    expect(lines.length).toBeGreaterThan(0);
    const help = execFileSync(process.execPath, ['dist/cli/main.js', '--help'], { encoding: 'utf8' });
    for (const line of lines) {
      const [, , command, ...args] = line.split(/\s+/);
      expect(help).toContain(`shardns ${command}`);
      for (const flag of args.filter(arg => arg.startsWith('--'))) expect(help).toContain(flag);
    }
  });

  test('docs/options.md and the JSON schema say what the rows of the options say', () => {
    execFileSync(process.execPath, ['scripts/options.mjs', '--check']);
  });

  test('the tables are those of the kept results', () => {
    execFileSync(process.execPath, ['bench/report.mjs', '--check']);
  });
});
