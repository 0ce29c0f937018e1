// Which questions are one: those that differ only in what is not sent upstream. Were each asked by itself, a forger would
// have as many chances to guess an id as there are queries under way (birthday attack: RFC 5452 section 5, CVE-2002-2211).
//
// The miss ring of the native plane keeps the same key (native/udp/miss_ring.h): what it joins is joined here, and what
// it keeps apart is kept apart.
import { nameKey } from '../wire/name.js';
import type { Query } from '../wire/query.js';

/** @param forwardClientSubnet whether clients' subnets go upstream: only then do they tell questions apart */
export function flightKey(query: Query, tenant: number, forwardClientSubnet: boolean): string {
  const bits =
    (query.dnssecOk ? 1 : 0) |
    (query.checkingDisabled ? 2 : 0) |
    (query.recursionDesired ? 4 : 0) |
    // DO asks for AD by itself (RFC 6840 section 5.7).
    (query.authenticData && !query.dnssecOk ? 8 : 0);
  const subnet = forwardClientSubnet ? query.clientSubnet : undefined;
  const key = `${tenant} ${query.type} ${query.dnsClass} ${bits} ${nameKey(query.name)}`;
  return subnet === undefined ? key : `${key} ${subnet.family}/${subnet.sourcePrefix}/${subnet.address.join('.')}`;
}
