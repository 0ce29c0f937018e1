// The upstreams of a server, by the names of their groups.
import { formatSocketAddress, parseSocketAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import { Upstream } from '../upstream/upstream.js';
import { groupsOf } from './settings/upstreams.js';
import type { ServerSettings } from './settings/settings.js';

export class UpstreamGroups {
  #upstreams = new Map<string, Upstream>();

  constructor(private readonly clock: Clock) {}

  /** Each server once, however many groups it is in. */
  get all(): Upstream[] {
    return [...this.#upstreams.values()];
  }

  /** Servers that stay keep what is known of them. */
  use(settings: ServerSettings): Map<string, Upstream[]> {
    const known = this.#upstreams;
    const next = new Map<string, Upstream>();
    const groups = new Map<string, Upstream[]>();
    for (const [name, addresses] of Object.entries(groupsOf(settings))) {
      groups.set(
        name,
        addresses.map((text, i) => {
          const at = parseSocketAddress(text, `upstreams.${name}[${i}]`, 53);
          const label = formatSocketAddress(at);
          const upstream = next.get(label) ?? known.get(label) ?? new Upstream(at, this.clock);
          next.set(label, upstream);
          return upstream;
        }),
      );
    }
    this.#upstreams = next;
    return groups;
  }
}
