// Proofs by NSEC records of one zone, verified before (RFC 4034 section 4, RFC 4035 section 5.4, RFC 6840 section 4;
// compact denial RFC 9824).
import { Type } from '../wire/iana.js';
import { countLabels, equalNames, foldName, isAtOrBelow, plainNameLength } from '../wire/name.js';
import { hasType, hidesBelow, isCut, lacksType, NXNAME } from './bitmap.js';
import { compareNames, lastLabels, wildcardOf } from './canonical.js';
import type { Proof } from './verdict.js';

export interface Nsec {
  /** Folded. */
  owner: Uint8Array;
  next: Uint8Array;
  bitmap: Uint8Array;
}

export function parseNsec(owner: Uint8Array, data: Uint8Array): Nsec | undefined {
  const size = plainNameLength(data, 0);
  return size === 0 ? undefined : { owner, next: foldName(data, 0, size), bitmap: data.subarray(size) };
}

/** Whether the name lies between the owner and the next name; the last record's next name is the apex. */
export function covers({ owner, next, bitmap }: Nsec, name: Uint8Array, zone: Uint8Array): boolean {
  if (!isAtOrBelow(name, zone) || compareNames(owner, name) >= 0) return false;
  if (!equalNames(next, zone) && compareNames(name, next) >= 0) return false;
  return !(isAtOrBelow(name, owner) && hidesBelow(bitmap));
}

/** Labels of the longest ancestor that two names share. */
function sharedLabels(a: Uint8Array, b: Uint8Array): number {
  let labels = Math.min(countLabels(a), countLabels(b));
  while (!equalNames(lastLabels(a, labels), lastLabels(b, labels))) labels--;
  return labels;
}

/** Labels of the closest encloser of a name that the record covers. */
export const encloserOf = (name: Uint8Array, { owner, next }: Nsec): number =>
  Math.max(sharedLabels(name, owner), sharedLabels(name, next));

export class NsecProofs {
  constructor(
    readonly zone: Uint8Array,
    readonly records: readonly Nsec[],
  ) {}

  #at(name: Uint8Array): Nsec[] {
    return this.records.filter(one => equalNames(one.owner, name));
  }

  /** The record that shows that a name does not exist: it is covered, and nothing is below it. */
  #absence(name: Uint8Array): Nsec | undefined {
    return this.records.find(one => covers(one, name, this.zone) && !isAtOrBelow(one.next, name));
  }

  nxdomain(name: Uint8Array): Proof {
    if (this.#at(name).some(({ bitmap }) => hasType(bitmap, NXNAME))) return 'proven';
    const absence = this.#absence(name);
    if (absence === undefined) return 'missing';
    const wildcard = wildcardOf(lastLabels(name, encloserOf(name, absence)));
    return this.#absence(wildcard) === undefined ? 'missing' : 'proven';
  }

  nodata(name: Uint8Array, type: number): Proof {
    if (this.#at(name).some(({ bitmap }) => lacksType(bitmap, type, name.length === 1))) return 'proven';
    // An empty non-terminal has no record of its own: the next name is below it.
    if (this.records.some(one => covers(one, name, this.zone) && isAtOrBelow(one.next, name))) return 'proven';
    const absence = this.#absence(name);
    if (absence === undefined) return 'missing';
    const wildcard = wildcardOf(lastLabels(name, encloserOf(name, absence)));
    return this.#at(wildcard).some(({ bitmap }) => lacksType(bitmap, type, false)) ? 'proven' : 'missing';
  }

  /** That a name has no data of its own that a wildcard below its last `labels` labels would yield to. */
  wildcard(name: Uint8Array, labels: number): Proof {
    const absence = this.#absence(name);
    return absence !== undefined && encloserOf(name, absence) === labels ? 'proven' : 'missing';
  }

  /** That a name has no DS: `cut` where it is a delegation, else `proven`. */
  noDs(name: Uint8Array): Proof {
    for (const { bitmap } of this.#at(name)) {
      if (lacksType(bitmap, Type.DS, false)) return isCut(bitmap) ? 'cut' : 'proven';
    }
    return this.records.some(one => covers(one, name, this.zone)) ? 'proven' : 'missing';
  }
}
