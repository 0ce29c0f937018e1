// The records of one name while they change: found by type and data. A few are looked through; of more an index is made, so
// that a name of sixty thousand records costs what as many names do (CVE-2024-1737 of another server).
import type { ResourceRecord } from '../wire/message.js';
import { nameKey as octetsKey } from '../wire/name.js';
import { isSameRdata, rdataKey } from '../wire/rdata-layout.js';

/** So many are looked through faster than found by a key. */
const FEW = 16;

/** Each record once; the same are those of one type and data (RFC 2181 section 5), whatever their TTL. */
export class NameRecords {
  #list: ResourceRecord[];
  #index: Map<string, ResourceRecord> | undefined;

  /** @param records of one name, no two the same */
  constructor(records: readonly ResourceRecord[]) {
    this.#list = [...records];
  }

  get size(): number {
    return this.#index?.size ?? this.#list.length;
  }
  [Symbol.iterator](): Iterator<ResourceRecord> {
    return (this.#index ?? this.#list).values();
  }

  has(record: ResourceRecord): boolean {
    const index = this.#indexed();
    return index === undefined ? this.#placeOf(record) >= 0 : index.has(keyOf(record));
  }
  /** One that is not there. */
  add(record: ResourceRecord): void {
    const index = this.#indexed();
    if (index === undefined) this.#list.push(record);
    else index.set(keyOf(record), record);
  }
  /** @returns whether it was there */
  delete(record: ResourceRecord): boolean {
    const index = this.#indexed();
    if (index !== undefined) return index.delete(keyOf(record));
    const place = this.#placeOf(record);
    if (place >= 0) this.#list.splice(place, 1);
    return place >= 0;
  }

  #placeOf({ type, data }: ResourceRecord): number {
    return this.#list.findIndex(one => one.type === type && isSameRdata(type, one.data, data));
  }
  #indexed(): Map<string, ResourceRecord> | undefined {
    if (this.#index === undefined && this.#list.length > FEW) {
      this.#index = new Map(this.#list.map(one => [keyOf(one), one]));
      this.#list = [];
    }
    return this.#index;
  }
}

const keyOf = ({ type, data }: ResourceRecord): string => `${type} ${rdataKey(type, data)}`;

/** Records of one name that the other list has not; with another TTL, or in other letters, it is another one. */
export function without(records: readonly ResourceRecord[], others: readonly ResourceRecord[]): ResourceRecord[] {
  if (records.length === 0 || others.length === 0) return [...records];
  const exactly = ({ type, ttl, data }: ResourceRecord): string => `${type} ${ttl} ${octetsKey(data)}`;
  const there = new Set(others.map(exactly));
  return records.filter(one => !there.has(exactly(one)));
}
