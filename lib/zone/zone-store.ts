// The zones that are served: which one a name belongs to, and what each is replaced by, whole. Who serves, transfers or
// keeps a journal of them is told of each change.
//
// Bounds: `maxZones`. Versions that nobody holds any more are garbage.
import { ShardnsError } from '../base/errors.js';
import { foldName, nameKey } from '../wire/name.js';
import { Zone } from './zone.js';

export interface ZoneChange {
  /** Folded. */
  apex: Uint8Array;
  before: Zone | undefined;
  /** Undefined: it is served no more, or suspended. */
  after: Zone | undefined;
  /** Its names are answered here, or SERVFAIL: nobody else's. */
  isOurs: boolean;
}

/** A zone that is ours and cannot be answered from: its names are SERVFAIL, and nobody else's (RFC 1034 section 4.3.2). */
export interface SuspendedZone {
  /** Folded. */
  readonly apex: Uint8Array;
  /** Its file cannot be used; it has not been transferred yet; its primary was silent for too long. */
  readonly reason: 'broken' | 'pending' | 'expired';
}

export const MAX_ZONES = 100_000;

export class ZoneStore {
  readonly #zones = new Map<string, Zone | SuspendedZone>();
  readonly #listeners = new Set<(change: ZoneChange) => void>();

  constructor(private readonly maxZones = MAX_ZONES) {}

  get size(): number {
    return this.#zones.size;
  }
  *all(): Generator<Zone> {
    for (const one of this.#zones.values()) if (one instanceof Zone) yield one;
  }
  *suspended(): Generator<SuspendedZone> {
    for (const one of this.#zones.values()) if (!(one instanceof Zone)) yield one;
  }

  /** @param apex in any letters */
  get(apex: Uint8Array): Zone | undefined {
    return zoneIn(this.#zones.get(nameKey(foldName(apex))));
  }

  /** @param key of its apex */
  at(key: string): Zone | undefined {
    return zoneIn(this.#zones.get(key));
  }

  /**
   * What has the longest apex that a folded name is at or below.
   * @param below only where the name lies below the apex: of a DS record, which is its parent's (RFC 4035 section 3.1.4.1)
   */
  entryOf(name: Uint8Array, below = false): Zone | SuspendedZone | undefined {
    if (this.#zones.size === 0) return undefined;
    const key = nameKey(name);
    for (let at = 0; ; at += 1 + name[at]) {
      const entry = at === 0 && below ? undefined : this.#zones.get(at === 0 ? key : key.slice(at));
      if (entry !== undefined) return entry;
      if (name[at] === 0) return undefined;
    }
  }
  /** The same where it can be answered from. */
  zoneOf(name: Uint8Array, below = false): Zone | undefined {
    return zoneIn(this.entryOf(name, below));
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
    this.#set(key, zone);
    this.#tell({ apex: zone.apex, before: zoneIn(before), after: zone, isOurs: true });
    return true;
  }

  /**
   * A zone that is ours and cannot be answered from, instead of the version before.
   * @throws {ShardnsError} ERR_SHARDNS_OVERLOAD beyond `maxZones`
   */
  suspend(apex: Uint8Array, reason: SuspendedZone['reason']): void {
    const folded = foldName(apex);
    const key = nameKey(folded);
    const before = this.#zones.get(key);
    this.#set(key, { apex: folded, reason });
    this.#tell({ apex: folded, before: zoneIn(before), after: undefined, isOurs: true });
  }

  #set(key: string, entry: Zone | SuspendedZone): void {
    if (!this.#zones.has(key) && this.#zones.size >= this.maxZones) {
      throw new ShardnsError('ERR_SHARDNS_OVERLOAD', `more than ${this.maxZones} zones`);
    }
    this.#zones.set(key, entry);
  }

  /** @returns whether it was there */
  remove(apex: Uint8Array): boolean {
    const folded = foldName(apex);
    const before = this.#zones.get(nameKey(folded));
    if (before === undefined) return false;
    this.#zones.delete(nameKey(folded));
    this.#tell({ apex: folded, before: zoneIn(before), after: undefined, isOurs: false });
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

const zoneIn = (entry: Zone | SuspendedZone | undefined): Zone | undefined =>
  entry instanceof Zone ? entry : undefined;
