// Which questions are one: those that differ only in what is not sent upstream. Were each asked by itself, a forger would
// have as many chances to guess an id as there are queries under way (birthday attack: RFC 5452 section 5, CVE-2002-2211).
//
// The miss ring of the native plane keeps the same key (native/udp/miss_ring.h): what it joins is joined here, and what
// it keeps apart is kept apart.
import { sameOctets } from '../base/octets.js';
import { nameKey } from '../wire/name.js';
import type { ClientSubnet, Query } from '../wire/query.js';

const Bit = { dnssecOk: 1, checkingDisabled: 2, recursionDesired: 4, authenticData: 8 } as const;

/** What of a question's header tells it from others, as bits. */
export function askedBits(query: Query): number {
  const { dnssecOk } = query;
  return (
    (dnssecOk ? Bit.dnssecOk : 0) |
    (query.checkingDisabled ? Bit.checkingDisabled : 0) |
    (query.recursionDesired ? Bit.recursionDesired : 0) |
    // DO asks for AD by itself (RFC 6840 section 5.7).
    (query.authenticData && !dnssecOk ? Bit.authenticData : 0)
  );
}

/** Whether two questions of one tenant are one; `flightKey` says the same as a key. */
export function isSameQuestion(one: Query, other: Query, forwardClientSubnet: boolean): boolean {
  return (
    one.type === other.type &&
    one.dnsClass === other.dnsClass &&
    askedBits(one) === askedBits(other) &&
    sameOctets(one.name, other.name) &&
    (!forwardClientSubnet || sameSubnet(one.clientSubnet, other.clientSubnet))
  );
}

/** @param forwardClientSubnet whether clients' subnets go upstream: only then do they tell questions apart */
export function flightKey(query: Query, tenant: number, forwardClientSubnet: boolean): string {
  return keyOf(query, tenant, forwardClientSubnet, askedBits(query));
}

/** Those of the same question without DO: with AD and with neither. */
export function keysWithoutDo(query: Query, tenant: number, forwardClientSubnet: boolean): [string, string] {
  const bits = askedBits(query) & ~(Bit.dnssecOk | Bit.authenticData);
  return [
    keyOf(query, tenant, forwardClientSubnet, bits),
    keyOf(query, tenant, forwardClientSubnet, bits | Bit.authenticData),
  ];
}

/** That of the refresh of what the cache has for the query, however it was asked for (asRefresh). */
export function refreshKey(query: Query, tenant: number, forwardClientSubnet: boolean): string {
  const { dnssecOk, checkingDisabled } = query;
  const bits = (dnssecOk ? Bit.dnssecOk : Bit.authenticData) | (checkingDisabled ? Bit.checkingDisabled : 0);
  return keyOf(query, tenant, forwardClientSubnet, bits | Bit.recursionDesired);
}

function keyOf(query: Query, tenant: number, forwardClientSubnet: boolean, bits: number): string {
  const subnet = forwardClientSubnet ? query.clientSubnet : undefined;
  const key = `${tenant} ${query.type} ${query.dnsClass} ${bits} ${nameKey(query.name)}`;
  return subnet === undefined ? key : `${key} ${subnet.family}/${subnet.sourcePrefix}/${subnet.address.join('.')}`;
}

function sameSubnet(one: ClientSubnet | undefined, other: ClientSubnet | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  const { family, sourcePrefix, address } = one;
  return family === other.family && sourcePrefix === other.sourcePrefix && sameOctets(address, other.address);
}
