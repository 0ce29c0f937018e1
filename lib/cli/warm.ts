// `shardns warm`: asks for the names of a list or a log, and leaves the answers in S3-compatible storage, from where servers
// begin. A scheduled job or a function runs it, and no server has to.
import pino from 'pino';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createServer } from '../admin/create-server.js';
import { ShardnsError, show } from '../base/errors.js';
import { openRegularFile } from '../base/regular-file.js';
import { parseS3Url } from '../cache/s3/options.js';
import { topNames } from '../resolve/warm.js';
import type { ServerOptions } from '../server/settings/settings.js';
import type { Flags } from './config.js';
import { gatherOptions } from './serve.js';

export interface WarmFlags extends Flags {
  to?: string;
  top?: string;
  'per-second'?: string;
  region?: string;
  endpoint?: string;
}

/**
 * What was sent last is loaded first: of the names asked for again, those whose answers have not ended cost nothing.
 * @param file names or a query log; `-` is standard input
 * @returns 0; 1 where the snapshot could not be sent, which is logged
 * @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_FILE
 */
export async function warmUp(file: string, flags: WarmFlags): Promise<number> {
  const { to, top = '10000', 'per-second': perSecond = '100', region, endpoint, ...others } = flags;
  const s3 = { ...parseS3Url(to ?? ''), region, endpoint };
  const { options } = gatherOptions({ ...others, snapshot: undefined, warm: undefined });
  // Standard output is for the one line that says what was done.
  const log = pino({ level: options.log?.level ?? 'warn' }, pino.destination(2));
  const own: ServerOptions = {
    ...options,
    listen: ['127.0.0.1:0'],
    threads: 1,
    metrics: undefined,
    control: false,
    warm: undefined,
    // What only this process knows is of no use elsewhere.
    snapshot: { s3: { ...options.snapshot?.s3, ...s3 }, intervalSeconds: 0 },
  };
  const names = await namesOf(file, whole('top', top, 1_000_000));
  const server = await createServer(own, { log });
  let warmed;
  try {
    warmed = await server.warm(names, { perSecond: whole('per-second', perSecond, 1_000_000) });
  } finally {
    await server.close();
  }
  const { entries, sent } = server.snapshots.stats;
  const { done, failed } = warmed;
  process.stdout.write(
    `${JSON.stringify({ names: names.length, questions: done, failed, entries, sent: sent > 0, to })}\n`,
  );
  return sent > 0 ? 0 : 1;
}

async function namesOf(file: string, top: number): Promise<{ name: string; type: string }[]> {
  const input = file === '-' ? process.stdin : createReadStream(file, { fd: openRegularFile(file).fd });
  return topNames(createInterface({ input, crlfDelay: Infinity }), top);
}

function whole(name: string, text: string, most: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (number >= 1 && number <= most) return number;
  throw new ShardnsError(
    'ERR_SHARDNS_OPTION',
    `--${name}: expected a whole number from 1 to ${most}, got ${show(text)}`,
  );
}
