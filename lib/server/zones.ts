// The zones of a server: read from their files at the start, when settings change and when it is asked for; served by the
// resolver; what a change makes of answers that were given is forgotten.
//
// Bounds: MAX_ZONES; of a file and of a zone those of load-zone.ts. Large files are read by another thread (zone-thread.ts),
// small ones here, some milliseconds of them at a time.
import type { BigIntStats } from 'node:fs';
import { statSync } from 'node:fs';
import type { Clock } from '../base/clock.js';
import { ShardnsError, show } from '../base/errors.js';
import { firstTranslatedTag } from '../clients/views.js';
import type { Logger } from '../base/log.js';
import { versionOf } from '../base/regular-file.js';
import { Slices } from '../base/slices.js';
import type { Resolver } from '../resolve/resolver.js';
import { encodeName, foldName, nameKey, nameToText } from '../wire/name.js';
import type { NativeAnswers } from '../zone/native-answers.js';
import { OwnZones } from '../resolve/own-zones.js';
import { touchedBy } from '../zone/touched.js';
import { zoneText } from '../zone/zone-text.js';
import { type ZoneChange, ZoneStore } from '../zone/zone-store.js';
import type { Zone } from '../zone/zone.js';
import type { Prepared } from './prepared.js';
import type { ServerSettings } from './settings/settings.js';
import { readZoneAt, type ZoneFileArgs, type ZoneFileResult } from './zone-loading.js';
import { ZoneThread } from './zone-thread.js';
import { type FileZoneSettings, isOfFile, type ZoneSettings } from './settings/zones.js';

/** What is told of a file's problems in the log; all of them by `check`. */
const LOGGED_PROBLEMS = 10;

/** Zones whose new versions take their places in one go; more of them do so a slice at a time. */
const SERVED_AT_ONCE = 100;

export interface ZoneReport {
  readonly name: string;
  readonly type: ZoneSettings['type'];
  readonly file: string;
  readonly views: readonly string[];
  /** Clients, or this server's own recursion. */
  readonly serves: ZoneSettings['serves'];
  /** Of the version that is served; undefined: none is, its names are SERVFAIL, or others'. */
  readonly serial?: number;
  readonly records?: number;
  /** Of memory. */
  readonly octets?: number;
  /** Unix time in seconds of the last load that was good. */
  readonly loadedSeconds?: number;
  /** Why the file as it is now is not served. */
  readonly problem?: string;
}

/** A file that is served, or is to be. */
interface FileZone {
  settings: FileZoneSettings;
  apex: Uint8Array;
  /** Of the apex. */
  key: string;
  /** Of the file, and of those that it includes, when it was read last, whatever came of it. */
  version: string;
  included: readonly string[];
  loaded: Zone | undefined;
  /** What of it was given to be served: what updates have made of that since is not undone by it. */
  given: Zone | undefined;
  loadedSeconds: number | undefined;
  problem: string | undefined;
}

const keyOf = ({ name, file, views, serves }: FileZoneSettings): string =>
  JSON.stringify([name.toLowerCase(), file, views, serves]);

/** Another text where one of them was written, or replaced, or is not there any more. */
const versionsOf = (files: readonly string[]): string =>
  files
    .map(file => {
      const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
      return stats === undefined ? '' : versionOf(stats as BigIntStats);
    })
    .join(' ');

export class Zones {
  readonly served = new OwnZones();
  loads = 0;
  failures = 0;
  /** Resolves when what was committed last is served. */
  serving: Promise<void> = Promise.resolve();
  readonly #thread = new ZoneThread();
  #files = new Map<string, FileZone>();
  #isClosed = false;
  readonly #ofViews = new Map<string, ZoneStore>();

