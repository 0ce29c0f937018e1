// Whether what was made of some files has to be made anew. Where size and times of every file are those of the last time,
// nothing is read; where they are not, the files' hash decides, so that a checkout or a copy alone builds nothing.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';

/** Times tell that files are as they were: ctime cannot be set back, as mtime is by some copies. */
function timesOf(root, files) {
  const lines = files.map(file => {
    const { size, mtimeMs, ctimeMs, ino } = statSync(file);
    return `${relative(root, file)} ${size} ${mtimeMs} ${ctimeMs} ${ino}`;
  });
  return [process.version, ...lines].join('\n');
}

function hashOf(root, files) {
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256').update(process.version);
  for (const file of files) hash.update(relative(root, file)).update(readFileSync(file));
  return hash.digest('hex');
}

/**
 * Runs `build` unless the inputs, and the version of Node, are the ones of its last run.
 * @param stamp the file that has them: their hash, then their times
 * @param output what has to be there after it
 */
export function whenChanged({ root, inputs, output, stamp }, build) {
  // Taken first: what is written while it is built is built the next time.
  const times = timesOf(root, inputs);
  const last = existsSync(output) && existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  const end = last.indexOf('\n');
  if (end > 0 && last.slice(end + 1) === times) return;
  const hash = hashOf(root, inputs);
  if (last.slice(0, end) !== hash) build();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, `${hash}\n${times}`);
}
