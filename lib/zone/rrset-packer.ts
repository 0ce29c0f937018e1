// Packs the records of one name after the other: by type, signatures by what they cover, data in canonical order, each
// record once, one TTL an RRset (RFC 2181 sections 5 and 5.2).
//
// Bound: MAX_OF_NAME records of a name, as they came; an RRset of more than 64 KiB fits into no answer.
import { ShardnsError } from '../base/errors.js';
import { compareOctets } from '../dnssec/canonical.js';
import { Type } from '../wire/iana.js';
import { canonicalRdata, isSameRdata } from '../wire/rdata-layout.js';
import { NodeFlag, RRSET_HEADER } from './packed-nodes.js';

const NONE = 0xffffffff;
/** Of a record in the builder's log: next (4), type (2), ttl (4), length (2). */
export const LOG_HEADER = 12;

/** Sorted in one go: some hundred milliseconds. */
const MAX_OF_NAME = 0xffff;
/** Of more the canonical data is made once, not for each comparison. */
const FEW = 16;

/** What is set right while an RRset is packed; for warnings. */
export interface FoundInRrset {
  duplicate(owner: string, type: number): void;
  /** The lowest is taken. */
  differingTtls(owner: string, type: number, lowest: number): void;
}

export class RrsetPacker {
  #data: Uint8Array;
  end = 0;
  recordCount = 0;
  /** Records that were looked at so far, those that are there twice too. */
  looked = 0;
  /** Records of the node under way: where each begins in the log. */
  #records: number[] = [];

  constructor(
    private readonly log: Uint8Array,
    logEnd: number,
    private readonly maxOctets: number,
    private readonly found?: FoundInRrset,
  ) {
    this.#data = new Uint8Array(Math.max(1024, Math.floor(logEnd * 1.1)));
  }

  take(): Uint8Array {
    const { end } = this;
    const data = this.#data;
    this.#data = new Uint8Array(0);
    // What is over is given back where it is worth a copy.
    return data.length - end > data.length >> 6 ? data.slice(0, end) : data.subarray(0, end);
  }

  /** @returns the node's flags */
  packNode(first: number, owner: () => string): number {
    const { log } = this;
    const records = this.#records;
    records.length = 0;
    for (let at = first; at !== NONE; at = get32(log, at)) {
      records.push(at);
      if (records.length > MAX_OF_NAME) {
        throw new ShardnsError('ERR_SHARDNS_OVERLOAD', `${owner()}: more than ${MAX_OF_NAME} records`);
      }
    }
    this.looked += records.length;
    this.#sort();
    let flags = 0;
    let all = NodeFlag.nsec3 as number;
    for (let i = 0; i < records.length;) {
      const kind = this.#kind(records[i]);
      let to = i + 1;
      while (to < records.length && this.#kind(records[to]) === kind) to++;
      this.#packRrset(i, to, owner);
      i = to;
      const type = Math.floor(kind / 0x10000);
      if (type === Type.NS) flags |= NodeFlag.cut;
      else if (type === Type.DNAME) flags |= NodeFlag.dname;
      else if (type === Type.CNAME) flags |= NodeFlag.cname;
      if (type !== Type.NSEC3 && !(type === Type.RRSIG && kind % 0x10000 === Type.NSEC3)) all = 0;
    }
    return flags | all;
  }

  /** Type and what it covers, as one number. */
  #kind(at: number): number {
    const { log } = this;
    const type = (log[at + 4] << 8) | log[at + 5];
    return type * 0x10000 + (type === Type.RRSIG ? (log[at + LOG_HEADER] << 8) | log[at + LOG_HEADER + 1] : 0);
  }

  #dataOf(at: number): Uint8Array {
    const { log } = this;
    return log.subarray(at + LOG_HEADER, at + LOG_HEADER + ((log[at + 10] << 8) | log[at + 11]));
  }

  #sort(): void {
    const records = this.#records;
    if (records.length <= FEW) {
      if (records.length > 1) records.sort(this.#compare);
      return;
    }
    const keyed = records.map(at => ({ at, kind: this.#kind(at), data: this.#canonical(at) }));
    keyed.sort((a, b) => a.kind - b.kind || compareOctets(a.data, b.data));
    for (let i = 0; i < keyed.length; i++) records[i] = keyed[i].at;
  }
  #canonical(at: number): Uint8Array {
    return canonicalRdata(Math.floor(this.#kind(at) / 0x10000), this.#dataOf(at));
  }

  readonly #compare = (a: number, b: number): number =>
    this.#kind(a) - this.#kind(b) || compareOctets(this.#canonical(a), this.#canonical(b));

  #packRrset(from: number, to: number, owner: () => string): void {
    const { log } = this;
    const records = this.#records;
    const kind = this.#kind(records[from]);
    const type = Math.floor(kind / 0x10000);
    let ttl = get32(log, records[from] + 6);
    let differ = false;
    let size = RRSET_HEADER;
    for (let i = from; i < to; i++) {
      const one = get32(log, records[i] + 6);
      if (one !== ttl) differ = true;
      if (one < ttl) ttl = one;
      size += 2 + ((log[records[i] + 10] << 8) | log[records[i] + 11]);
    }
    // Signatures have the TTL of what they cover, each its own.
    if (differ) this.found?.differingTtls(owner(), type, ttl);
    if (this.end + size > this.#data.length) this.#grow(this.end + size);
    const data = this.#data;
    const begin = this.end;
    let at = begin + RRSET_HEADER;
    let count = 0;
    for (let i = from; i < to; i++) {
      const record = records[i];
      if (i > from && isSameRdata(type, this.#dataOf(records[i - 1]), this.#dataOf(record))) {
        this.found?.duplicate(owner(), type);
        continue;
      }
      count++;
      for (let here = record + 10, end = record + LOG_HEADER + ((log[here] << 8) | log[here + 1]); here < end; here++) {
        data[at++] = log[here];
      }
    }
    put(data, begin, type, 2);
    put(data, begin + 2, kind % 0x10000, 2);
    put(data, begin + 4, ttl, 4);
    put(data, begin + 8, count, 2);
    put(data, begin + 10, at - begin - RRSET_HEADER, 4);
    this.end = at;
    this.recordCount += count;
  }

  #grow(needed: number): void {
    if (needed > this.maxOctets) {
      throw new ShardnsError('ERR_SHARDNS_OVERLOAD', `a zone of more than ${this.maxOctets} octets`);
    }
    const larger = new Uint8Array(Math.min(this.maxOctets, Math.max(needed, Math.floor(1.5 * this.#data.length))));
    larger.set(this.#data.subarray(0, this.end));
    this.#data = larger;
  }
}

const get32 = (octets: Uint8Array, at: number): number =>
  ((octets[at] << 24) | (octets[at + 1] << 16) | (octets[at + 2] << 8) | octets[at + 3]) >>> 0;

function put(octets: Uint8Array, at: number, value: number, size: number): void {
  for (let i = size; i-- > 0; value = Math.floor(value / 256)) octets[at + i] = value & 0xff;
}
