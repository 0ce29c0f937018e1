// The lists of the settings as they are in force: compiled off this thread, published whole, and compiled again when one
// of their files changes. What cannot be read or has too many names is told, and its last good copy stays, or all of before
// where there is none. Beside them what the operator blocks or allows by name, until the server ends.
//
// Bounds: `blocking.maxNames` names, twice while they are replaced; MAX_OVERRIDES names beside them. Files are looked at
// every LOOK_EVERY_MS, and read when two looks in a row have seen the same: not while they are written.
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../base/clock.js';
import { ShardnsError, show } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { ListRules } from '../clients/edge.js';
import { ListAliases } from '../clients/list-aliases.js';
import { compileLists, type ListMatch, type ListReport, type NameLists } from '../clients/lists.js';
import { ServedZones } from '../clients/served-zones.js';
import { holdsAt, hoursText, LocalTime } from '../clients/times.js';
import { encodeName, nameToText } from '../wire/name.js';
import { type CompiledLists, compiledFrom, compileOf, downloadsOf, versionsOf } from './list-compilation.js';
import { ListDownloads } from './list-downloads.js';
import type { Prepared } from './prepared.js';
import { blockedSaysOf, listSetsOf } from './settings/lists.js';
import type { ServerSettings } from './settings/settings.js';

const LOOK_EVERY_MS = 5000;
export const MAX_OVERRIDES = 10_000;
const MAX_PAUSE_MINUTES = 1440;

type Settings = Pick<ServerSettings, 'lists' | 'blocking' | 'views'>;
export type Override = 'block' | 'allow';

/** Why a client is told what it is told of a name. */
export interface ListVerdict {
  /** Name of the list; `block` or `allow` of the operator's own. */
  list: string;
  action: ListMatch['action'];
  line: number;
  records: readonly string[];
}

