// A service in the form of `dns.lookup`, for clients that take a lookup and a port of their own: addresses of the next
// endpoint first, then those of the others, so that a connection that fails goes on to another.
import type { LookupAddress } from 'node:dns';
import { type Endpoint, familyOf } from '../endpoint.js';
import type { ServiceFace } from '../service-face.js';

export type ServiceLookup = (hostname: string, options: unknown, callback?: unknown) => void;

/** No client tries more. */
const MAX_ADDRESSES = 16;
/** Of one endpoint: whoever owns a target's name must not leave no room for the others. */
const MAX_OF_ONE = 4;

function addressesFrom(service: ServiceFace, family: number): LookupAddress[] {
  const next = service.peek();
  const others = service.endpoints.filter(one => one !== next && one.state === 'up' && one.priority === next.priority);
  const found: LookupAddress[] = [];
  for (const one of [next, ...others] as readonly Endpoint[]) {
    let left = MAX_OF_ONE;
    for (const address of one.addresses) {
      if (found.length === MAX_ADDRESSES) return found;
      const own = familyOf(address);
      if (left === 0 || (family !== 0 && own !== family)) continue;
      found.push({ address, family: own });
      left--;
    }
  }
  return found;
}

const FAMILIES: ReadonlyMap<unknown, number> = new Map<unknown, number>([
  [4, 4],
  [6, 6],
  ['IPv4', 4],
  ['IPv6', 6],
]);

export function lookupOf(service: ServiceFace): ServiceLookup {
  return (hostname, options, callback) => {
    const done = (typeof options === 'function' ? options : callback) as (
      error: Error | null,
      address?: unknown,
      family?: number,
    ) => void;
    if (typeof done !== 'function') throw new TypeError('The "callback" argument must be of type function');
    const given =
      typeof options === 'object' && options !== null ? (options as { all?: boolean; family?: unknown }) : {};
    const family = FAMILIES.get(typeof options === 'number' ? options : given.family) ?? 0;
    process.nextTick(() => {
      let found: LookupAddress[];
      try {
        found = addressesFrom(service, family);
      } catch (error) {
        done(error as Error);
        return;
      }
      if (found.length === 0) {
        const error = new Error(`getaddrinfo ENOTFOUND ${hostname}`);
        done(Object.assign(error, { code: 'ENOTFOUND', errno: -3007, syscall: 'getaddrinfo', hostname }));
      } else if (given.all) done(null, found);
      else done(null, found[0].address, found[0].family);
    });
  };
}