  constructor(
    private readonly resolver: Resolver,
    private readonly parts: {
      clock: Clock;
      log: Logger;
      native?: NativeAnswers;
      /** Zones for this server's own recursion. */
      held: ZoneStore;
    },
  ) {
    parts.native?.follow(this.served.everyone);
    this.served.everyone.onChange(change => this.#forget(change));
  }

  /** Reads all files, in one go: at the start nobody waits. What is broken is told, and refuses nothing else. */
  begin(settings: ServerSettings): void {
    const next = new Map<string, FileZone>();
    for (const one of settings.zones.filter(isOfFile)) {
      next.set(keyOf(one), this.#read(one, undefined, false, readZoneAt) as FileZone);
    }
    this.#commit(next, settings);
    // None is refused for a zone that comes a moment later.
    for (const one of next.values()) this.#serve(one);
  }

  /** Reads files that are new, or have changed since they were read. */
  async prepare(settings: ServerSettings): Promise<Prepared> {
    const next = new Map<string, FileZone>();
    const slices = new Slices(this.parts.clock);
    for (const one of settings.zones.filter(isOfFile)) {
      const key = keyOf(one);
      next.set(key, await this.#read(one, this.#files.get(key), false));
      if (slices.isOver) await slices.next();
    }
    return { commit: () => this.#commit(next, settings), discard: () => {} };
  }

  /** At once where that is not for another thread. */
  #read(
    settings: FileZoneSettings,
    known: FileZone | undefined,
    anyway: boolean,
    read: (args: ZoneFileArgs) => ZoneFileResult | Promise<ZoneFileResult> = args => this.#thread.read(args),
  ): FileZone | Promise<FileZone> {
    const apex = foldName(encodeName(settings.name));
    const { file, makeDigest } = settings;
    let version = '';
    const failed = (error: unknown): FileZone => {
      const problem = error instanceof ShardnsError ? error.message : `${file}: ${(error as Error).message}`;
      return this.#broken({ settings, apex, version, included: [], known, problem, said: [problem] });
    };
    try {
      version = versionsOf([file, ...(known?.included ?? [])]);
      const isAsked = known?.settings.makeDigest === makeDigest;
      if (known !== undefined && known.version === version && isAsked && !anyway) return { ...known, settings };
      const result = read({ file, apex, makeDigest });
      const took = (one: ZoneFileResult): FileZone => this.#took(settings, apex, known, one);
      return result instanceof Promise ? result.then(took).catch(failed) : took(result);
    } catch (error) {
      return failed(error);
    }
  }

  #took(
    settings: FileZoneSettings,
    apex: Uint8Array,
    known: FileZone | undefined,
    { zone, problems, errors, included }: ZoneFileResult,
  ): FileZone {
    const { log, clock } = this.parts;
    const version = versionsOf([settings.file, ...included]);
    this.loads++;
    if (zone === undefined) {
      return this.#broken({ settings, apex, version, included, known, problem: errors[0], said: errors });
    }
    if (problems.length > 0) {
      log.warn({ zone: settings.name, problems: problems.slice(0, LOGGED_PROBLEMS) }, 'a zone is served with doubts');
    }
    const loadedSeconds = clock.wallSeconds();
    // Read again as it was: what is served stays, answers that were made of it too.
    const loaded = known?.loaded !== undefined && known.loaded.isPackedAs(zone) ? known.loaded : zone;
    const { given } = known ?? {};
    return { settings, apex, key: nameKey(apex), version, included, loaded, given, loadedSeconds, problem: undefined };
  }

  close(): void {
    this.#isClosed = true;
    this.#thread.close();
  }

  #broken(one: {
    settings: FileZoneSettings;
    apex: Uint8Array;
    version: string;
    included: readonly string[];
    known: FileZone | undefined;
    problem: string;
    said: readonly string[];
  }): FileZone {
    const { settings, apex, version, included, known, problem } = one;
    this.failures++;
    const what = known?.loaded === undefined ? 'its names are SERVFAIL' : 'the version before is served';
    const problems = one.said.slice(0, LOGGED_PROBLEMS);
    this.parts.log.error({ zone: settings.name, problems }, `a zone file cannot be served: ${what}`);
    const { loaded, given, loadedSeconds } = known ?? {};
    return { settings, apex, key: nameKey(apex), version, included, loaded, given, loadedSeconds, problem };
  }

  #commit(next: Map<string, FileZone>, settings: ServerSettings): void {
    for (const [key, one] of this.#files) {
      if (next.has(key)) continue;
      for (const store of this.#storesOf(one)) store.remove(one.apex);
    }
    this.#files = next;
    // Before those of everybody are served: a view's zone has the first word for its clients.
    this.parts.native?.withhold(tagsWithZones(settings));
    this.serving = this.#serveAll(next);
    const { served, resolver } = this;
    served.views = settings.views.map(({ name }) => this.#ofViews.get(name));
    served.alone = settings.zonesOnly;
    this.#fallBack(settings);
    resolver.zones = settings.zones.length > 0 || settings.zonesOnly ? served : undefined;
  }

  /** What others have said of a zone's names is not to be told where it falls back on them no more. */
  #fallBack({ zones }: ServerSettings): void {
    const before = this.served.fallbacks;
    const apexes = zones.filter(one => one.fallback).map(({ name }) => foldName(encodeName(name)));
    this.served.fallbacks = new Set(apexes.map(apex => nameKey(apex)));
    for (const { apex } of this.served.everyone.suspended()) {
      const key = nameKey(apex);
      if (before.has(key) !== this.served.fallbacks.has(key)) this.resolver.forget({ suffix: apex });
    }
  }

  /** All of them at once where they are few. */
  async #serveAll(files: ReadonlyMap<string, FileZone>): Promise<void> {
    const slices = new Slices(this.parts.clock);
    let served = 0;
    for (const one of files.values()) {
      this.#serve(one);
      if (++served < SERVED_AT_ONCE || !slices.isOver) continue;
      await slices.next();
      // Others are to be served by now.
      if (this.#files !== files || this.#isClosed) return;
    }
  }