export class BlockLists {
  #settings: Settings | undefined;
  #compiled: CompiledLists | undefined;
  readonly aliases = new ListAliases();
  /** Made anew at the next look where there is no room for another. */
  readonly servedZones = new ServedZones(() => {
    if (this.#compiled !== undefined) this.#compiled.versions = [];
  });
  #overrides = new Map<string, Override>();
  #overriding: NameLists | undefined;
  #pausedUntilMs = 0;
  #pause: Timer | undefined;
  #look: Timer | undefined;
  #seen: string[] = [];
  #closed = false;
  readonly #downloads: ListDownloads;
  /** When they were put in force, Unix time in seconds; 0: never. */
  #since = 0;
  #failures = 0;
  /** Those that hold at this time of the week, as bits. */
  #holding = ALL;
  #clockLook: Timer | undefined;
  /** To be let go of once others are in force. */
  #replaced: NameLists[] = [];
  /** Compilations and changes of overrides, one after another. */
  #working: Promise<unknown> = Promise.resolve();

  /** @param changed called when other lists are in force than before, outside of a change of settings */
  constructor(
    private readonly random: Random,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly changed: () => void,
  ) {
    this.#downloads = new ListDownloads(clock, log);
  }

  /** What the edge reads; undefined where nothing is listed, or all is paused. */
  get rules(): ListRules | undefined {
    const settings = this.#settings;
    if (settings === undefined || this.pausedSeconds > 0) return undefined;
    const lists = this.#compiled?.names;
    const overrides = this.#overriding;
    if (lists === undefined && overrides === undefined) return undefined;
    this.aliases.ttlSeconds = settings.blocking.ttlSeconds;
    const aliasTags = this.aliases.tagsOf(lists);
    const sets = listSetsOf(settings).sets.map(set => set & this.#holding);
    return { lists, overrides, aliasTags, sets, ...blockedSaysOf(settings) };
  }

  /** Nobody judges by those of before any more. */
  published(): void {
    for (const one of this.#replaced.splice(0)) one.close();
  }

  /** Compiles what is new in these settings. @throws {ShardnsError} ERR_SHARDNS_FILE, ERR_SHARDNS_OPTION naming the list */
  async prepare(settings: Settings): Promise<Prepared> {
    const before = this.#settings;
    const { maxNames, folder, refreshSeconds } = settings.blocking;
    const of = (one: Settings | undefined): unknown => one && [one.lists.map(compiledFrom), one.blocking.folder];
    const same = isDeepStrictEqual(of(before), of(settings)) && before?.blocking.maxNames === maxNames;
    if (same) {
      const commit = (): void => {
        this.#settings = settings;
        this.#lookAtClock();
        if (before.blocking.refreshSeconds !== refreshSeconds)
          this.#downloads.use(downloadsOf(settings), settings.blocking);
      };
      return { commit, discard: () => {} };
    }
    const compiled = settings.lists.length === 0 ? undefined : await this.#queued(() => this.#compile(settings));
    return {
      commit: () => {
        this.#settings = settings;
        this.#lookAtClock();
        this.#use(compiled);
        this.#lookLater();
        this.#downloads.use(downloadsOf(settings), { folder, refreshSeconds });
      },
      discard: () => {
        compiled?.names.close();
        compiled?.files.close();
      },
    };
  }

  close(): void {
    this.#closed = true;
    this.#downloads.close();
    this.#look?.cancel();
    this.#pause?.cancel();
    this.#clockLook?.cancel();
    this.published();
    this.servedZones.use(undefined);
    this.#compiled?.names.close();
    this.#compiled?.files.close();
    this.#overriding?.close();
    this.#compiled = this.#overriding = this.#settings = undefined;
  }

  /** Blocks nothing for so long; 0 ends it. */
  pause(minutes: number): void {
    if (!Number.isFinite(minutes) || minutes < 0 || minutes > MAX_PAUSE_MINUTES) {
      throw new ShardnsError(
        'ERR_SHARDNS_OPTION',
        `minutes: expected a number from 0 to ${MAX_PAUSE_MINUTES}, got ${minutes}`,
      );
    }
    this.#pause?.cancel();
    this.#pausedUntilMs = this.clock.nowMs() + minutes * 60_000;
    if (minutes > 0) {
      this.#pause = this.clock.after(minutes * 60_000, () => {
        this.#pausedUntilMs = 0;
        this.changed();
      });
    }
    this.changed();
  }
  get pausedSeconds(): number {
    return Math.max(0, (this.#pausedUntilMs - this.clock.nowMs()) / 1000);
  }

  /**
   * A name and all below, for everybody, before the lists; undefined takes it back. In force when it resolves.
   * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for what is no name; ERR_SHARDNS_OPTION for one too many
   */
  async override(text: string, says: Override | undefined): Promise<void> {
    const name = nameToText(encodeName(text.toLowerCase()));
    await this.#queued(async () => {
      const next = new Map(this.#overrides);
      if (says === undefined) next.delete(name);
      else next.set(name, says);
      if (next.size > MAX_OVERRIDES) {
        throw new ShardnsError('ERR_SHARDNS_OPTION', `expected at most ${MAX_OVERRIDES} names: put them into a list`);
      }
      const of = (which: Override): string =>
        [...next].flatMap(([name, says]) => (says === which ? [`${name}\n`] : [])).join('');
      const compiled =
        next.size === 0
          ? undefined
          : await compileLists(
              [
                { name: 'allow', format: 'domains', text: of('allow'), allows: true },
                { name: 'block', format: 'domains', text: of('block') },
              ],
              this.random,
            );
      const lost = compiled?.reports.find(one => one.broken + one.unsupported > 0);
      if (lost !== undefined || this.#closed) compiled?.close();
      if (lost !== undefined) {
        throw new ShardnsError('ERR_SHARDNS_OPTION', `name: expected one that a list can have, got ${show(text)}`);
      }
      if (this.#closed) return;
      this.#overrides = next;
      const before = this.#overriding;
      this.#overriding = compiled;
      this.changed();
      before?.close();
    });
  }
  get overrides(): ReadonlyMap<string, Override> {
    return this.#overrides;
  }

  /**
   * The rule that decides of a name, for a client at that address.
   * @param bits the client's lists
   */
  why(name: Uint8Array, client: string, bits: bigint): ListVerdict | undefined {
    const says = this.#overriding?.find(name, client, ALL);
    if (says !== undefined) return verdictOf(says, ['allow', 'block']);
    const found = this.#compiled?.names.find(name, client, bits & this.#holding);
    return found && verdictOf(found, this.names);
  }

  /** What would decide if all lists held at all times, where that is not what {@link why} says. */
  whyAtTimes(name: Uint8Array, client: string, bits: bigint): (ListVerdict & { times: string }) | undefined {
    const found = this.#compiled?.names.find(name, client, bits & ~this.#holding);
    if (found === undefined || this.#settings === undefined) return undefined;
    const { timeZone } = new LocalTime(this.#settings.blocking.timeZone);
    const times = `${hoursText(this.#settings.lists[found.list].times)} (${timeZone})`;
    return { ...verdictOf(found, this.names), times };
  }

  /** What is said of an answer, whatever is said of its question's own name. @param answer a whole response */
  whyOfAnswer(answer: Uint8Array, bits: bigint): (ListVerdict & { kept: number }) | undefined {
    const found = this.#compiled?.names.judge(answer, bits & this.#holding, this.aliases.translation);
    return found && { ...verdictOf(found, this.names), kept: found.kept };
  }

  /** In the order of their places. */
  get names(): string[] {
    return this.#settings?.lists.map(({ name }) => name) ?? [];
  }
  get report(): {
    /** `stale`: why its last good copy is in force in place of what it is now. */
    lists: readonly (Omit<ListReport, 'problems'> & { stale: string | null })[];
    names: number;
    memoryBytes: number;
    sinceSeconds: number;
    failures: number;
    pausedSeconds: number;
    overrides: number;
  } {
    const names = this.#compiled?.names;
    return {
      lists: (names?.reports ?? []).map(({ problems: _, ...counts }, i) => {
        return { ...counts, stale: this.#compiled!.files.stale.get(i) ?? null };
      }),
      names: names?.names ?? 0,
      memoryBytes: names?.memoryBytes ?? 0,
      sinceSeconds: this.#since,
      failures: this.#failures + this.#downloads.failures,
      pausedSeconds: Math.ceil(this.pausedSeconds),
      overrides: this.#overrides.size,
    };
  }

  /**
   * Which lists hold now, and again when the minute ends: what the wall clock shows may be set anew, and time zones have
   * days of their own.
   * @returns whether they are others than before
   */
  #lookAtClock(): boolean {
    this.#clockLook?.cancel();
    const before = this.#holding;
    this.#holding = ALL;
    const { lists, blocking } = this.#settings ?? { lists: [], blocking: { timeZone: undefined } };
    if (lists.every(one => one.times.length === 0)) return this.#holding !== before;
    const now = this.clock.wallSeconds();
    const shown = new LocalTime(blocking.timeZone).at(now);
    for (const [i, { times }] of lists.entries()) if (!holdsAt(times, shown)) this.#holding &= ~(1n << BigInt(i));
    this.#clockLook = this.clock.after((60 - (now % 60)) * 1000, () => {
      if (this.#lookAtClock()) this.changed();
    });
    return this.#holding !== before;
  }

  #queued<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#working.then(work);
    this.#working = done.catch(() => {});
    return done;
  }

  async #compile(settings: Settings): Promise<CompiledLists> {
    const { random, log } = this;
    const compiled = await compileOf(settings, this.#compiled, { random, log });
    this.#failures += compiled.files.stale.size;
    return compiled;
  }

  #use(compiled: CompiledLists | undefined): void {
    const before = this.#compiled;
    this.#compiled = compiled;
    this.servedZones.use(compiled?.names);
    this.#seen = compiled?.versions ?? [];
    this.#since = this.clock.wallSeconds();
    // Who judges by it still holds it natively, until others are published: then it goes on another thread.
    if (before !== undefined) this.#replaced.push(before.names);
    before?.files.close();
  }

  #lookLater(): void {
    this.#look?.cancel();
    if (this.#closed || this.#settings === undefined || this.#settings.lists.length === 0) return;
    this.#look = this.clock.after(LOOK_EVERY_MS, () => void this.look().then(() => this.#lookLater()));
  }

  /** Looks at the files now; what the timer does. Never rejects. */
  async look(): Promise<void> {
    const settings = this.#settings;
    if (settings === undefined || this.#closed) return;
    const versions = await versionsOf(settings);
    const isWhole = isDeepStrictEqual(versions, this.#seen);
    this.#seen = versions;
    if (!isWhole || isDeepStrictEqual(versions, this.#compiled?.versions)) return;
    try {
      const compiled = await this.#queued(() => this.#compile(settings));
      if (this.#closed || this.#settings !== settings) {
        compiled.names.close();
        compiled.files.close();
        return;
      }
      this.#use(compiled);
      this.changed();
    } catch (error) {
      this.#failures++;
      // Told once, not at every look.
      if (this.#compiled !== undefined) this.#compiled.versions = versions;
      this.log.warn({ reason: (error as Error).message }, 'lists cannot be read again; those of before stay');
    }
  }
}

const ALL = (1n << 64n) - 1n;

const verdictOf = ({ list, action, line, records }: ListMatch, names: readonly string[]): ListVerdict => ({
  list: names[list],
  action,
  line,
  records,
});
