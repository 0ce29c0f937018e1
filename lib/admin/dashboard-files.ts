// The files of the dashboard: all of them read once, into memory; no path of a request is ever one of the file system.
//
// Bound: what the package has, some 100 KB.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packageFile } from '../base/package-files.js';
import { Refused } from './api/refused.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

interface Kept {
  readonly type: string;
  readonly etag: string;
  readonly octets: Buffer;
  readonly gzipped: Buffer;
}

let files: ReadonlyMap<string, Kept> | undefined;

function read(): ReadonlyMap<string, Kept> {
  const found = new Map<string, Kept>();
  const folder = packageFile('dist/dashboard');
  if (folder === undefined) return found;
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const octets = readFileSync(join(folder, name));
    const etag = `"${createHash('sha256').update(octets).digest('hex').slice(0, 32)}"`;
    found.set(`/${name}`, { type, etag, octets, gzipped: gzipSync(octets, { level: 9 }) });
  }
  return found;
}

/** @throws {Refused} 404 */
export function sendFile(path: string, { headers }: IncomingMessage, response: ServerResponse): void {
  files ??= read();
  const kept = files.get(path === '/' ? '/index.html' : path);
  if (kept === undefined) {
    const text = files.size === 0 ? 'this package was built without its dashboard' : `there is no ${path}`;
    throw new Refused(404, 'ERR_SHARDNS_OPTION', text);
  }
  // Asked again each time: what a new version serves is never mixed with what the old one did.
  const common = { 'content-type': kept.type, etag: kept.etag, 'cache-control': 'no-cache', vary: 'accept-encoding' };
  if (headers['if-none-match'] === kept.etag) response.writeHead(304, common).end();
  else if (/\bgzip\b/.test(String(headers['accept-encoding'] ?? ''))) {
    response.writeHead(200, { ...common, 'content-encoding': 'gzip' }).end(kept.gzipped);
  } else response.writeHead(200, common).end(kept.octets);
}
