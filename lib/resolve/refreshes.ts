// Refreshes of what will soon expire: how many a second, whom an entry was made for, and when one that failed is due
// again.
//
// Bounds: PENDING_RETRIES refreshes that wait for their next chance; clients of MAX_DECIDED entries and MAX_TENANTS
// tenants.
import { BoundedMap } from '../base/bounded-map.js';
import type { Clock } from '../base/clock.js';
import type { Asker } from './asker.js';

/** Of others the entry expires first. */
const PENDING_RETRIES = 10_000;
/** 200 octets each; for other entries the tenant's last client stands in. */
const MAX_DECIDED = 16_384;
const MAX_TENANTS = 4096;

type Client = NonNullable<Asker['client']>;

export class Refreshes {
  readonly #byKey = new BoundedMap<string, Client>(MAX_DECIDED);
  readonly #byTenant = new BoundedMap<number, Client>(MAX_TENANTS);
  #second = 0;
  #thisSecond = 0;
  #retries = 0;

  constructor(private readonly clock: Clock) {}

  /** Whether there may be one more in this second. */
  admit(perSecond: number): boolean {
    const second = Math.floor(this.clock.nowMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#thisSecond = 0;
    }
    if (this.#thisSecond >= perSecond) return false;
    this.#thisSecond++;
    return true;
  }

  /** A hook decides for this client what becomes of a question of its tenant. */
  decidedFor(key: string, client: Client): void {
    this.#byKey.set(key, client);
  }
  lastOfTenant(tenant: number, client: Client): void {
    this.#byTenant.set(tenant, client);
  }

  /** With which client a refresh is decided as its entry was. */
  clientOf(key: string, tenant: number): Client | undefined {
    return this.#byKey.get(key) ?? this.#byTenant.get(tenant);
  }

  /** Calls `run` when a refresh that failed may be asked for again (RFC 8767 section 5). */
  later(seconds: number, run: () => void): void {
    if (this.#retries >= PENDING_RETRIES) return;
    this.clock.after(seconds * 1000, () => {
      this.#retries--;
      run();
    });
    this.#retries++;
  }
}
