// Which questions are one: those that differ only in what is not sent upstream. Were each asked by itself, a forger would
// have as many chances to guess an id as there are queries under way (birthday attack: RFC 5452 section 5, CVE-2002-2211).
//
// The miss ring of the native plane keeps the same key (native/udp/miss_ring.h): what it joins is joined here, and what
// it keeps apart is kept apart.
import { nameKey } from '../wire/name.js';
import type { Query } from '../wire/query.js';

const Bit = { dnssecOk: 1, checkingDisabled: 2, recursionDesired: 4, authenticData: 8 } as const;

/** @param forwardClientSubnet whether clients' subnets go upstream: only then do they tell questions apart */
export function flightKey(query: Query, tenant: number, forwardClientSubnet: boolean): string {
  const asked = (query.recursionDesired ? Bit.recursionDesired : 0) | (query.authenticData ? Bit.authenticData : 0);
  return keyOf(query, tenant, forwardClientSubnet, asked);
}

/** That of the refresh of what the cache has for the query, however it was asked for (asRefresh). */
export function refreshKey(query: Query, tenant: number, forwardClientSubnet: boolean): string {
  return keyOf(query, tenant, forwardClientSubnet, Bit.recursionDesired | Bit.authenticData);
}

function keyOf(query: Query, tenant: number, forwardClientSubnet: boolean, asked: number): string {
  const bits =
    (query.dnssecOk ? Bit.dnssecOk : 0) |
    (query.checkingDisabled ? Bit.checkingDisabled : 0) |
    // DO asks for AD by itself (RFC 6840 section 5.7).
    (query.dnssecOk ? asked & ~Bit.authenticData : asked);
  const subnet = forwardClientSubnet ? query.clientSubnet : undefined;
  const key = `${tenant} ${query.type} ${query.dnsClass} ${bits} ${nameKey(query.name)}`;
  return subnet === undefined ? key : `${key} ${subnet.family}/${subnet.sourcePrefix}/${subnet.address.join('.')}`;
}
