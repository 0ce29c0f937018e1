// Large zone files are read by a thread of their own: a million records take some seconds, in which no query waits for
// JavaScript. It is begun with the first of them and ends when there are no more; where there is none to be had, as in a
// bundle that has left its code behind, they are read here.
//
// Bounds: one thread, one file at a time.
import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { ShardnsError } from '../base/errors.js';
import { packageFile } from '../base/package-files.js';
import { keyOfNames } from '../zone/packed-nodes.js';
import { type PackedResult, readZoneAt, unpacked, type ZoneFileArgs, type ZoneFileResult } from './zone-loading.js';

/** Smaller ones take less than 20 ms here: 50 MB/s, and what is made of it. */
const SMALL_OCTETS = 131_072;

export interface ZoneThreadData {
  /** Of the hash by which names are found: zones of all threads have it. */
  readonly key: readonly [number, number];
}
export type ToZoneThread = ZoneFileArgs;
export type FromZoneThread = { readonly read: PackedResult } | { readonly failed: string };

interface Asked {
  readonly args: ZoneFileArgs;
  resolve(read: ZoneFileResult): void;
  reject(error: Error): void;
}

export class ZoneThread {
  #worker: Worker | undefined;
  #waiting: Asked[] = [];

  /** @throws {ShardnsError} ERR_SHARDNS_FILE where the file itself cannot be read */
  read(args: ZoneFileArgs): ZoneFileResult | Promise<ZoneFileResult> {
    if (!isLarge(args.file)) return readZoneAt(args);
    if (!this.#isThere()) return readZoneAt(args);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ args, resolve, reject });
      if (this.#waiting.length === 1) this.#ask();
    });
  }

  #isThere(): boolean {
    const code = packageFile('dist/server/zone-worker.js');
    if (this.#worker !== undefined || code === undefined) return this.#worker !== undefined;
    try {
      this.#worker = this.#begin(code);
    } catch {
      // Not allowed (Node's permissions), or no room for one.
    }
    return this.#worker !== undefined;
  }

  close(): void {
    this.#end(new ShardnsError('ERR_SHARDNS_CLOSED', 'the server was closed while a zone file was read'));
  }

  #ask(): void {
    this.#worker!.postMessage(this.#waiting[0].args satisfies ToZoneThread);
  }

  #begin(code: string): Worker {
    const workerData: ZoneThreadData = { key: keyOfNames() };
    const worker = new Worker(code, { workerData });
    const isCurrent = (): boolean => worker === this.#worker;
    worker.on('message', (message: FromZoneThread) => {
      if (isCurrent()) this.#took(message);
    });
    worker.on('error', error => {
      if (isCurrent()) this.#end(error);
    });
    worker.on('exit', () => {
      if (isCurrent())
        this.#end(new ShardnsError('ERR_SHARDNS_INTERNAL', 'the thread that reads zone files has ended'));
    });
    return worker;
  }

  #took(message: FromZoneThread): void {
    const { args, resolve, reject } = this.#waiting.shift()!;
    try {
      if ('failed' in message) throw new ShardnsError('ERR_SHARDNS_FILE', message.failed);
      resolve(unpacked(args.apex, message.read));
    } catch (error) {
      reject(error as Error);
    }
    if (this.#waiting.length > 0) this.#ask();
    else this.#end(undefined);
  }

  #end(error: Error | undefined): void {
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
    for (const { reject } of this.#waiting.splice(0)) reject(error!);
  }
}

function isLarge(file: string): boolean {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats !== undefined && stats.size > SMALL_OCTETS;
}
