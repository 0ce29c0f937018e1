// A zone as it is served: its names and records by canonical order, immutable. A new version is another object, which
// shares what did not change (changes.ts).
//
// A node is a number: below `base.count` one of the base, else one of the changes laid over it. -1 is none.
import { ShardnsError } from '../base/errors.js';
import { compareLabels } from '../dnssec/canonical.js';
import { Type } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { nameToText, plainNameLength } from '../wire/name.js';
import type { Overlay } from './overlay.js';
import type { PackedNodes } from './packed-nodes.js';
import { RecordCursor } from './record-cursor.js';

/** Fields of a SOA record's data (RFC 1035 section 3.3.13). Seconds. */
export interface SoaFields {
  serial: number;
  refresh: number;
  retry: number;
  expire: number;
  minimum: number;
}

export class Zone {
  /** Folded wire format. */
  readonly apex: Uint8Array;
  readonly base: PackedNodes;
  readonly overlay: Overlay | undefined;
  readonly recordCount: number;
  /** The apex as the zone's records write it. */
  readonly soa: ResourceRecord;
  readonly times: SoaFields;

  /**
   * @param apex folded
   * @throws {ShardnsError} ERR_SHARDNS_MESSAGE where there is not one SOA at the apex
   */
  constructor(apex: Uint8Array, base: PackedNodes, changes?: { overlay: Overlay; recordCount: number }) {
    this.apex = apex;
    this.base = base;
    this.overlay = changes?.overlay;
    this.recordCount = changes?.recordCount ?? base.recordCount;
    const soas = this.recordsAt(this.apexNode, Type.SOA);
    const [soa] = soas;
    const times = soa && soaFields(soa.data);
    if (soas.length !== 1 || times === undefined) {
      const found = soas.length === 1 ? 'a malformed one' : soas.length === 0 ? 'none' : `${soas.length}`;
      throw new ShardnsError(
        'ERR_SHARDNS_MESSAGE',
        `zone ${nameToText(apex)}: expected one SOA record at its apex, found ${found}`,
      );
    }
    this.soa = soa;
    this.times = times;
  }

  /** Whether it has the same records in the same order and letters: a zone file that was read again as it was. */
  isPackedAs({ base, overlay }: Zone): boolean {
    const mine = this.overlay?.nodes;
    const changes = overlay?.nodes;
    const isOverlaidAlike = mine === undefined || changes === undefined ? mine === changes : mine.isPackedAs(changes);
    return isOverlaidAlike && this.base.isPackedAs(base);
  }

  get serial(): number {
    return this.times.serial;
  }
  get name(): string {
    return nameToText(this.apex);
  }
  /** Octets of memory; a base that versions share counts in each. */
  get octets(): number {
    return this.base.octets + (this.overlay?.nodes.octets ?? 0);
  }
  get apexNode(): number {
    return this.find(this.apex, 0, 0);
  }

  /** @param labels folded, from below the apex's: `from` to `end`; nothing for the apex itself */
  find(labels: Uint8Array, from: number, end: number): number {
    if (this.overlay !== undefined) {
      const node = this.overlay.nodes.find(labels, from, end);
      if (node >= 0 && this.overlay.isSaid(node)) {
        return this.overlay.isLive(node) ? this.base.count + node : -1;
      }
    }
    return this.base.find(labels, from, end);
  }

  /** Which nodes one is of, and which of them it is. */
  nodesOf(node: number): PackedNodes {
    return node < this.base.count ? this.base : this.overlay!.nodes;
  }
  indexOf(node: number): number {
    return node < this.base.count ? node : node - this.base.count;
  }

  flagsOf(node: number): number {
    return this.nodesOf(node).flags[this.indexOf(node)];
  }
  dataOf(node: number): Uint8Array {
    return this.nodesOf(node).data;
  }
  /** Where an RRset begins in `dataOf(node)`, or -1. */
  rrset(node: number, type: number, covers = 0): number {
    return this.nodesOf(node).rrset(this.indexOf(node), type, covers);
  }

  /** The records of a node of one type, signatures of all types; for those who are in no hurry. */
  recordsAt(node: number, type: number): ResourceRecord[] {
    if (node < 0) return [];
    const records: ResourceRecord[] = [];
    const nodes = this.nodesOf(node);
    const index = this.indexOf(node);
    const cursor = new RecordCursor(this.apex);
    for (cursor.begin(nodes, index); cursor.next();) if (cursor.type === type) records.push(cursor.record());
    return records;
  }

  /** All of a name's records. @param labels as `find` takes them */
  recordsOf(node: number): ResourceRecord[] {
    const records: ResourceRecord[] = [];
    const cursor = new RecordCursor(this.apex);
    for (cursor.begin(this.nodesOf(node), this.indexOf(node)); cursor.next();) records.push(cursor.record());
    return records;
  }

  /** Nodes in canonical order, those that are no more left out. */
  *nodes(): Generator<number> {
    const { base, overlay } = this;
    if (overlay === undefined) {
      for (let i = 0; i < base.count; i++) yield i;
      return;
    }
    let next = 0;
    for (let i = 0; i <= base.count; i++) {
      let hidden = false;
      for (; next < overlay.nodes.count && overlay.position[next] === i; next++) {
        if (overlay.replaces[next] === 1 && overlay.isSaid(next)) hidden = true;
        if (overlay.isLive(next)) yield base.count + next;
      }
      if (i < base.count && !hidden) yield i;
    }
  }

  /**
   * All records: SOA first, then by canonical order of names, types by number and data in canonical order: two zones with
   * the same records give the same. The cursor is one object for all of them; nothing is allocated for a record.
   */
  *cursor(): Generator<RecordCursor> {
    const cursor = new RecordCursor(this.apex);
    const apex = this.apexNode;
    for (cursor.begin(this.nodesOf(apex), this.indexOf(apex)); cursor.next();)
      if (cursor.type === Type.SOA) yield cursor;
    for (const node of this.nodes()) {
      const isApex = node === apex;
      for (cursor.begin(this.nodesOf(node), this.indexOf(node)); cursor.next();) {
        if (!isApex || cursor.type !== Type.SOA) yield cursor;
      }
    }
  }

  /** The same as objects. */
  *records(): Generator<ResourceRecord> {
    for (const cursor of this.cursor()) yield cursor.record();
  }

  compareNodes(a: number, b: number): number {
    const x = this.nodesOf(a);
    const y = this.nodesOf(b);
    const i = this.indexOf(a);
    const j = this.indexOf(b);
    return compareLabels(x.names, x.nameAt[i], x.nameAt[i + 1], y.names, y.nameAt[j], y.nameAt[j + 1]);
  }
}

/** @returns undefined for data that is none */
export function soaFields(data: Uint8Array): SoaFields | undefined {
  const first = plainNameLength(data, 0);
  const second = first === 0 ? 0 : plainNameLength(data, first);
  if (second === 0 || data.length !== first + second + 20) return undefined;
  const view = new DataView(data.buffer, data.byteOffset + first + second);
  const [serial, refresh, retry, expire, minimum] = [0, 4, 8, 12, 16].map(at => view.getUint32(at));
  return { serial, refresh, retry, expire, minimum };
}
