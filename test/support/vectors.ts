// Where other people's test data lies: SHARDNS_VECTORS, or beside the checkout. Never part of the project.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The folder, or undefined where the data is not at hand; that is said, and an error under CI=true.
 * @param part a collection that must be there
 */
export function vectorsFolder(part: string): string | undefined {
  const folder = process.env.SHARDNS_VECTORS ?? '../shared/vectors';
  if (existsSync(join(folder, part))) return folder;
  if (process.env.CI === 'true') throw new Error(`no test vectors in ${join(folder, part)}: set SHARDNS_VECTORS`);
  console.warn(`no test vectors in ${join(folder, part)}: the tests with them are skipped`);
  return undefined;
}
