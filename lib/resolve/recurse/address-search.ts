// Addresses of name servers that a delegation came without: found one server after the other, and no more than needed.
//
// Bounds: name servers looked for, and those without any address, by RECURSION_LIMITS (NXNSAttack, CVE-2020-8616).
import { type Delegation, type NameServer, ownServers } from './delegation.js';
import type { Job } from './job.js';
import { RECURSION_LIMITS as L } from './limits.js';
import type { Setting } from './options.js';

/**
 * Looks for a name server's addresses of one family; false when its name does not exist.
 * What else is learnt of the delegation's servers on the way is added too.
 */
export type FindAddress = (delegation: Delegation, server: NameServer, family: 4 | 6, job: Job) => Promise<boolean>;

/** Whether a name server may have addresses that nobody has looked for. */
export function hasUnknownAddresses(
  { servers }: Delegation,
  { ipv4, ipv6 }: { readonly ipv4: boolean; readonly ipv6: boolean },
): boolean {
  for (const { asked } of servers) if ((ipv4 && !asked[4]) || (ipv6 && !asked[6])) return true;
  return false;
}

export class AddressSearch {
  constructor(
    private readonly findAddress: FindAddress,
    private readonly setting: Setting,
  ) {}

  /** Looks for addresses of one more name server. */
  async findMore(delegation: Delegation, job: Job): Promise<void> {
    const { options } = this.setting;
    ownServers(delegation);
    const families = ([4, 6] as const).filter(family => (family === 4 ? options.ipv4 : options.ipv6));
    const open = delegation.servers.filter(one => families.some(family => !one.asked[family]));
    // Those without any address first.
    open.sort((a, b) => Number(a.addresses.length > 0) - Number(b.addresses.length > 0));
    for (const server of open) {
      if (!server.asked[4] && !server.asked[6]) {
        const { budget } = job;
        const looked = delegation.servers.filter(one => one.asked[4] || one.asked[6]).length;
        if (
          looked >= L.nameServers + known(delegation) ||
          budget.nameServers >= L.nameServersInAll ||
          delegation.addressless >= L.addressless ||
          budget.addressless >= L.addresslessInAll
        ) {
          server.asked = { 4: true, 6: true };
          continue;
        }
        budget.nameServers++;
        this.setting.stats.nameServersFetched++;
      }
      const before = server.addresses.length;
      for (const family of families) {
        if (server.asked[family]) continue;
        server.asked[family] = true;
        const exists = await this.findAddress(delegation, server, family, job);
        if (server.addresses.length > before) return;
        if (!exists) server.asked = { 4: true, 6: true };
      }
      if (server.addresses.length === 0) {
        delegation.addressless++;
        job.budget.addressless++;
      }
    }
  }
}

/** Name servers whose addresses came along, or that are known not to exist. */
const known = (delegation: Delegation): number =>
  delegation.servers.filter(one => one.addresses.length > 0 || one.denied === true).length;
