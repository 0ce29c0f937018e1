// Lists at https URLs, as files beside each other in one folder: downloaded when they are due, only if they have changed
// (ETag, RFC 9110 section 8.8.3), and put in the place of the copy before as a whole. What cannot be had leaves that copy,
// also over a restart, and is tried again soon. Whoever reads the files sees that they have changed.
//
// Bounds: MAX_BYTES a list, MAX_REDIRECTS redirects to other https URLs, TIMEOUT_MS without an octet and TOTAL_MS in all,
// one download at a time.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';

const MAX_BYTES = 512 * 2 ** 20;
const MAX_REDIRECTS = 5;
const TIMEOUT_MS = 30_000;
const TOTAL_MS = 600_000;
const RETRY_MS = 60_000;

export interface Download {
  /** For the log. */
  name: string;
  url: string;
  /** Of the only content that is taken, in hexadecimal digits. */
  sha256?: string;
}

export const isUrl = (source: string): boolean => source.startsWith('https://');

/** Where the copy of a URL lies. */
export function copyOf(folder: string, url: string): string {
  return join(folder, `${createHash('sha256').update(url).digest('hex').slice(0, 32)}.list`);
}

export class ListDownloads {
  #downloads: readonly Download[] = [];
  #folder = '';
  #everyMs = 0;
  #timer: Timer | undefined;
  #closed = new AbortController();
  /** Downloads that failed, since ever. */
  failures = 0;

  /** @param options of every request, such as the certificates that are trusted */
  constructor(
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly options: RequestOptions = {},
  ) {}

  /** From now on these; what is due of them is had at once, beside the caller. */
  use(downloads: readonly Download[], { folder, refreshSeconds }: { folder?: string; refreshSeconds: number }): void {
    this.#timer?.cancel();
    this.#downloads = folder === undefined ? [] : downloads;
    this.#folder = folder ?? '';
    this.#everyMs = refreshSeconds * 1000;
    this.#later(0);
  }

  close(): void {
    this.#timer?.cancel();
    this.#closed.abort();
    this.#downloads = [];
  }

  #later(delayMs: number): void {
    if (this.#downloads.length === 0 || this.#closed.signal.aborted) return;
    this.#timer = this.clock.after(delayMs, () => {
      const downloads = this.#downloads;
      void this.refresh().then(nextMs => {
        if (downloads === this.#downloads) this.#later(nextMs);
      });
    });
  }

  /** Downloads what is due; what the timer does. Never rejects. @returns after how many milliseconds something is due again */
  async refresh(): Promise<number> {
    let next = this.#everyMs;
    const downloads = this.#downloads;
    for (const one of downloads) {
      if (this.#downloads !== downloads) break;
      const path = copyOf(this.#folder, one.url);
      try {
        const age = await ageOf(path);
        const leftMs = this.#everyMs - age;
        if (leftMs > 0) {
          next = Math.min(next, leftMs);
          continue;
        }
        await mkdir(this.#folder, { recursive: true, mode: 0o700 });
        const changed = await this.#fetch(one, path);
        this.log.info({ list: one.name, changed }, 'a list was downloaded');
      } catch (error) {
        if (this.#closed.signal.aborted) break;
        this.failures++;
        next = Math.min(next, RETRY_MS);
        this.log.warn(
          { list: one.name, reason: (error as Error).message },
          'a list cannot be downloaded; the copy before stays',
        );
      }
    }
    return Math.max(next, 1000);
  }

  /** @returns whether it has changed */
  async #fetch({ url, sha256 }: Download, path: string): Promise<boolean> {
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(TOTAL_MS)]);
    const etag = await readFile(`${path}.etag`, 'utf8').catch(() => '');
    const known = etag !== '' && (await ageOf(path)) !== Infinity;
    const response = await this.#get(new URL(url), known ? { 'if-none-match': etag } : {}, signal);
    const next = `${path}.new`;
    try {
      if (response.statusCode === 304) {
        const now = new Date();
        await utimes(path, now, now);
        return false;
      }
      if (response.statusCode !== 200) throw new Error(`${url}: status ${response.statusCode}`);
      const hash = createHash('sha256');
      let octets = 0;
      const counted = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          octets += chunk.length;
          hash.update(chunk);
          done(octets > MAX_BYTES ? new Error(`${url}: more than ${MAX_BYTES} octets`) : null, chunk);
        },
      });
      await pipeline(response, counted, createWriteStream(next, { mode: 0o600 }), { signal });
      const digest = hash.digest('hex');
      if (sha256 !== undefined && digest !== sha256.toLowerCase()) {
        throw new Error(`${url}: expected the SHA-256 ${sha256}, got ${digest}`);
      }
      await rename(next, path);
      await writeFile(`${path}.etag`, response.headers.etag ?? '', { mode: 0o600 });
      return true;
    } finally {
      response.destroy();
      await rm(next, { force: true });
    }
  }

  async #get(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> {
    for (let redirects = 0; ; redirects++) {
      if (url.protocol !== 'https:') throw new Error(`${url.href}: leads away from https`);
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const asking = request(url, { ...this.options, headers, signal, timeout: TIMEOUT_MS }, resolve);
        asking.on('timeout', () => asking.destroy(new Error(`${url.href}: nothing for ${TIMEOUT_MS / 1000} s`)));
        asking.on('error', reject);
        asking.end();
      });
      const { statusCode = 0, headers: its } = response;
      if (![301, 302, 303, 307, 308].includes(statusCode) || its.location === undefined) return response;
      response.destroy();
      if (redirects === MAX_REDIRECTS) throw new Error(`${url.href}: more than ${MAX_REDIRECTS} redirects`);
      url = new URL(its.location, url);
    }
  }
}

/** Milliseconds since it was downloaded or found unchanged; Infinity where there is none. */
async function ageOf(path: string): Promise<number> {
  const stats = await stat(path).catch(() => undefined);
  return stats === undefined ? Infinity : Math.max(0, Date.now() - stats.mtimeMs);
}
