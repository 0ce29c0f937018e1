// Checks (or with --write, applies) the format of every C++ file.
import { execFileSync } from 'node:child_process';

const files = execFileSync('git', ['ls-files', '*.cc', '*.h'], { encoding: 'utf8' }).trim().split('\n');
const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '-Werror'];
try {
  execFileSync('clang-format', [...mode, ...files], { stdio: 'inherit' });
} catch (error) {
  if (error.code === 'ENOENT') console.error('clang-format is not installed: the format of C++ is not checked');
  process.exit(error.code === 'ENOENT' && process.env.CI !== 'true' ? 0 : 1);
}
