// The addresses of a host in the order in which a caller is to try them, and what there is in their place.
import dns from 'node:dns';
import { sortAddresses } from './address-order.js';
import type { DnsClient } from './client.js';
import { EAI, insecureError, lookupError, QueryFailure } from './errors.js';
import type { Call, LookupAddress } from './lookup-call.js';
import { reported, type Secure, type Unproven } from './proof.js';

export interface Found {
  readonly v4: readonly string[];
  readonly v6: readonly string[];
  /** As those who asked for the same get it, of whom each takes a copy. */
  arranged?: { order: string; addresses: readonly LookupAddress[] };
}
/** Addresses; or what there is instead (EAI), or that nobody could tell. */
export type Outcome = Found | 'noname' | 'nodata' | 'addrfamily' | QueryFailure;
export type Wants = { v4: boolean; v6: boolean };

export function isFound(outcome: Outcome): outcome is Found {
  return typeof outcome === 'object' && !(outcome instanceof QueryFailure);
}

/** @param secure of a call that wants to know whether it is proven that there is no such name, or no address */
export function errorOf(
  outcome: Exclude<Outcome, Found>,
  hostname: string,
  secure: Secure | undefined,
  unproven: Unproven | undefined,
): NodeJS.ErrnoException {
  const why = outcome instanceof QueryFailure ? outcome.unproven : unproven;
  if (secure === 'required' && why !== undefined && (why.isBogus === true || !(outcome instanceof QueryFailure))) {
    return insecureError('getaddrinfo', hostname, why);
  }
  const error = plainErrorOf(outcome, hostname);
  return secure === undefined || outcome instanceof QueryFailure ? error : reported(error, why === undefined);
}

function plainErrorOf(outcome: Exclude<Outcome, Found>, hostname: string): NodeJS.ErrnoException {
  return outcome instanceof QueryFailure
    ? lookupError(EAI.again, hostname, outcome)
    : lookupError(EAI[outcome], hostname);
}

/** What a list of addresses has of those that are wanted. */
export function among(known: Found | undefined, wants: Wants): Found | undefined {
  if (known === undefined) return undefined;
  const found = { v4: wants.v4 ? known.v4 : [], v6: wants.v6 ? known.v6 : [] };
  return found.v4.length + found.v6.length > 0 ? found : undefined;
}

const inEither = (address: string): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 });

/** As getaddrinfo sorts them and Node then parts them: the order within a family is that of RFC 6724 in any case. */
function arrange(client: DnsClient, call: Call, found: Found): LookupAddress[] {
  let wanted = [...found.v6, ...found.v4];
  // getaddrinfo(3): mapped addresses where there are no others, or beside them with ALL.
  if (call.family === 6) {
    const mapped = found.v4.map(address => `::ffff:${address}`);
    wanted = found.v6.length === 0 || call.hints & dns.ALL ? [...found.v6, ...mapped] : [...found.v6];
  }
  if (wanted.length === 1) return [inEither(wanted[0])];
  const sorted = sortAddresses(wanted, client.local, client.settings.rotate).map(inEither);
  if (call.order === 'verbatim') return sorted;
  const first = call.order === 'ipv4first' ? 4 : 6;
  return [...sorted.filter(one => one.family === first), ...sorted.filter(one => one.family !== first)];
}

/** As all get it who asked for the same: each takes a copy of what it gives away. */
export function arranged(client: DnsClient, call: Call, found: Found): readonly LookupAddress[] {
  if (found.arranged?.order !== call.order) {
    found.arranged = { order: call.order, addresses: arrange(client, call, found) };
  }
  return found.arranged.addresses;
}

export const copyOf = (one: LookupAddress): LookupAddress => ({ address: one.address, family: one.family });
export const copyWith = ({ address, family }: LookupAddress, secure: boolean): LookupAddress => ({
  address,
  family,
  secure,
});
