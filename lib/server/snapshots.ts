// A server's cache from start to start, in a file, in S3-compatible storage that instances share, or both: loaded before it
// listens, saved at intervals and at its end.
import { accessSync, constants } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Engine } from '../cache/engine.js';
import type { Configuration } from '../cache/region.js';
import type { S3Options } from '../cache/s3/options.js';
import type { FoundSnapshot, SnapshotStore } from '../cache/s3/snapshot-store.js';
import { loadSnapshot, saveSnapshot } from '../cache/snapshot.js';

export interface SnapshotSettings {
  file?: string;
  s3?: S3Options;
  intervalSeconds: number;
}

/** The same for all who share snapshots. */
export type OpenStore = (s3: S3Options) => Promise<SnapshotStore>;

export interface SnapshotParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly openStore: OpenStore;
  /** Of those who share a place, whether this one sends now. Never rejects. */
  readonly maySend: (seconds: number) => Promise<boolean>;
}

export class Snapshots {
  readonly stats = {
    saves: 0,
    failures: 0,
    entries: 0,
    octets: 0,
    lastSaveSeconds: 0,
    loaded: 0,
    rejected: 0,
    /** To S3-compatible storage. */
    sent: 0,
    sendFailures: 0,
    /** Left to another instance. */
    leftToOthers: 0,
  };
  #settings: SnapshotSettings | undefined;
  #timer: Timer | undefined;
  /** Saves follow one another. */
  #loading: Promise<void> = Promise.resolve();
  #saving: Promise<void> = Promise.resolve();
  #store: { of: S3Options; store: Promise<SnapshotStore> } | undefined;

  constructor(
    private readonly parts: SnapshotParts,
    /** What decides what answers hold: a file of other rules is not loaded. */
    public rules: Configuration,
  ) {}

  /** A missing or unusable snapshot is said and passed over: a server starts without its cache rather than not at all. */
  load(settings: SnapshotSettings | undefined): Promise<void> {
    if (settings !== undefined) this.#loading = this.#load(settings);
    return this.#loading;
  }
  /** Resolves when nothing is read any more. */
  get loaded(): Promise<void> {
    return this.#loading;
  }

  async #load({ file, s3 }: SnapshotSettings): Promise<void> {
    if (s3 !== undefined && (await this.#loadShared(s3, file))) return;
    if (file !== undefined) await this.#loadFile(file, file);
  }

  /** @returns whether anything was loaded, or is not worth it as the file is newer */
  async #loadShared(s3: S3Options, file: string | undefined): Promise<boolean> {
    const { log } = this.parts;
    const passedOver = (at: string, error: Error): void =>
      log.warn({ at, reason: error.message }, 'no snapshot was loaded');
    try {
      const store = await this.#storeOf(s3);
      const found = await store.newest(passedOver);
      if (found === undefined) return false;
      if (file !== undefined && (await savedMs(file)) >= found.manifest.createdMs) return false;
      return await this.#loadFound(store, found);
    } catch (error) {
      passedOver(`s3://${s3.bucket}`, error as Error);
      return false;
    }
  }
  #loadFound(store: SnapshotStore, found: FoundSnapshot): Promise<boolean> {
    return store.withFile(found, path => this.#loadFile(path, found.at + found.manifest.snapshot));
  }

