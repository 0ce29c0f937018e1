// The way to an answer that does not prove itself: who serves the zones above a name, and at which addresses. None of that is
// validated before it is used, and one forged referral, NS set or address would lead there as long as it says it lives. So it
// is forgotten where all that it led to was bogus, and the parents are asked anew; what is known to be secure stays.
//
// Whoever has a zone, or forges answers of one, can make it look like that; its parents, and whom it names as its servers, are
// others. Bounds: a zone's way once in RECURSION_LIMITS.bogusTtl, and twice as seldom each time that it is doubted again before
// as long again has passed, up to `doubtMaxTtl`; a minute `doubtsPerMinute` zones in all, and `doubtsAgainPerMinute` that are
// doubted again; of a question the deepest `doubtsPerQuestion` that may be doubted; the address of a name server once in
// bogusTtl, however many zones name it; of a zone `nsRecords` servers; the 4096 zones and servers doubted last.
import { BoundedMap } from '../../base/bounded-map.js';
import type { Clock } from '../../base/clock.js';
import { type RrsetCache, Security } from '../../cache/rrset-cache.js';
import { Type } from '../../wire/iana.js';
import { ancestors, foldedName, nameKey } from '../../wire/name.js';
import { RECURSION_LIMITS as L } from './limits.js';

const MAX_ZONES = 4096;
const MAX_SERVERS = 4096;
const MINUTE_MS = 60_000;
const FIRST_MS = L.bogusTtl * 1000;

interface Doubted {
  waitMs: number;
  /** When it may be doubted again, and when it begins anew with the shortest time. */
  againMs: number;
  overMs: number;
}

const isSecure = (status: number): boolean => status === Security.secure;

export class Way {
  /** By the keys of the zones. */
  readonly #doubted = new BoundedMap<string, Doubted>(MAX_ZONES);
  /** When the addresses of each server may be forgotten again. */
  readonly #servers = new BoundedMap<string, number>(MAX_SERVERS);
  #minuteMs = -Infinity;
  #inMinute = 0;
  #againInMinute = 0;

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
    let found = 0;
    for (const zone of ancestors(name)) {
      // DS records are the parent's.
      if (type === Type.DS && zone.length === name.length && name.length > 1) continue;
      const given = this.rrsets.delegation(zone)?.ns.data;
      const key = nameKey(zone);
      if (given === undefined || !this.#mayDoubt(key, now)) continue;
      const own = this.rrsets.get(zone, Type.NS)?.rrset.data ?? [];
      for (const server of [...given.slice(0, L.nsRecords), ...own.slice(0, L.nsRecords)])
        this.#forget(foldedName(server), now);
      this.rrsets.forgetUnless(isSecure, zone, Type.NS);
      this.rrsets.forgetDelegation(zone);
      // Those above have their turn with a later question, while these may not be doubted again.
      if (++found === L.doubtsPerQuestion) break;
    }
    return found > 0;
  }

  /** And notes that it is. */
  #mayDoubt(zone: string, now: number): boolean {
    const before = this.#doubted.get(zone);
    if (before !== undefined && now < before.againMs) return false;
    if (now >= this.#minuteMs + MINUTE_MS) [this.#minuteMs, this.#inMinute, this.#againInMinute] = [now, 0, 0];
    if (this.#inMinute >= L.doubtsPerMinute) return false;
    const isAgain = before !== undefined && now < before.overMs;
    if (isAgain && this.#againInMinute >= L.doubtsAgainPerMinute) return false;
    this.#inMinute++;
    if (isAgain) this.#againInMinute++;
    const waitMs = isAgain ? Math.min(before.waitMs * 2, L.doubtMaxTtl * 1000) : FIRST_MS;
    this.#doubted.set(zone, { waitMs, againMs: now + waitMs, overMs: now + 2 * waitMs });
    return true;
  }

  #forget(server: Uint8Array, now: number): void {
    const key = nameKey(server);
    if ((this.#servers.get(key) ?? 0) > now) return;
    this.#servers.set(key, now + FIRST_MS);
    for (const type of [Type.A, Type.AAAA]) {
      this.rrsets.forgetUnless(isSecure, server, type);
      this.rrsets.forgetGlue(server, type);
    }
    this.rrsets.forgetUnless(isSecure, server, 0);
  }

  clear(): void {
    this.#doubted.clear();
    this.#servers.clear();
    this.#minuteMs = -Infinity;
  }
}
