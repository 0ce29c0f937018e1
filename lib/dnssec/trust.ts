// Trust anchors, positive and negative (RFC 4035 section 4.4, RFC 7646); those of the root (RFC 9718).
import { optionError } from '../base/errors.js';
import { algorithmOf, type AlgorithmPolicy, digestOf } from './algorithms.js';
import { usableDs } from './ds.js';
import { keyTag, parseKey, signsZone } from './key.js';
import { Type } from '../wire/iana.js';
import { bySuffix, encodeName, foldName, nameKey } from '../wire/name.js';
import { encodeRdata } from '../wire/rdata.js';

/** The root's key-signing keys 20326 (KSK-2017) and 38696 (KSK-2024). */
export const ROOT_ANCHORS: readonly string[] = [
  '. DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D',
  '. DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16',
];

export interface Anchor {
  /** Folded. */
  zone: Uint8Array;
  /** Data of DS records, and of DNSKEY records. */
  ds: Uint8Array[];
  keys: Uint8Array[];
}

/** A name at and below which nothing is validated (RFC 7646). */
export interface NegativeAnchor {
  name: string;
  /** Seconds since 1970 at which it ends; RFC 7646 section 2 wants a week at the most. */
  until?: number;
}

export class TrustAnchors {
  readonly #anchors = new Map<string, Anchor>();
  readonly #negatives = new Map<string, { zone: Uint8Array; until: number }>();

  /**
   * @param lines DS or DNSKEY records as in zone files, owner first; TTL and class may be there
   * @param negative names at and below which nothing is validated, unless a longer name has an anchor, or their end came:
   * then the name's own anchor counts again
   * @throws {ShardnsError} ERR_SHARDNS_OPTION naming the line
   */
  constructor(lines: readonly string[] = ROOT_ANCHORS, negative: readonly (string | NegativeAnchor)[] = []) {
    for (const one of negative) {
      const { name, until = Number.POSITIVE_INFINITY } = typeof one === 'string' ? { name: one } : one;
      if (typeof until !== 'number' || Number.isNaN(until)) {
        throw optionError('negativeTrustAnchors', until, `seconds since 1970 as the end of ${name}`);
      }
      const zone = read('negativeTrustAnchors', name, () => foldName(encodeName(name)));
      this.#negatives.set(nameKey(zone), { zone, until });
    }
    for (const line of lines) {
      const match = /^\s*(\S+)\s+(?:\d+\s+)?(?:IN\s+)?(?:\d+\s+)?(DS|DNSKEY)\s+(.+?)\s*$/i.exec(line);
      if (match === null) throw optionError('trustAnchors', line, 'a DS or DNSKEY record: name, type, data');
      const isDs = match[2].toUpperCase() === 'DS';
      const [zone, data] = read('trustAnchors', line, () => [
        foldName(encodeName(match[1])),
        encodeRdata(isDs ? Type.DS : Type.DNSKEY, match[3]),
      ]);
      const key = nameKey(zone);
      let anchor = this.#anchors.get(key);
      if (anchor === undefined) this.#anchors.set(key, (anchor = { zone, ds: [], keys: [] }));
      (isDs ? anchor.ds : anchor.keys).push(data);
    }
  }

  /**
   * Zones whose anchors are of no use. `insecure`: none has an algorithm and a digest that are believed, and nothing of the
   * zone is validated. `bogus`: no digest has the length of its kind, and none of the zone's keys is believed.
   */
  uselessBy(policy: AlgorithmPolicy): { zone: Uint8Array; is: 'insecure' | 'bogus' }[] {
    return this.all.flatMap(({ zone, ds, keys }): { zone: Uint8Array; is: 'insecure' | 'bogus' }[] => {
      if (keys.some(key => algorithmOf(key[3], policy) !== undefined)) return [];
      const { usable } = usableDs(ds, policy);
      if (usable.length === 0) return [{ zone, is: 'insecure' }];
      const whole = usable.some(one => one.digest.length === digestOf(one.digestType)?.size);
      return whole ? [] : [{ zone, is: 'bogus' }];
    });
  }

  /** Key tags of the root's anchors, without those of keys that are revoked. */
  get rootTags(): number[] {
    const root = this.#anchors.get('\0');
    if (root === undefined) return [];
    const keys = root.keys.filter(one => {
      const key = parseKey(one);
      return key !== undefined && signsZone(key);
    });
    return [...root.ds.map(one => (one[0] << 8) | one[1]), ...keys.map(keyTag)];
  }
  /** The positive ones, by zone. */
  get all(): Anchor[] {
    return [...this.#anchors.values()];
  }

  /**
   * What the longest name at or above this one has. Of one that has both the negative one counts: an operator sets it where
   * what the other leads to does not prove itself (RFC 7646 section 2).
   * @param now seconds since 1970; negative anchors that have ended by then do not count
   */
  closest(name: Uint8Array, now = Number.NEGATIVE_INFINITY): Anchor | 'negative' | undefined {
    const found = this.#closest(name, now);
    return found !== undefined && 'until' in found ? 'negative' : found;
  }
  /** The negative one that counts for a name, and its end in seconds since 1970. */
  negativeAt(name: Uint8Array, now = Number.NEGATIVE_INFINITY): { zone: Uint8Array; until: number } | undefined {
    const found = this.#closest(name, now);
    return found !== undefined && 'until' in found ? found : undefined;
  }
  /**
   * Whether a name has an anchor, of either kind and ended or not, that a name above it has not: what is said there decides
   * nothing here.
   */
  haveBetween(above: Uint8Array, name: Uint8Array): boolean {
    const isBetween = (_: unknown, length: number): boolean => length > above.length;
    return [this.#anchors, this.#negatives].some(table => bySuffix<unknown>(name, table, isBetween) !== undefined);
  }
  #closest(name: Uint8Array, now: number): Anchor | { zone: Uint8Array; until: number } | undefined {
    const positive = bySuffix(name, this.#anchors);
    const negative = bySuffix(name, this.#negatives, one => now < one.until);
    if (positive === undefined || negative === undefined) return negative ?? positive;
    return negative.zone.length >= positive.zone.length ? negative : positive;
  }
}

function read<T>(option: string, text: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw optionError(option, text, `what can be read: ${(error as Error).message}`);
  }
}
