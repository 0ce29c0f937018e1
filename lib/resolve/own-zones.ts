// The zones of everybody and those of views (what some clients are told by where they ask from): which of them has a say.
import { viewWithTag } from '../clients/views.js';
import type { ZoneFinder } from '../zone/answer.js';
import { Type } from '../wire/iana.js';
import { nameKey } from '../wire/name.js';
import type { Zone } from '../zone/zone.js';
import { type SuspendedZone, ZoneStore } from '../zone/zone-store.js';

export class OwnZones {
  readonly everyone = new ZoneStore();
  /** In the order of the views; undefined for one without zones of its own. */
  views: readonly (ZoneStore | undefined)[] = [];
  /** Zones, by the keys of their apexes, whose names are resolved while they are not there. */
  fallbacks: ReadonlySet<string> = new Set();
  /** Names of no zone are refused: nothing is resolved for anybody. */
  alone = false;

  get isEmpty(): boolean {
    return this.everyone.size === 0 && this.views.every(one => one === undefined || one.size === 0);
  }

  /** What has a say in a question, of a client with this tag: the longest apex; of equal ones the view's. */
  entryFor(name: Uint8Array, type: number, tag: number): Zone | SuspendedZone | undefined {
    return (type === Type.DS ? this.#entryOf(name, true, tag) : undefined) ?? this.#entryOf(name, false, tag);
  }

  /** Whether a zone that cannot be answered from is left to others for the time. */
  fallsBack({ apex }: SuspendedZone): boolean {
    return !this.alone && this.fallbacks.has(nameKey(apex));
  }

  /** Where answers to a client with this tag find zones. */
  finder(tag: number): ZoneFinder {
    const own = viewWithTag(this.views, tag);
    if (own === undefined || own.size === 0) return this.everyone;
    return {
      zoneOf: (name, below = false) => {
        const entry = this.#entryOf(name, below, tag);
        return entry !== undefined && 'base' in entry ? entry : undefined;
      },
    };
  }

  #entryOf(name: Uint8Array, below: boolean, tag: number): Zone | SuspendedZone | undefined {
    const common = this.everyone.entryOf(name, below);
    const own = viewWithTag(this.views, tag)?.entryOf(name, below);
    if (own === undefined || (common !== undefined && common.apex.length > own.apex.length)) return common;
    return own;
  }
}
