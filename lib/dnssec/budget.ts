// What one client's question may cost in validation, whatever records it meets (CVE-2023-50387 KeyTrap,
// CVE-2023-50868, CVE-2026-42923). Cost is counted, not calls: a P-384 check is 24 of RSA's. Restarts share it.
//
// An answer that is forged is not to take what the true one needs: within one try of a question, checks that fail may cost a
// third of it. Who spends all of it, with signatures that are good, has it given once more for the next try: so a question
// costs twice the units at the most.

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

/** The part of the units that checks which fail may cost within one try. */
const FAILING_PART = 1 / 3;

export class Budget {
  readonly limits: Readonly<BudgetLimits>;
  #units: number;
  #fetches: number;
  /** What failed in this try. */
  #failed = 0;
  /** Something was refused in this try for what had failed before. */
  #isRefused = false;
  #isRenewed = false;
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
    if (this.#failed > this.limits.units * FAILING_PART) {
      this.#isRefused = true;
      return false;
    }
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
  /** What was paid for has come to nothing. */
  fail(cost: number): void {
    this.#failed += cost;
  }
  /** Begins a try: what failed before counts no more against it. */
  begin(): void {
    this.#failed = 0;
    this.#isRefused = false;
  }
  /** Begins another try, with all of the units where they are spent; false: that has been done before. */
  renew(): boolean {
    if (this.#fetches < 0) return false;
    if (this.#units <= 0) {
      if (this.#isRenewed) return false;
      this.#isRenewed = true;
      this.#units = this.limits.units;
    }
    this.begin();
    return true;
  }
  /** Whether something was refused in this try, or would be. */
  get isSpent(): boolean {
    return this.#isRefused || this.#units <= 0 || this.#fetches < 0;
  }
}
