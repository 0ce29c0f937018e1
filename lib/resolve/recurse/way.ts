// The way to an answer that does not prove itself: who serves the zones above a name, and at which addresses. None of that is
// validated before it is used, and one forged referral, NS set or address would lead there as long as it says it lives. So it
// is forgotten where all that it led to was bogus, and the parents are asked anew; what is known to be secure stays.
//
// Bounds: a zone's way once in RECURSION_LIMITS.bogusTtl, so that zones that are broken cost their parents a question a
// minute; the 4096 zones doubted last; of a zone `nsRecords` servers.
import { BoundedMap } from '../../base/bounded-map.js';
import type { Clock } from '../../base/clock.js';
import { type RrsetCache, Security } from '../../cache/rrset-cache.js';
import { Type } from '../../wire/iana.js';
import { ancestors, foldedName, nameKey } from '../../wire/name.js';
import { RECURSION_LIMITS as L } from './limits.js';

const MAX_ZONES = 4096;
const isSecure = (status: number): boolean => status === Security.secure;

export class Way {
  /** When each of the zones may be doubted again, by their keys. */
  readonly #doubted = new BoundedMap<string, number>(MAX_ZONES);

  constructor(
    private readonly rrsets: RrsetCache,
    private readonly clock: Clock,
  ) {}

  /**
   * Forgets who serves the zones that lead to the answer to a question.
   * @param name folded
   * @returns whether there was anything to be forgotten
   */
  doubt(name: Uint8Array, type: number): boolean {
    const now = this.clock.nowMs();
    let found = false;
    for (const zone of ancestors(name)) {
      // DS records are the parent's.
      if (type === Type.DS && zone.length === name.length && name.length > 1) continue;
      const given = this.rrsets.delegation(zone)?.ns.data;
      const key = nameKey(zone);
      if (given === undefined || (this.#doubted.get(key) ?? 0) > now) continue;
      this.#doubted.set(key, now + L.bogusTtl * 1000);
      const own = this.rrsets.get(zone, Type.NS)?.rrset.data ?? [];
      for (const server of [...given.slice(0, L.nsRecords), ...own.slice(0, L.nsRecords)])
        this.#forget(foldedName(server));
      this.rrsets.forgetUnless(isSecure, zone, Type.NS);
      this.rrsets.forgetDelegation(zone);
      found = true;
    }
    return found;
  }

  #forget(server: Uint8Array): void {
    for (const type of [Type.A, Type.AAAA]) {
      this.rrsets.forgetUnless(isSecure, server, type);
      this.rrsets.forgetGlue(server, type);
    }
    this.rrsets.forgetUnless(isSecure, server, 0);
  }

  clear(): void {
    this.#doubted.clear();
  }
}
