// What a command was asked to tell, on standard output. (The log has a destination of its own: log-destination.ts.)
import type { Writable } from 'node:stream';
import { ShardnsError } from '../base/errors.js';

/**
 * Writes, and waits until it was taken: a command reads no faster than whoever reads it does.
 * @returns false when nobody reads any more, as behind `| head`: that is no failure, and nothing more is wanted
 * @throws {ShardnsError} ERR_SHARDNS_FILE for what the disk has no room for
 */
export function say(text: string, output: Writable = process.stdout): Promise<boolean> {
  return new Promise((resolve, reject) => {
    output.write(text, cause => {
      if (cause === null || cause === undefined) resolve(true);
      else if ((cause as NodeJS.ErrnoException).code === 'EPIPE') resolve(false);
      else reject(new ShardnsError('ERR_SHARDNS_FILE', `standard output: ${cause.message}`, { cause }));
    });
  });
}
