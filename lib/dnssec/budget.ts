// What one client's question may cost in validation, whatever records it meets (CVE-2023-50387 KeyTrap,
// CVE-2023-50868, CVE-2026-42923). Cost is counted, not calls: a P-384 check is 24 of RSA's. Restarts share it.

export interface BudgetLimits {
  /**
   * Units of about 25 us of CPU: 256 are 6.4 ms. With nothing known, a wildcard's alias to a name that does not exist in a
   * zone of P-384 and NSEC3, below another of P-384, takes 232: nine checks and two keys.
   */
  units: number;
  /** Checks of one RRset that may fail. */
  failures: number;
  /** Keys of one tag that are tried for a signature: tags collide by chance once. */
  keysPerTag: number;
  /** DS records of a zone that are looked at. */
  ds: number;
  /** Questions to others for keys and DS records. */
  fetches: number;
}
export const DEFAULT_LIMITS: Readonly<BudgetLimits> = { units: 256, failures: 4, keysPerTag: 2, ds: 8, fetches: 64 };

/** A SHA-1 step of an NSEC3 hash, in units. */
export const HASH_COST = 0.05;

export class Budget {
  readonly limits: Readonly<BudgetLimits>;
  #units: number;
  #fetches: number;
  constructor(limits: Partial<BudgetLimits> = {}) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.#units = this.limits.units;
    this.#fetches = this.limits.fetches;
  }
  /** Units left. */
  get left(): number {
    return this.#units;
  }
  /** Takes the cost of a step before it is made; false: it is not to be made. */
  spend(cost: number): boolean {
    if (cost > this.#units) {
      this.#units = 0;
      return false;
    }
    this.#units -= cost;
    return true;
  }
  spendFetch(): boolean {
    return this.#fetches-- > 0;
  }
  /** Whether something was refused, or would be. */
  get isSpent(): boolean {
    return this.#units <= 0 || this.#fetches < 0;
  }
}
