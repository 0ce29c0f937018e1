// What shells complete, and that help and completion are of one table: bash by itself, zsh and fish where they are installed.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { COMMANDS, FIRST_WORDS, HELP, OPTIONS, optionsOf, VERBS } from '../../../lib/cli/command-table.js';
import { completionScript } from '../../../lib/cli/completion.js';
import { helpText } from '../../../lib/cli/help.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-completion-'));
afterAll(() => rmSync(folder, { recursive: true }));
const has = (tool: string): boolean => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;

describe('the table', () => {
  test('has each option of each command in the help, and nothing there is in none', () => {
    const text = helpText();
    for (const [command, options] of Object.entries(OPTIONS)) {
      for (const name of Object.keys(options)) {
        const shown = HELP.filter(row => row.command === command).some(
          ({ words = '', options: own = [], about = '' }) =>
            own.includes(name) || `${words} ${about}`.includes(`--${name}`),
        );
        expect(shown || name === 'update', `--${name} of ${command}`).toBe(true);
      }
    }
    const known = new Set(Object.values(OPTIONS).flatMap(options => Object.keys(options)));
    for (const [, name] of text.matchAll(/--([a-z-]+)/g)) {
      expect(known.has(name) || name === 'version' || name === 'help', `--${name}`).toBe(true);
    }
    for (const { command, options = [] } of HELP) {
      for (const name of options) expect(optionsOf(command), `${command} --${name}`).toHaveProperty(name);
    }
  });
  test('options of one name take the same everywhere', () => {
    const seen = new Map<string, string>();
    for (const options of Object.values(OPTIONS)) {
      for (const [name, { type, file, values }] of Object.entries(options) as [
        string,
        ReturnType<typeof optionsOf>[string],
      ][]) {
        const takes = JSON.stringify({ type, file, values });
        expect(seen.get(name) ?? takes, name).toBe(takes);
        seen.set(name, takes);
      }
    }
  });
  test('help has lines that fit a terminal, and each command', () => {
    for (const line of helpText().split('\n')) expect(line.length, line).toBeLessThanOrEqual(130);
    for (const command of COMMANDS) expect(helpText()).toContain(`  shardns ${command}`);
  });
});

/** What bash offers for the last of the words. */
function bash(...words: string[]): string[] {
  const script = join(folder, 'completion.bash');
  writeFileSync(script, completionScript('bash'));
  const program =
    'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shardns; printf "%s\\n" "${COMPREPLY[@]}"';
  const output = execFileSync('bash', ['-c', program, 'bash', script, 'shardns', ...words], {
    cwd: folder,
    encoding: 'utf8',
  });
  return output.split('\n').filter(line => line !== '');
}

describe('bash', () => {
  test('completes commands, verbs and shells', () => {
    expect(bash('')).toEqual([...COMMANDS, '--help', '--version']);
    expect(bash('che')).toEqual(['check-config', 'check-zone']);
    expect(bash('ctl', '')).toEqual(Object.keys(VERBS));
    expect(bash('ctl', 'pe')).toEqual(['peek']);
    expect(bash('completion', 'f')).toEqual(['fish']);
    for (const [command, words] of Object.entries(FIRST_WORDS)) expect(bash(command, '')).toEqual(words);
  });
  test('completes the options of a command, and of a verb those that it takes', () => {
    expect(bash('serve', '--me')).toEqual(['--memory', '--metrics']);
    expect(bash('token', 'file', '--')).toEqual(['--scope', '--name', '--help']);
    expect(bash('ctl', 'flush', '--')).toEqual(['--socket', ...VERBS.flush.map(one => `--${one}`), '--help']);
    expect(bash('ctl', 'peek', 'www.example.com', '--t')).toEqual(['--tenant']);
    expect(bash('build', '--')).toEqual(['--help']);
  });
  test('completes values of options: words, files, and nothing where anything may stand', () => {
    writeFileSync(join(folder, 'server.yaml'), '');
    expect(bash('serve', '--policy', 'l')).toEqual(['lru', 'lfu']);
    expect(bash('serve', '--config', 'ser')).toEqual(['server.yaml']);
    expect(bash('serve', '--listen', '')).toEqual([]);
    expect(bash('check-config', 'ser')).toEqual(['server.yaml']);
    expect(bash('token', '--scope', '')).toEqual(['read', 'flush', 'write']);
  });
  test('is a script without faults, and names what is complete', () => {
    const script = join(folder, 'checked.bash');
    writeFileSync(script, completionScript('bash'));
    expect(spawnSync('bash', ['-n', script], { encoding: 'utf8' }).stderr).toBe('');
    const output = execFileSync('bash', ['-c', `set -u; source '${script}'; complete -p shardns`], {
      encoding: 'utf8',
    });
    expect(output).toBe('complete -F _shardns shardns\n');
  });
});

test.skipIf(!has('zsh'))('zsh takes its script', () => {
  const script = join(folder, '_shardns');
  writeFileSync(script, completionScript('zsh'));
  const program = `autoload -Uz compinit && compinit -D -u; source '${script}'; print -r -- $_comps[shardns]`;
  const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', program], {
    encoding: 'utf8',
    env: { ...process.env, HOME: folder },
  });
  expect(stderr).toBe('');
  expect(stdout.trim()).toBe('_shardns');
});

test.skipIf(!has('fish'))('fish completes by its script', () => {
  const script = join(folder, 'shardns.fish');
  writeFileSync(script, completionScript('fish'));
  const fish = (line: string): string[] =>
    execFileSync('fish', ['--no-config', '-c', `source '${script}'; complete -C '${line}'`], {
      encoding: 'utf8',
      cwd: folder,
      env: { ...process.env, HOME: folder },
    })
      .split('\n')
      .map(one => one.split('\t')[0])
      .filter(one => one !== '');
  expect(fish('shardns ')).toEqual([...COMMANDS].sort());
  expect(fish('shardns ctl pe')).toEqual(['peek']);
  expect(fish('shardns serve --policy l').sort()).toEqual(['lfu', 'lru']);
});

test.each([
  [[], 'got nothing'],
  [['tcsh'], 'got "tcsh"'],
  [['bash', 'zsh'], 'got "bash" "zsh"'],
])('completion %j is refused', (args, what) => {
  const { status, stderr } = spawnSync(process.execPath, ['dist/cli/main.js', 'completion', ...args], {
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toContain(`completion: expected one of bash, zsh, fish, ${what}`);
});

test('the command prints what the table makes', () => {
  const output = execFileSync(process.execPath, ['dist/cli/main.js', 'completion', 'bash'], { encoding: 'utf8' });
  expect(output).toBe(completionScript('bash'));
});
