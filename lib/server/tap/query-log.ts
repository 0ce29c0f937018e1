// The query log: the last queries in memory, and a file that they are appended to where one is named.
//
// Bound: `entries` of some 400 octets; those of LogFile.
import type { Random } from '../../base/random.js';
import { rcodeName, typeName } from '../../wire/iana.js';
import { isAtOrBelow, nameToText } from '../../wire/name.js';
import type { AnsweredByName } from '../../native/binding.js';
import type { Protocol } from '../listeners/protocols.js';
import type { ClientLevel } from '../settings/observation.js';
import { ClientNames } from './client-names.js';
import type { LogFile } from './log-file.js';
import type { TapRecord, Watcher } from './record.js';

interface Entry {
  readonly seq: number;
  readonly atMs: number;
  readonly client: string;
  readonly protocol: Protocol;
  readonly name: Uint8Array;
  readonly type: number;
  readonly rcode: number;
  readonly by: AnsweredByName;
  readonly isUncached: boolean;
  readonly ms: number;
  readonly upstream: string;
  readonly oneIn: number;
}

/** One as it is shown and written, names escaped as in zone files (RFC 1035 section 5.1). */
export interface ShownQuery {
  readonly seq: number;
  /** ISO 8601. */
  readonly at: string;
  readonly client?: string;
  readonly protocol: Protocol;
  readonly name: string;
  readonly type: string;
  readonly rcode: string;
  readonly by: AnsweredByName;
  readonly ms: number;
  readonly upstream?: string;
  /** It is one of so many. */
  readonly oneIn?: number;
}

export interface QueryLogFilter {
  /** An address; found by what is kept of it. */
  readonly client?: Uint8Array;
  /** It, and all below. */
  readonly name?: Uint8Array;
  readonly type?: number;
  readonly rcode?: number;
  readonly by?: AnsweredByName;
  /** Those only for which somebody was asked, or which were put together. */
  readonly uncached?: boolean;
  /** Those that took longer. */
  readonly slowerMs?: number;
}

export interface QueryLogSettings {
  readonly entries: number;
  readonly clients: ClientLevel;
}

export class QueryLog implements Watcher {
  readonly wantsReplies = false;
  /** Null: they are in memory alone. */
  file: LogFile | undefined;
  readonly #clients: ClientNames;
  #settings: QueryLogSettings = { entries: 1, clients: 'off' };
  /** A ring: the entry of a number stands at its remainder. */
  #entries: (Entry | undefined)[] = [undefined];
  #next = 1;
  #oldest = 1;

  constructor(
    random: Random,
    private readonly wallMs: () => number,
  ) {
    this.#clients = new ClientNames(random);
  }

  /** The newest of those that there are stay. */
  use(settings: QueryLogSettings): void {
    const before = this.#settings;
    this.#settings = settings;
    // What was told of clients is not known in another way.
    if (settings.clients !== before.clients) this.clear();
    if (settings.entries === before.entries) return;
    const ring = new Array<Entry | undefined>(settings.entries).fill(undefined);
    const oldest = Math.max(this.#oldest, this.#next - settings.entries);
    for (let seq = oldest; seq < this.#next; seq++) ring[seq % ring.length] = this.#at(seq);
    this.#entries = ring;
    this.#oldest = oldest;
  }
  clear(): void {
    this.#entries.fill(undefined);
    this.#oldest = this.#next;
  }
  get size(): number {
    return this.#next - this.#oldest;
  }
  /** Since the start. */
  get logged(): number {
    return this.#next - 1;
  }

  take(record: TapRecord): void {
    const { parts } = record;
    const seq = this.#next++;
    const entry: Entry = {
      seq,
      atMs: parts.atMs,
      client: this.#clients.nameOf(parts.client, this.#settings.clients, parts.atMs),
      protocol: parts.protocol,
      name: record.name,
      type: record.type,
      rcode: record.rcode,
      by: record.byName,
      isUncached: record.isUncached,
      ms: Math.round(parts.latencyUs) / 1000,
      upstream: parts.upstream,
      oneIn: parts.oneIn,
    };
    this.#entries[seq % this.#entries.length] = entry;
    if (this.size > this.#entries.length) this.#oldest = this.#next - this.#entries.length;
    this.file?.write(JSON.stringify(shown(entry)));
  }

  /**
   * The newest that the filter lets pass, newest first.
   * @param before entries of lesser numbers only
   * @returns `before`: where to go on; undefined where there are no more
   */
  find(
    filter: QueryLogFilter,
    { before = this.#next, limit }: { before?: number; limit: number },
  ): { entries: ShownQuery[]; before: number | undefined } {
    const entries: ShownQuery[] = [];
    const client = filter.client && this.#clients.nameOf(filter.client, this.#settings.clients, this.wallMs());
    for (let seq = Math.min(before, this.#next) - 1; seq >= this.#oldest; seq--) {
      const entry = this.#at(seq);
      if (entry === undefined || !passes(entry, filter, client)) continue;
      if (entries.length === limit) return { entries, before: seq + 1 };
      entries.push(shown(entry));
    }
    return { entries, before: undefined };
  }

  #at(seq: number): Entry | undefined {
    return this.#entries[seq % this.#entries.length];
  }
}

function passes(entry: Entry, filter: QueryLogFilter, client: string | undefined): boolean {
  const { name, type, rcode, by, uncached, slowerMs } = filter;
  return (
    (client === undefined || entry.client === client) &&
    (type === undefined || entry.type === type) &&
    (rcode === undefined || entry.rcode === rcode) &&
    (by === undefined || entry.by === by) &&
    (uncached !== true || entry.isUncached) &&
    (slowerMs === undefined || entry.ms > slowerMs) &&
    (name === undefined || isAtOrBelow(entry.name, name))
  );
}

function shown({ seq, atMs, client, protocol, name, type, rcode, by, ms, upstream, oneIn }: Entry): ShownQuery {
  return {
    seq,
    at: new Date(atMs).toISOString(),
    ...(client === '' ? {} : { client }),
    protocol,
    name: nameToText(name),
    type: typeName(type),
    rcode: rcodeName(rcode),
    by,
    ms,
    ...(upstream === '' ? {} : { upstream }),
    ...(oneIn === 1 ? {} : { oneIn }),
  };
}
