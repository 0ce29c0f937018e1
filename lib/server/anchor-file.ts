// The file in which trust anchors that follow their zones keep their state (RFC 5011). Read as if a stranger had written it,
// since it decides what is believed; written beside its place, synced and moved there, so that at any time it is the state of
// before or the new one, whatever becomes of the process or the machine.
//
// Bound: MAX_BYTES, above what the text's own bounds allow.
import { accessSync, constants, realpathSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ShardnsError } from '../base/errors.js';
import { readRegularFile } from '../base/regular-file.js';
import { anchorText, readAnchorText } from '../dnssec/anchor-text.js';
import type { FollowedZone } from '../dnssec/anchor-zone.js';

const MAX_BYTES = 16 * 2 ** 20;

/**
 * The states that the file holds; undefined where there is no file, as at the first start.
 * @throws {ShardnsError} ERR_SHARDNS_FILE naming the path and what is wrong: it cannot be read, others may write to it, or it
 * is not what it should be
 */
export function readAnchorFile(path: string): FollowedZone[] | undefined {
  let file;
  try {
    file = readRegularFile(path, MAX_BYTES);
  } catch (error) {
    if (((error as Error).cause as { code?: string } | undefined)?.code === 'ENOENT') return undefined;
    throw error;
  }
  const { text, stats } = file;
  const own = process.getuid?.();
  if (own !== undefined && stats.uid !== BigInt(own) && stats.uid !== 0n)
    throw fileError(path, 'it is of another user');
  if ((stats.mode & 0o022n) !== 0n) throw fileError(path, 'others may write to it: chmod go-w');
  try {
    return readAnchorText(text);
  } catch (cause) {
    throw fileError(path, (cause as Error).message, cause);
  }
}

/** @throws {ShardnsError} ERR_SHARDNS_FILE naming the path; what was there before is there still */
export async function writeAnchorFile(path: string, zones: readonly FollowedZone[]): Promise<void> {
  try {
    const place = placeOf(path);
    const next = join(dirname(place), `.${basename(place)}.new`);
    // What a process left that ended while it wrote; whoever has put something else there is not written through.
    await rm(next, { force: true });
    try {
      const file = await open(next, 'wx', 0o644);
      try {
        await file.writeFile(anchorText(zones));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(next, place);
    } catch (error) {
      await rm(next, { force: true });
      throw error;
    }
    const folder = await open(dirname(place), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (cause) {
    throw fileError(path, `cannot be written: ${(cause as Error).message}`, cause);
  }
}

/** Why the file cannot be written, as far as that is known beforehand. */
export function whyNotWritten(path: string): string | undefined {
  try {
    accessSync(dirname(placeOf(path)), constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Where a link leads to: the link stays. */
function placeOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function fileError(path: string, what: string, cause?: unknown): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_FILE', `${path}: ${what}`, { cause });
}
