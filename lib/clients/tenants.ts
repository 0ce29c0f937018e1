// Which tenant each client belongs to, as `onQuery` has said: remembered in the gate, where every listener looks before
// it answers, so that hits of tenants stay native.
//
// Bound: the gate's clients (`tenants.clients`); of four in one set the one that would have expired first goes, and that
// client is simply unknown again.
import { ShardnsError, show } from '../base/errors.js';
import { ALIAS_TAG } from '../native/binding.js';
import { REFUSED, UNKNOWN_TENANT } from '../native/binding.js';
import type { Gate } from './gate.js';

export class ClientTenants {
  constructor(
    private readonly gate: Gate,
    private readonly seconds: number,
  ) {}

  /** Clients that are remembered. */
  get size(): number {
    return this.gate.native.clients();
  }

  /** Undefined: not known, or not any more. */
  tenantOf(address: string): number | undefined {
    const tag = this.gate.judge(address);
    return tag === UNKNOWN_TENANT || tag === REFUSED ? undefined : tag;
  }

  remember(address: string, tenant: number): void {
    this.gate.remember(address, tenant, this.seconds);
  }

  forget(): void {
    this.gate.forgetClients();
  }
}

/** Those above are tags of aliases of lists. */
const MAX_TENANT = ALIAS_TAG - 1;

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
