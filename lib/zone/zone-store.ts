// The zones that are served: which one a name belongs to, and what each is replaced by, whole. Who serves, transfers or
// keeps a journal of them is told of each change.
//
// Bounds: `maxZones`. Versions that nobody holds any more are garbage.
import { ShardnsError } from '../base/errors.js';
import { foldName, nameKey } from '../wire/name.js';
import type { Zone } from './zone.js';

export interface ZoneChange {
  /** Folded. */
  apex: Uint8Array;
  before: Zone | undefined;
  /** Undefined: it is served no more. */
  after: Zone | undefined;
}

export const MAX_ZONES = 100_000;

export class ZoneStore {
  readonly #zones = new Map<string, Zone>();
  readonly #listeners = new Set<(change: ZoneChange) => void>();

  constructor(private readonly maxZones = MAX_ZONES) {}

  get size(): number {
    return this.#zones.size;
  }
  all(): IterableIterator<Zone> {
    return this.#zones.values();
  }

  /** @param apex in any letters */
  get(apex: Uint8Array): Zone | undefined {
    return this.#zones.get(nameKey(foldName(apex)));
  }

  /**
   * The zone with the longest apex that a folded name is at or below.
   * @param below only zones whose apex it lies below: of a DS record, which is its parent's (RFC 4035 section 3.1.4.1)
   */
  zoneOf(name: Uint8Array, below = false): Zone | undefined {
    if (this.#zones.size === 0) return undefined;
    const key = nameKey(name);
    for (let at = 0; ; at += 1 + name[at]) {
      const zone = at === 0 && below ? undefined : this.#zones.get(at === 0 ? key : key.slice(at));
      if (zone !== undefined) return zone;
      if (name[at] === 0) return undefined;
    }
  }

  /**
   * Serves a zone, in the place of the version before: from the next query on.
   * @param expected the version that it was made from, where it was; another one may have come in between
   * @returns false where it is not that one any more: nothing is changed
   * @throws {ShardnsError} ERR_SHARDNS_OVERLOAD beyond `maxZones`
   */
  replace(zone: Zone, expected?: Zone): boolean {
    const key = nameKey(zone.apex);
    const before = this.#zones.get(key);
    if (expected !== undefined && before !== expected) return false;
    if (before === undefined && this.#zones.size >= this.maxZones) {
      throw new ShardnsError('ERR_SHARDNS_OVERLOAD', `more than ${this.maxZones} zones`);
    }
    this.#zones.set(key, zone);
    this.#tell({ apex: zone.apex, before, after: zone });
    return true;
  }

  /** @returns whether it was there */
  remove(apex: Uint8Array): boolean {
    const folded = foldName(apex);
    const before = this.#zones.get(nameKey(folded));
    if (before === undefined) return false;
    this.#zones.delete(nameKey(folded));
    this.#tell({ apex: folded, before, after: undefined });
    return true;
  }

  /** @param listener told of each change at once, in the order they asked; must not throw. @returns ends it */
  onChange(listener: (change: ZoneChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(change: ZoneChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
