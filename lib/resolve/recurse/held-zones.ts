// Zones that are held here and asked in the place of their servers, as a copy of the root is (RFC 8806). What they say is
// taken for what a server of theirs says: cached, and validated, as that is. A zone that has not come yet, or has expired, is
// asked of its servers; so is one whose word has not proved itself, by the question that it was of no use to.
//
// Knows of no files and transfers: whoever has the zones keeps the store.
import { Class } from '../../wire/iana.js';
import { isAtOrBelow } from '../../wire/name.js';
import { answerFromZones } from '../../zone/answer.js';
import type { Zone } from '../../zone/zone.js';
import type { ZoneStore } from '../../zone/zone-store.js';
import type { Asked } from './classify.js';
import type { Delegation } from './delegation.js';

/** Who has said it, where others have addresses. */
export const HELD = 'held here';

export class HeldZones {
  constructor(private readonly store: Pick<ZoneStore, 'at' | 'size'>) {}

  /**
   * The zone as one that is asked, in the version of now.
   * @param of the key of a name, which has the zone's at its end, from `at` on
   * @param distrusted what is not believed by a question
   */
  delegation(of: string, at: number, distrusted: ReadonlySet<string>): Delegation | undefined {
    if (this.store.size === 0 || distrusted.has(HELD)) return undefined;
    const key = of.slice(at);
    const held = this.store.at(key);
    if (held === undefined) return undefined;
    return {
      zone: held.apex,
      key,
      servers: [],
      addressless: 0,
      direct: [],
      expiresAt: Number.POSITIVE_INFINITY,
      cached: false,
      held,
    };
  }
}

/** What a zone says of a name at or below its apex, as a message. */
export function answerOfHeld(held: Zone, { name, type }: Asked, dnssecOk: boolean): Uint8Array {
  // Alone: what an alias leads to elsewhere is asked for there.
  const zones = { zoneOf: (at: Uint8Array) => (isAtOrBelow(at, held.apex) ? held : undefined) };
  return answerFromZones(zones, { name, type, dnsClass: Class.IN, dnssecOk })!.message;
}
