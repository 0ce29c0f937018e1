// By which names, clients, types and upstreams most queries come: of misses, of hits, of denials of names, and of what was
// slow; for the last whole minute, and the one that has begun.
//
// A hit that stands for n (native threads tell one in n) counts n times.
//
// Bound: SLOTS keys for each of the sixteen lists of two windows: about 16 MB if all names are of 255 octets, 3 MB mostly.
import type { Clock } from '../../base/clock.js';
import type { Random } from '../../base/random.js';
import { AnsweredBy } from '../../native/binding.js';
import { Rcode, typeName } from '../../wire/iana.js';
import { nameKey, nameToText } from '../../wire/name.js';
import type { ClientLevel } from '../settings/observation.js';
import { ClientNames } from './client-names.js';
import type { TapRecord, Watcher } from './record.js';
import { SpaceSaving } from './space-saving.js';

export const TOP_BY = ['name', 'client', 'type', 'upstream'] as const;
export type TopBy = (typeof TOP_BY)[number];
export const TOP_WHAT = ['miss', 'hit', 'nxdomain', 'slow'] as const;
export type TopWhat = (typeof TOP_WHAT)[number];

const SLOTS = 1000;
const WINDOW_MS = 60_000;

export interface TopList {
  readonly by: TopBy;
  readonly what: TopWhat;
  /** Since the beginning of the window, which is over unless it is the present one. */
  readonly seconds: number;
  /** Of all keys, those that are not listed among them. */
  readonly total: number;
  /** `count` is too great by `error` at the most, and never too small. */
  readonly entries: readonly { readonly key: string; readonly count: number; readonly error: number }[];
}

export interface TopListsSettings {
  readonly clients: ClientLevel;
  readonly slowMs: number;
}

type Lists = Record<TopWhat, Record<TopBy, SpaceSaving<string>>>;

interface Window {
  readonly beganMs: number;
  readonly lists: Lists;
}

export class TopLists implements Watcher {
  readonly wantsReplies = false;
  readonly #clients: ClientNames;
  #settings: TopListsSettings = { clients: 'off', slowMs: 500 };
  #now: Window;
  #last: Window | undefined;

  constructor(
    random: Random,
    private readonly clock: Clock,
  ) {
    this.#clients = new ClientNames(random);
    this.#now = { beganMs: clock.nowMs(), lists: newLists() };
  }

  use(settings: TopListsSettings): void {
    const { clients, slowMs } = this.#settings;
    const isSame = clients === settings.clients && slowMs === settings.slowMs;
    this.#settings = settings;
    // What was counted otherwise is not added to.
    if (isSame) return;
    this.#now = { beganMs: this.clock.nowMs(), lists: newLists() };
    this.#last = undefined;
  }

  take(record: TapRecord): void {
    this.#turn();
    const { parts } = record;
    const { lists } = this.#now;
    if (record.isUncached) this.#count(lists.miss, record);
    else if (parts.by === AnsweredBy.hit || parts.by === AnsweredBy.stale) this.#count(lists.hit, record);
    if (record.rcode === Rcode.NXDOMAIN) this.#count(lists.nxdomain, record);
    if (parts.latencyUs >= this.#settings.slowMs * 1000) this.#count(lists.slow, record);
  }

  /** @param current the window that has begun, in the place of the last whole one; it is where there is none yet */
  list(by: TopBy, what: TopWhat, { most, current }: { most: number; current: boolean }): TopList {
    this.#turn();
    const window = current ? this.#now : (this.#last ?? this.#now);
    const list = window.lists[what][by];
    const lastedMs = window === this.#now ? this.clock.nowMs() - window.beganMs : WINDOW_MS;
    const entries = list.top(most).map(({ key, count, error }) => ({ key: textOf(by, key), count, error }));
    return { by, what, seconds: Math.round(lastedMs / 1000), total: list.total, entries };
  }

  #count(lists: Record<TopBy, SpaceSaving<string>>, record: TapRecord): void {
    const { client, atMs, upstream, oneIn } = record.parts;
    const name = this.#clients.nameOf(client, this.#settings.clients, atMs);
    lists.name.add(nameKey(record.name), oneIn);
    if (name !== '') lists.client.add(name, oneIn);
    lists.type.add(typeName(record.type), oneIn);
    if (upstream !== '') lists.upstream.add(upstream, oneIn);
  }

  /** To the window that the time is in. One in which nothing was asked is the last one, too. */
  #turn(): void {
    const passed = Math.floor((this.clock.nowMs() - this.#now.beganMs) / WINDOW_MS);
    if (passed < 1) return;
    const beganMs = this.#now.beganMs + passed * WINDOW_MS;
    this.#last = passed === 1 ? this.#now : { beganMs: beganMs - WINDOW_MS, lists: newLists() };
    this.#now = { beganMs, lists: newLists() };
  }
}

function newLists(): Lists {
  const by = (): Record<TopBy, SpaceSaving<string>> =>
    Object.fromEntries(TOP_BY.map(one => [one, new SpaceSaving<string>(SLOTS)])) as Record<TopBy, SpaceSaving<string>>;
  return Object.fromEntries(TOP_WHAT.map(one => [one, by()])) as Lists;
}

const textOf = (by: TopBy, key: string): string => (by === 'name' ? nameToText(Buffer.from(key, 'latin1')) : key);
