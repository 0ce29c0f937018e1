// Asks for names ahead and leaves the answers in S3; a schedule calls it.
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'shardns';

const read = name => {
  const file = new URL(name, import.meta.url);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
};

/** @param event { names }, or nothing: then those of names.txt, a line each */
export async function handler(event = {}) {
  const names = event.names ?? (read('names.txt') ?? '').split('\n').filter(line => line.trim() !== '');
  const [, bucket, prefix] = /^s3:\/\/([^/]+)\/(.+)$/.exec(process.env.TO ?? '') ?? [];
  if (bucket === undefined) throw new Error('TO: expected s3://BUCKET/PREFIX');
  const failures = [];
  const quiet = () => {};
  const log = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: ({ reason }, message) => failures.push(`${message}: ${reason}`),
  };
  const options = {
    upstreams: ['9.9.9.9'],
    ...JSON.parse(read('options.json') ?? '{}'),
    listen: ['127.0.0.1:0'],
    control: false,
    snapshot: { s3: { bucket, prefix }, intervalSeconds: 0 },
  };
  const server = await createServer(options, { log });
  let warmed;
  try {
    warmed = await server.warm(names, { perSecond: Number(process.env.PER_SECOND ?? 200) });
  } finally {
    await server.close(); // saves and sends
  }
  if (failures.length > 0) throw new Error(failures.join('; '));
  return warmed;
}
