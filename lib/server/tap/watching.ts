// Those who watch what is answered, as the settings want them: made, changed and let go of with these.
import { isDeepStrictEqual } from 'node:util';
import { parseMemory } from '../../base/memory.js';
import {
  type DnstapSettings,
  type ObservationSettings,
  parseFrameTarget,
  type QueryLogSettings,
} from '../settings/observation.js';
import type { Prepared } from '../prepared.js';
import { Dnstap } from './dnstap.js';
import { LogFile, type LogFileStats } from './log-file.js';
import { QueryLog } from './query-log.js';
import type { Tap, TapParts, TapReport } from './tap.js';
import { TopLists } from './top-lists.js';

export interface WatchReport {
  readonly tap: TapReport;
  /** Undefined where queries are not logged. */
  readonly queryLog?: {
    /** Kept at present, and logged since the start. */
    readonly entries: number;
    readonly logged: number;
    /** Of the file; all 0 where there is none. */
    readonly file: Readonly<LogFileStats>;
  };
  /** Undefined where it is told to nobody. */
  readonly dnstap?: {
    readonly sent: number;
    readonly dropped: number;
    readonly failures: number;
    /** Somebody takes them at present. */
    readonly isOpen: boolean;
  };
}

export class Watching {
  #log: { readonly watcher: QueryLog; readonly end: () => void } | undefined;
  #top: { readonly watcher: TopLists; readonly end: () => void } | undefined;
  #dnstap: { readonly settings: DnstapSettings; readonly watcher: Dnstap; readonly end: () => void } | undefined;
  readonly #fileStats: LogFileStats = { lines: 0, dropped: 0, failures: 0, rotations: 0 };

  constructor(
    private readonly tap: Tap,
    private readonly parts: TapParts,
  ) {}

  get queryLog(): QueryLog | undefined {
    return this.#log?.watcher;
  }
  get top(): TopLists | undefined {
    return this.#top?.watcher;
  }
  /** Those who watch know what native threads have answered until now. */
  drain(): void {
    this.tap.drain();
  }
  get report(): WatchReport {
    const log = this.#log?.watcher;
    return {
      tap: this.tap.report,
      dnstap: this.#dnstap?.watcher.stats,
      queryLog: log && { entries: log.size, logged: log.logged, file: { ...this.#fileStats } },
    };
  }

  /**
   * Opens the file of the log, if there is one, anew in any case: others may have renamed it.
   * @throws {ShardnsError} ERR_SHARDNS_FILE naming it
   */
  prepare({ tap, queryLog, top, dnstap }: ObservationSettings): Prepared {
    const file = this.#open(queryLog);
    return {
      commit: () => {
        this.tap.use(tap.hitsOneIn);
        this.#useLog(queryLog, file);
        this.#useTop(top);
        this.#useDnstap(dnstap);
      },
      discard: () => void file?.close(),
    };
  }

  /** What is queued for the file is written. Never rejects. */
  async close(): Promise<void> {
    this.tap.close();
    await Promise.all([this.#log?.watcher.file?.close(), this.#dnstap?.watcher.close()]);
  }

  #open({ enabled, file, maxFileSize, keepSize }: QueryLogSettings): LogFile | undefined {
    if (!enabled || file === undefined) return undefined;
    const { clock, log } = this.parts;
    const options = { path: file, maxFileBytes: parseMemory(maxFileSize)!, keepBytes: parseMemory(keepSize)! };
    return new LogFile(options, clock, log, this.#fileStats);
  }

  #useLog(settings: QueryLogSettings, file: LogFile | undefined): void {
    void this.#log?.watcher.file?.close();
    if (!settings.enabled) {
      this.#log?.end();
      this.#log = undefined;
      return;
    }
    if (this.#log === undefined) {
      const watcher = new QueryLog(this.parts.random, this.parts.wallMs);
      this.#log = { watcher, end: this.tap.watch(watcher) };
    }
    this.#log.watcher.file = file;
    this.#log.watcher.use(settings);
  }

  #useTop(settings: ObservationSettings['top']): void {
    if (!settings.enabled) {
      this.#top?.end();
      this.#top = undefined;
      return;
    }
    if (this.#top === undefined) {
      const watcher = new TopLists(this.parts.random, this.parts.clock);
      this.#top = { watcher, end: this.tap.watch(watcher) };
    }
    this.#top.watcher.use(settings);
  }

  /** Another one where anything of it is another. */
  #useDnstap(settings: DnstapSettings | undefined): void {
    const before = this.#dnstap;
    if (isDeepStrictEqual(before?.settings, settings)) return;
    before?.end();
    void before?.watcher.close();
    this.#dnstap = undefined;
    if (settings === undefined) return;
    const { to, identity, clients } = settings;
    const target = parseFrameTarget(to, 'dnstap.to');
    const watcher = new Dnstap({ target, to, identity, version: 'shardns', clients }, this.parts);
    this.#dnstap = { settings, watcher, end: this.tap.watch(watcher) };
  }
}