  /** @param name for people */
  async #loadFile(path: string, name: string): Promise<boolean> {
    const { engine, log } = this.parts;
    try {
      const loaded = await loadSnapshot(engine.native, path, { onDamage: 'keep' }, this.rules);
      const { entries, expired, rejected, damaged } = loaded;
      this.stats.loaded = entries;
      this.stats.rejected = rejected;
      log[damaged || rejected > 0 ? 'warn' : 'info'](
        { file: name, entries, expired, rejected, damaged },
        'snapshot loaded',
      );
      return true;
    } catch (error) {
      // At the first start there is none.
      const missing = (error as Error).message.includes('No such file');
      log[missing ? 'info' : 'warn']({ file: name, reason: (error as Error).message }, 'no snapshot was loaded');
      return false;
    }
  }

  #storeOf(s3: S3Options): Promise<SnapshotStore> {
    if (this.#store?.of !== s3) this.#store = { of: s3, store: this.parts.openStore(s3) };
    return this.#store.store;
  }

  /** Other settings take effect at once; undefined = no more saves. */
  use(settings: SnapshotSettings | undefined): void {
    this.#settings = settings;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (settings?.file !== undefined) this.#tellOfFolder(settings.file);
    if (settings !== undefined && settings.intervalSeconds > 0) this.#schedule(settings);
  }

  /** A save makes a file of its own beside the old one: where that cannot be, it is told at once and not after the first interval. */
  #tellOfFolder(file: string): void {
    try {
      accessSync(dirname(file), constants.W_OK | constants.X_OK);
    } catch (error) {
      this.parts.log.warn(
        { file, reason: (error as Error).message },
        'the snapshot cannot be saved: its folder takes no files',
      );
    }
  }

  /** @returns when it is saved, or has failed, which is logged */
  save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  async end(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.save();
  }

  #schedule(settings: SnapshotSettings): void {
    this.#timer = this.parts.clock.after(settings.intervalSeconds * 1000, () => {
      void this.save().then(() => {
        if (this.#timer !== undefined && this.#settings === settings) this.#schedule(settings);
      });
    });
  }

  async #save(): Promise<void> {
    const settings = this.#settings;
    if (settings === undefined) return;
    const { file, s3, intervalSeconds } = settings;
    // What is sent once is not what others send again and again: a warmer's is nobody else's turn.
    const sends = s3 !== undefined && (intervalSeconds === 0 || (await this.parts.maySend(intervalSeconds)));
    if (s3 !== undefined && !sends) this.stats.leftToOthers++;
    if (file !== undefined) {
      const entries = await this.#saveTo(file);
      if (sends && entries !== undefined) await this.#send(s3, file, entries);
    } else if (sends) {
      const { inFolder } = await import('../cache/s3/snapshot-store.js');
      await inFolder(async folder => {
        const path = join(folder, 'snapshot');
        const entries = await this.#saveTo(path);
        if (entries !== undefined) await this.#send(s3, path, entries);
      });
    }
  }

  /** @returns entries; undefined: it could not be saved, which is logged */
  async #saveTo(file: string): Promise<number | undefined> {
    const { engine, clock, log } = this.parts;
    try {
      const { entries, octets } = await saveSnapshot(engine.native, file, this.rules);
      Object.assign(this.stats, { entries, octets, lastSaveSeconds: clock.wallSeconds() });
      this.stats.saves++;
      log.info({ file, entries, octets }, 'snapshot saved');
      return entries;
    } catch (error) {
      this.stats.failures++;
      log.error({ file, reason: (error as Error).message }, 'the snapshot could not be saved');
      return undefined;
    }
  }

  async #send(s3: S3Options, file: string, entries: number): Promise<void> {
    const { log } = this.parts;
    const at = `s3://${s3.bucket}`;
    try {
      const store = await this.#storeOf(s3);
      const isNewest = await store.send(file, { entries, rules: rulesText(this.rules) });
      this.stats.sent++;
      log.info({ at: store.label, entries, isNewest }, 'snapshot sent');
    } catch (error) {
      this.stats.sendFailures++;
      log.error({ at, reason: (error as Error).message }, 'the snapshot could not be sent');
    }
  }
}

/** Unix milliseconds; -Infinity: there is none. */
async function savedMs(file: string): Promise<number> {
  const found = await stat(file).catch(() => undefined);
  return found?.mtimeMs ?? -Infinity;
}

const rulesText = ({ high, low }: Configuration): string =>
  [high, low].map(word => (word >>> 0).toString(16).padStart(8, '0')).join('');
