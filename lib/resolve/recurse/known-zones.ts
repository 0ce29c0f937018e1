// Delegations of the RRset cache, taken apart once for all the questions that begin there: to read the servers of a zone
// and their addresses anew for each costs more than the rest of a miss. One is used until it expires, until something it
// was made of is written or forgotten here, and for a second at the most: other threads may write to the same memory.
//
// Bounds: 1024 zones (about 3 KiB each), of which the one made longest ago goes first; 16,384 names that they are made of,
// beyond which all are forgotten.
import { BoundedMap } from '../../base/bounded-map.js';
import { nameKey } from '../../wire/name.js';
import type { Delegation } from './delegation.js';

const MAX_ZONES = 1024;
const MAX_NAMES = 16_384;
const MAX_AGE_MS = 1000;

/** Counts how often what is known of a name has changed: where its servers are, or its addresses. */
interface Name {
  changes: number;
}

interface KnownZone {
  delegation: Delegation;
  /** The zone's, and those of its servers. */
  names: Name[];
  /** Of all of these, when it was made. */
  changes: number;
  untilMs: number;
}

export class KnownZones {
  readonly #zones = new BoundedMap<string, KnownZone>(MAX_ZONES);
  readonly #names = new Map<string, Name>();

  /** @param key of the zone. @returns shared with others: not to be changed */
  find(key: string, nowMs: number): Delegation | undefined {
    const known = this.#zones.get(key);
    if (known === undefined) return undefined;
    if (nowMs < known.untilMs && changesOf(known.names) === known.changes) return known.delegation;
    this.#zones.delete(key);
    return undefined;
  }

  /** @param leftMs for how long all holds that it was made of */
  keep(delegation: Delegation, nowMs: number, leftMs: number): void {
    if (this.#names.size >= MAX_NAMES) this.clear();
    const names = [this.#name(delegation.key)];
    for (const server of delegation.servers) names.push(this.#name(server.key));
    const untilMs = nowMs + Math.min(leftMs, MAX_AGE_MS);
    this.#zones.set(delegation.key, { delegation, names, changes: changesOf(names), untilMs });
  }

  /** Something was written of a name (folded wire format), or forgotten; undefined: everything was forgotten. */
  readonly changed = (name?: Uint8Array): void => {
    if (name === undefined) {
      this.clear();
    } else if (this.#names.size > 0) {
      const known = this.#names.get(nameKey(name));
      if (known !== undefined) known.changes++;
    }
  };

  clear(): void {
    this.#zones.clear();
    this.#names.clear();
  }

  #name(key: string): Name {
    let name = this.#names.get(key);
    if (name === undefined) this.#names.set(key, (name = { changes: 0 }));
    return name;
  }
}

/** They only grow: the sum is the same where none has changed. */
function changesOf(names: readonly Name[]): number {
  let sum = 0;
  for (const one of names) sum += one.changes;
  return sum;
}
