// A server's cache in a file from start to start: loaded before it listens, saved at intervals and at its end.
import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Engine } from '../cache/engine.js';
import type { Configuration } from '../cache/region.js';
import { loadSnapshot, saveSnapshot } from '../cache/snapshot.js';

export interface SnapshotSettings {
  file: string;
  intervalSeconds: number;
}

export class Snapshots {
  readonly stats = { saves: 0, failures: 0, entries: 0, octets: 0, lastSaveSeconds: 0, loaded: 0, rejected: 0 };
  #settings: SnapshotSettings | undefined;
  #timer: Timer | undefined;
  /** Saves follow one another. */
  #loading: Promise<void> = Promise.resolve();
  #saving: Promise<void> = Promise.resolve();

  constructor(
    private readonly engine: Engine,
    private readonly clock: Clock,
    private readonly log: Logger,
    /** What decides what answers hold: a file of other rules is not loaded. */
    public rules: Configuration,
  ) {}

  /** A missing or unusable file is said and passed over: a server starts without its cache rather than not at all. */
  load(settings: SnapshotSettings | undefined): Promise<void> {
    if (settings !== undefined) this.#loading = this.#load(settings);
    return this.#loading;
  }
  /** Resolves when nothing is read any more. */
  get loaded(): Promise<void> {
    return this.#loading;
  }

  async #load(settings: SnapshotSettings): Promise<void> {
    const { file } = settings;
    try {
      const { entries, expired, rejected, damaged } = await loadSnapshot(
        this.engine.native,
        file,
        { onDamage: 'keep' },
        this.rules,
      );
      this.stats.loaded = entries;
      this.stats.rejected = rejected;
      this.log[damaged || rejected > 0 ? 'warn' : 'info'](
        { file, entries, expired, rejected, damaged },
        'snapshot loaded',
      );
    } catch (error) {
      // At the first start there is none.
      const missing = (error as Error).message.includes('No such file');
      this.log[missing ? 'info' : 'warn']({ file, reason: (error as Error).message }, 'no snapshot was loaded');
    }
  }

  /** Other settings take effect at once; undefined = no more saves. */
  use(settings: SnapshotSettings | undefined): void {
    this.#settings = settings;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (settings !== undefined) this.#tellOfFolder(settings.file);
    if (settings !== undefined && settings.intervalSeconds > 0) this.#schedule(settings);
  }

  /** A save makes a file of its own beside the old one: where that cannot be, it is told at once and not after the first interval. */
  #tellOfFolder(file: string): void {
    try {
      accessSync(dirname(file), constants.W_OK | constants.X_OK);
    } catch (error) {
      this.log.warn(
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
    this.#timer = this.clock.after(settings.intervalSeconds * 1000, () => {
      void this.save().then(() => {
        if (this.#timer !== undefined && this.#settings === settings) this.#schedule(settings);
      });
    });
  }

  async #save(): Promise<void> {
    if (this.#settings === undefined) return;
    const { file } = this.#settings;
    try {
      const { entries, octets } = await saveSnapshot(this.engine.native, file, this.rules);
      Object.assign(this.stats, { entries, octets, lastSaveSeconds: this.clock.wallSeconds() });
      this.stats.saves++;
      this.log.info({ file, entries, octets }, 'snapshot saved');
    } catch (error) {
      this.stats.failures++;
      this.log.error({ file, reason: (error as Error).message }, 'the snapshot could not be saved');
    }
  }
}
