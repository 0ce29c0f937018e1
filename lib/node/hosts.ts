// hosts(5): names that the machine knows by itself.
import { isIP } from 'node:net';

export interface HostAddresses {
  v4: string[];
  v6: string[];
}

export interface Hosts {
  /** By lower-case name. */
  names: ReadonlyMap<string, HostAddresses>;
  /** By address, canonical name first. */
  addresses: ReadonlyMap<string, string[]>;
}

export function parseHosts(text: string): Hosts {
  const names = new Map<string, HostAddresses>();
  const addresses = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address, ...aliases] = line.replace(/#.*$/, '').trim().split(/\s+/);
    const family = isIP(address);
    if (family === 0) continue;
    for (const alias of aliases) {
      const name = alias.toLowerCase();
      const known = names.get(name) ?? { v4: [], v6: [] };
      const list = family === 4 ? known.v4 : known.v6;
      if (!list.includes(address)) list.push(address);
      names.set(name, known);
    }
    addresses.set(address, [...(addresses.get(address) ?? []), ...aliases]);
  }
  return { names, addresses };
}
