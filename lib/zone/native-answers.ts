// What native code is given of the zones that everybody is answered from: of names that are in none of them it tells
// denials, what wildcards make, and referrals, so that floods of such names neither fill the cache nor come here. It says
// what answer.ts says; where it does not, as of aliases, DNAME and proofs, that is asked.
import type { NativeCache } from '../native/binding.js';
import { keyOfNames } from './packed-nodes.js';
import type { Zone } from './zone.js';
import type { ZoneStore } from './zone-store.js';

export type ZoneAnsweringCache = Pick<NativeCache, 'putZone' | 'removeZone' | 'withholdZones'>;

export class NativeAnswers {
  constructor(private readonly cache: ZoneAnsweringCache) {}

  /** @param store whose changes are followed, from now on */
  follow(store: ZoneStore): void {
    store.onChange(({ apex, after, isOurs }) => {
      if (isOurs) this.cache.putZone(apex, after && versionOf(after));
      else this.cache.removeZone(apex);
    });
  }

  /** @param tags of clients who have zones of their own */
  withhold(tags: readonly number[]): void {
    this.cache.withholdZones(Uint32Array.from(tags));
  }
}

function versionOf({ base, overlay, octets }: Zone) {
  const [keyLow, keyHigh] = keyOfNames();
  return { base, changes: overlay?.nodes, keyLow, keyHigh, octets };
}