  #serve(one: FileZone): void {
    const { apex, key, loaded, given } = one;
    one.given = loaded;
    for (const store of this.#storesOf(one)) {
      if (loaded === undefined) store.suspend(apex, 'broken');
      else if (loaded !== given || store.at(key) === undefined) store.replace(loaded);
    }
  }

  /** What is served of it: its file's version, or what updates have made of that. */
  #servedOf(one: FileZone): Zone | undefined {
    const [store] = this.#storesOf(one);
    return one.loaded && (store?.at(one.key) ?? one.loaded);
  }

  #storesOf({ settings: { views, serves } }: FileZone): ZoneStore[] {
    if (serves === 'recursion') return [this.parts.held];
    if (views.length === 0) return [this.served.everyone];
    return views.map(name => {
      let store = this.#ofViews.get(name);
      if (store === undefined) {
        this.#ofViews.set(name, (store = new ZoneStore()));
        store.onChange(change => this.#forget(change));
      }
      return store;
    });
  }

  #forget({ apex, before, after }: ZoneChange): void {
    const touched = before === undefined || after === undefined ? [{ suffix: apex }] : touchedBy(before, after);
    for (const one of touched) this.resolver.forget(one);
  }

  #named(name: string): FileZone[] {
    const key = nameKey(foldName(encodeName(name)));
    const found = [...this.#files.values()].filter(one => nameKey(one.apex) === key);
    if (found.length > 0) return found;
    throw new ShardnsError('ERR_SHARDNS_OPTION', `zone: expected one that is served from a file, got ${show(name)}`);
  }

  /** What is wrong with the files as they are now; nothing is served of them. */
  async check(name: string): Promise<{ file: string; good: boolean; problems: readonly string[] }[]> {
    const found = [];
    for (const { apex, settings } of this.#named(name)) {
      const { file } = settings;
      const { zone, problems } = await this.#thread.read({ file, apex, makeDigest: false });
      found.push({ file, good: zone !== undefined, problems });
    }
    return found;
  }

  /** Reads files again, whether they have changed or not. @param name by default all */
  async reload(name?: string): Promise<ZoneReport[]> {
    const ones = name === undefined ? [...this.#files.values()] : this.#named(name);
    const reports: ZoneReport[] = [];
    const slices = new Slices(this.parts.clock);
    for (const { settings } of ones) {
      const key = keyOf(settings);
      const known = this.#files.get(key);
      const read = this.#read(settings, known, true);
      const next = read instanceof Promise ? await read : read;
      // Settings may have changed meanwhile, or another one has read it.
      if (this.#files.get(key) === known && known !== undefined) {
        this.#files.set(key, next);
        this.#serve(next);
      }
      reports.push(reportOf(next, this.#servedOf(next)));
      if (slices.isOver) await slices.next();
    }
    return reports;
  }

  /** The zone as a file, in pieces. @param view by default as everybody is told */
  export(name: string, view?: string): Generator<string> {
    const apex = foldName(encodeName(name));
    const store = view === undefined ? this.served.everyone : this.#ofViews.get(view);
    const zone = store?.get(apex) ?? (view === undefined ? this.parts.held.get(apex) : undefined);
    if (zone !== undefined) return zoneText(zone);
    const where = view === undefined ? '' : ` of view ${show(view)}`;
    throw new ShardnsError(
      'ERR_SHARDNS_OPTION',
      `zone: expected one that is served${where}, got ${show(nameToText(apex))}`,
    );
  }

  /** @param most of them */
  report(most = Infinity): ZoneReport[] {
    const reports: ZoneReport[] = [];
    for (const one of this.#files.values()) {
      if (reports.length === most) break;
      reports.push(reportOf(one, this.#servedOf(one)));
    }
    return reports;
  }
  totals(): { zones: number; broken: number; records: number; octets: number; loads: number; failures: number } {
    const totals = { zones: 0, broken: 0, records: 0, octets: 0, loads: this.loads, failures: this.failures };
    for (const one of this.#files.values()) {
      const served = this.#servedOf(one);
      totals.zones++;
      if (one.problem !== undefined) totals.broken++;
      totals.records += served?.recordCount ?? 0;
      totals.octets += served?.octets ?? 0;
    }
    return totals;
  }
}

/** Tags of clients of views that have zones of their own. */
function tagsWithZones({ zones, views }: ServerSettings): number[] {
  const named = new Set(zones.flatMap(one => one.views));
  const first = firstTranslatedTag(views.length);
  return views.flatMap(({ name }, i) => (named.has(name) ? [i + 1, first + i + 1] : []));
}

function reportOf({ settings, loadedSeconds, problem }: FileZone, served: Zone | undefined): ZoneReport {
  const { name, type, file, views, serves } = settings;
  return {
    name,
    type,
    file,
    views,
    serves,
    serial: served?.serial,
    records: served?.recordCount,
    octets: served?.octets,
    loadedSeconds,
    problem,
  };
}
