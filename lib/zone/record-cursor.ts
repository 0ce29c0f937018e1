// The records of packed nodes, one after the other, as they stand there: for transfers, which take a million of them.
import { Class } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { MAX_NAME_SIZE } from '../wire/iana.js';
import { countAt, endOfRrset, type PackedNodes, RRSET_HEADER, ttlAt, typeAt } from './packed-nodes.js';

export class RecordCursor {
  /** The owner in wire format, in its own letters: the first `ownerLength` octets. The same array for all records. */
  readonly owner = new Uint8Array(MAX_NAME_SIZE);
  ownerLength = 0;
  type = 0;
  ttl = 0;
  /** The record's data: `length` octets of `octets` from `at` on. */
  octets!: Uint8Array;
  at = 0;
  length = 0;
  #end = 0;
  #rrset = 0;
  #left = 0;

  constructor(private readonly apex: Uint8Array) {}

  begin(nodes: PackedNodes, node: number): void {
    const from = nodes.nameAt[node];
    const length = nodes.nameAt[node + 1] - from;
    for (let i = 0; i < length; i++) this.owner[i] = nodes.names[from + i];
    this.owner.set(this.apex, length);
    this.ownerLength = length + this.apex.length;
    this.octets = nodes.data;
    this.#rrset = nodes.dataAt[node];
    this.#end = nodes.dataAt[node + 1];
    this.#left = -1;
  }

  next(): boolean {
    const { octets } = this;
    if (this.#left === 0) this.#rrset = endOfRrset(octets, this.#rrset);
    if (this.#left <= 0) {
      if (this.#rrset >= this.#end) return false;
      this.type = typeAt(octets, this.#rrset);
      this.ttl = ttlAt(octets, this.#rrset);
      this.#left = countAt(octets, this.#rrset);
      this.at = this.#rrset + RRSET_HEADER;
    } else this.at += this.length;
    this.length = (octets[this.at] << 8) | octets[this.at + 1];
    this.at += 2;
    this.#left--;
    return true;
  }

  /** A copy. */
  record(): ResourceRecord {
    return {
      name: this.owner.slice(0, this.ownerLength),
      type: this.type,
      dnsClass: Class.IN,
      ttl: this.ttl,
      data: this.octets.slice(this.at, this.at + this.length),
    };
  }
}
