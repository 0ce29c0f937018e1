// Which tenant each client belongs to, as `onQuery` has said, or which view. The listeners in JavaScript read it here;
// the native plane has a copy of its own, so that hits of tenants stay native. A view follows from where a client asks
// from: nothing is remembered of it, so that addresses made up take nobody's place.
//
// Bound: `clients` addresses; the one set longest ago goes first, and that client is simply unknown again.
import { addressOctets } from '../base/address.js';
import { BoundedMap } from '../base/bounded-map.js';
import type { Clock } from '../base/clock.js';
import { ShardnsError, show } from '../base/errors.js';
import { MAX_TENANT } from '../cache/engine.js';
import type { Views } from './views.js';

export interface TenantSink {
  setTenant(address: Uint8Array, tenant: number, seconds: number): void;
  forgetTenants(): void;
}

export class ClientTenants {
  readonly #known: BoundedMap<string, { tenant: number; untilMs: number }>;
  /** The native copy, while there is one. */
  sink: TenantSink | undefined;

  constructor(
    private readonly clock: Clock,
    clients: number,
    private readonly seconds: number,
    /** Set: they decide, and nobody is asked. */
    private readonly views: Pick<Views, 'tagOf'> | undefined = undefined,
  ) {
    this.#known = new BoundedMap(clients);
  }

  get size(): number {
    return this.#known.size;
  }

  /** Undefined: not known, or not any more. */
  tenantOf(address: string): number | undefined {
    if (this.views !== undefined) return this.views.tagOf(address);
    const found = this.#known.get(address);
    return found !== undefined && found.untilMs > this.clock.nowMs() ? found.tenant : undefined;
  }

  /** The tag of a client's view, where there are views. */
  viewOf(address: string): number | undefined {
    return this.views?.tagOf(address);
  }

  remember(address: string, tenant: number): void {
    this.#known.set(address, { tenant, untilMs: this.clock.nowMs() + this.seconds * 1000 });
    this.sink?.setTenant(addressOctets(address), tenant, this.seconds);
  }

  forget(): void {
    this.#known.clear();
    this.sink?.forgetTenants();
  }
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION when `tenant` is no tag, or there are no tenants */
export function checkTenant(tenant: unknown, enabled: boolean): asserts tenant is number | undefined {
  if (tenant === undefined) return;
  if (typeof tenant !== 'number' || !Number.isInteger(tenant) || tenant < 0 || tenant > MAX_TENANT) {
    throw new ShardnsError(
      'ERR_SHARDNS_OPTION',
      `onQuery returned the tenant ${show(tenant)}: expected a whole number from 0 to ${MAX_TENANT}`,
    );
  }
  if (!enabled) {
    throw new ShardnsError(
      'ERR_SHARDNS_OPTION',
      `onQuery returned the tenant ${tenant}, but tenants are off: set tenants.enabled`,
    );
  }
}
