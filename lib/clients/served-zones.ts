// Who serves which zone, told to lists that have rules about that (rpz-nsdname, rpz-nsip): as delegations are used, and again
// when other lists take their place.
//
// Bound: MAX_ZONES zones are remembered for lists to come, the one used longest ago goes first (about 500 octets each).
import { BoundedMap } from '../base/bounded-map.js';
import { nameKey } from '../wire/name.js';
import type { NameLists, ServedZone } from './lists.js';

const MAX_ZONES = 16_384;

export class ServedZones {
  readonly #known = new BoundedMap<string, ServedZone>(MAX_ZONES);
  #lists: NameLists | undefined;

  /** @param onFull the lists have no room for another zone: they are to be made anew. Must not throw */
  constructor(private readonly onFull: () => void) {}

  /** Whether anybody wants to know. */
  get wanted(): boolean {
    return this.#lists !== undefined;
  }

  /** Lists that are about to be in force; what is known is told to them before. */
  use(lists: NameLists | undefined): void {
    this.#lists = lists?.hasServerRules === true ? lists : undefined;
    if (this.#lists === undefined) {
      this.#known.clear();
      return;
    }
    for (const zone of this.#known.values()) this.#lists.noteServers(zone);
  }

  /** What is told twice costs little. */
  note(zone: ServedZone): void {
    if (this.#lists === undefined) return;
    const key = nameKey(zone.zone);
    const before = this.#known.get(key);
    if (before !== undefined && isSame(before, zone)) return;
    this.#known.set(key, zone);
    if (!this.#lists.noteServers(zone)) this.onFull();
  }
}

function isSame(a: ServedZone, b: ServedZone): boolean {
  return (
    a.names.length === b.names.length &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every(address => b.addresses.includes(address)) &&
    a.names.every(name => b.names.some(other => Buffer.compare(name, other) === 0))
  );
}
