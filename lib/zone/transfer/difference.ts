// What changes from one version of a zone to another: records that go and records that come, as IXFR has them (RFC 1995
// section 4), and several differences as one.
import type { ResourceRecord } from '../../wire/message.js';
import { foldedName, nameKey } from '../../wire/name.js';
import { rdataKey } from '../../wire/rdata-layout.js';
import { serialOf } from '../soa.js';

/** SOA records are in `before` and `after` alone. */
export interface Difference {
  readonly before: ResourceRecord;
  readonly after: ResourceRecord;
  readonly deleted: readonly ResourceRecord[];
  readonly added: readonly ResourceRecord[];
}

export const fromSerial = ({ before }: Difference): number => serialOf(before);
export const toSerial = ({ after }: Difference): number => serialOf(after);
/** Of its records, as they stand in a message without compression. */
export function octetsOf({ before, after, deleted, added }: Difference): number {
  let octets = recordOctets(before) + recordOctets(after);
  for (const one of deleted) octets += recordOctets(one);
  for (const one of added) octets += recordOctets(one);
  return octets;
}
export const recordOctets = ({ name, data }: ResourceRecord): number => name.length + 10 + data.length;

/** The same for records that are one but for their TTL (RFC 2181 section 5; letters do not count). */
export const recordKey = ({ name, type, data }: Pick<ResourceRecord, 'name' | 'type' | 'data'>): string =>
  `${nameKey(foldedName(name))}${type} ${rdataKey(type, data)}`;

/** A chain of differences as one, and what has to hold of the zone that it begins with for the chain to be one. */
export interface Condensed {
  readonly difference: Difference;
  /** Records that went first and came again on the way: they are there. */
  readonly there: readonly ResourceRecord[];
  /** Records that came first and went again on the way: they are not. */
  readonly notThere: readonly ResourceRecord[];
}

/** Records that are looked at in one step: some milliseconds. */
const RECORDS_OF_STEP = 512;

/**
 * Several differences, of which each begins where the one before ends, as one: what comes and goes on the way is in none
 * (RFC 1995 section 5). A record that goes with one TTL and comes with another stays in both. In steps: a million records take
 * a second and more.
 */
export function* condensing(differences: readonly Difference[]): Generator<void, Condensed> {
  let done = 0;
  const deleted = new Map<string, ResourceRecord>();
  const added = new Map<string, ResourceRecord>();
  const there = new Map<string, ResourceRecord>();
  const notThere = new Map<string, ResourceRecord>();
  for (const one of differences) {
    for (const record of one.deleted) {
      if (++done % RECORDS_OF_STEP === 0) yield;
      const key = recordKey(record);
      if (!added.delete(key)) deleted.set(key, record);
      else if (!deleted.has(key) && !there.has(key)) notThere.set(key, record);
    }
    for (const record of one.added) {
      if (++done % RECORDS_OF_STEP === 0) yield;
      const key = recordKey(record);
      const gone = deleted.get(key);
      if (gone?.ttl === record.ttl) {
        deleted.delete(key);
        if (!notThere.has(key)) there.set(key, record);
      } else added.set(key, record);
    }
  }
  const [{ before }] = differences;
  const { after } = differences[differences.length - 1];
  return {
    difference: { before, after, deleted: [...deleted.values()], added: [...added.values()] },
    there: [...there.values()],
    notThere: [...notThere.values()],
  };
}

/** Its records as IXFR sends them: SOA, what goes, SOA, what comes. */
export function* recordsOfDifference({ before, after, deleted, added }: Difference): Generator<ResourceRecord> {
  yield before;
  yield* deleted;
  yield after;
  yield* added;
}
