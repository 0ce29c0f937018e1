// Which part of a client's subnet upstreams are told, and of which names (RFC 7871): as little as finds a server near by. Who
// has asked that nothing be told (a prefix of 0 bits, section 7.1.2) is obeyed, and of a network of somebody's own upstreams
// can make nothing (section 11.1).
import { formatAddress, maskedOctets } from '../base/address.js';
import { scopeOf } from '../base/address-scope.js';
import { bySuffix, encodeName, foldName, nameKey } from '../wire/name.js';
import type { ClientSubnet, Query } from '../wire/query.js';

export interface ClientSubnetRules {
  /** The most bits that are told. */
  readonly ipv4Prefix: number;
  readonly ipv6Prefix: number;
  /** At and below which subnets are told; none: of all names. */
  readonly names: readonly string[];
}

export class ClientSubnets {
  readonly #names: ReadonlyMap<string, true>;

  constructor(private readonly rules: ClientSubnetRules) {
    this.#names = new Map(rules.names.map(name => [nameKey(foldName(encodeName(name))), true]));
  }

  /** What upstreams are told of the client's subnet; undefined: nothing. */
  sent({ clientSubnet, name }: Pick<Query, 'clientSubnet' | 'name'>): ClientSubnet | undefined {
    if (clientSubnet === undefined) return undefined;
    if (this.#names.size > 0 && bySuffix(name, this.#names) === undefined) return undefined;
    const { family, sourcePrefix, address } = clientSubnet;
    if (sourcePrefix === 0) return clientSubnet;
    const whole = new Uint8Array(family === 1 ? 4 : 16);
    whole.set(address);
    if (scopeOf(formatAddress(whole)) !== 'public') return undefined;
    const { ipv4Prefix, ipv6Prefix } = this.rules;
    const bits = Math.min(sourcePrefix, family === 1 ? ipv4Prefix : ipv6Prefix);
    if (bits === sourcePrefix) return clientSubnet;
    return { family, sourcePrefix: bits, address: maskedOctets(whole, bits).subarray(0, Math.ceil(bits / 8)) };
  }
}
