// A new version of a zone from the records that have gone and come (RFC 1995 section 4): what did not change is shared with
// the old one, which stays as it is.
//
// Bounds: changed names are laid over the zone until they are `MERGE_SHARE` of its nodes; then all is packed anew. Names that
// change have MOST_HELD records in all, changed or not.
import { ShardnsError } from '../base/errors.js';
import { inOneGo } from '../base/slices.js';
import { canonicalKey, compareLabels } from '../dnssec/canonical.js';
import { Class, MAX_NAME_SIZE, typeName } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { foldName, nameKey, nameToText } from '../wire/name.js';
import { NameRecords, without } from './name-records.js';
import { overlaying } from './overlay.js';
import { NodeFlag } from './packed-nodes.js';
import { Zone } from './zone.js';
import { labelsAbove, ZONE_LIMITS, ZoneBuilder, type ZoneLimits } from './zone-builder.js';

export interface ZoneChanges {
  /** Taken away first. */
  removed: readonly ResourceRecord[];
  added: readonly ResourceRecord[];
}

const MERGE_SHARE = 0.01;
const MERGE_LEAST = 1000;
/** Records that are objects meanwhile: some 400 MB of them. */
const MOST_HELD = 1_000_000;

/** A name that differs from the zone's base, with all that it has now. */
interface Changed {
  /** Folded labels above the apex's. */
  labels: Uint8Array;
  records: NameRecords;
  state: 'live' | 'empty' | 'deleted';
}

/**
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE where a record is taken away that is not there, or added that is, or lies
 * outside of the zone, or where there is not one SOA afterwards; ERR_SHARDNS_OVERLOAD where a limit is reached
 */
export function changeZone(zone: Zone, changes: ZoneChanges, limits: ZoneLimits = ZONE_LIMITS): Zone {
  return inOneGo(changing(zone, changes, limits));
}

/** The same in steps: a million records that are packed anew take two seconds. */
export function changing(zone: Zone, changes: ZoneChanges, limits: ZoneLimits): Generator<void, Zone> {
  return new Changing(zone, limits).run(changes);
}

/** Changes, names and records that are done in one step: some milliseconds each. */
const CHANGES_OF_STEP = 256;
const NAMES_OF_STEP = 1024;
const RECORDS_OF_STEP = 2048;

class Changing {
  readonly #changed = new Map<string, Changed>();
  /** Keys of names that a changed one with records lies below. */
  readonly #above = new Set<string>();
  #recordCount: number;
  #held = 0;

  constructor(
    private readonly zone: Zone,
    private readonly limits: ZoneLimits,
  ) {
    this.#recordCount = zone.recordCount;
  }

  *run({ removed, added }: ZoneChanges): Generator<void, Zone> {
    const touched = new Set<Changed>();
    let done = 0;
    for (const record of removed) {
      touched.add(this.#remove(record));
      if (++done % CHANGES_OF_STEP === 0) yield;
    }
    for (const record of added) {
      touched.add(this.#add(record));
      if (++done % CHANGES_OF_STEP === 0) yield;
    }
    yield* this.#settleAll(touched);
    yield* this.#takeOldOverlay();
    const most = Math.max(MERGE_LEAST, MERGE_SHARE * this.zone.base.count);
    return yield* this.#changed.size > most ? this.#merged() : this.#laidOver();
  }

  #labelsOf(record: ResourceRecord): Uint8Array {
    const { apex } = this.zone;
    const cut = record.dnsClass === Class.IN ? labelsAbove(apex, record.name, 0, record.name.length) : -1;
    if (cut < 0) throw this.#wrong(record, 'which lies outside of it');
    return foldName(record.name, 0, cut);
  }

  #at(labels: Uint8Array): Changed {
    const key = nameKey(labels);
    let one = this.#changed.get(key);
    if (one === undefined) {
      const node = this.zone.find(labels, 0, labels.length);
      const records = new NameRecords(node < 0 ? [] : this.zone.recordsOf(node));
      this.#hold(records.size);
      this.#changed.set(key, (one = { labels, records, state: node < 0 ? 'deleted' : 'live' }));
    }
    return one;
  }

  #hold(records: number): void {
    this.#held += records;
    if (this.#held <= MOST_HELD) return;
    const { name, serial } = this.zone;
    const text = `changes to zone ${name} ${serial}: names of more than ${MOST_HELD} records`;
    throw new ShardnsError('ERR_SHARDNS_OVERLOAD', text);
  }

  #remove(record: ResourceRecord): Changed {
    const at = this.#at(this.#labelsOf(record));
    if (!at.records.delete(record)) throw this.#wrong(record, 'which is not there and was to be taken away');
    this.#recordCount--;
    return at;
  }

  #add(record: ResourceRecord): Changed {
    const at = this.#at(this.#labelsOf(record));
    if (at.records.has(record)) throw this.#wrong(record, 'which was to be added and is there');
    at.records.add(record);
    this.#hold(1);
    this.#recordCount++;
    return at;
  }

  #wrong({ name, type }: ResourceRecord, why: string): ShardnsError {
    const { zone } = this;
    const text = `changes to zone ${zone.name} ${zone.serial}: ${nameToText(name)} ${typeName(type)}, ${why}`;
    return new ShardnsError('ERR_SHARDNS_MESSAGE', text);
  }

  /** The deepest first, each once: whether a name is left as one that others lie below depends on those. */
  *#settleAll(touched: ReadonlySet<Changed>): Generator<void> {
    const byLength: Set<Changed>[] = Array.from({ length: MAX_NAME_SIZE + 1 }, () => new Set());
    let done = 0;
    for (const one of touched) {
      byLength[one.labels.length].add(one);
      this.#noteAbove(one);
      if (++done % NAMES_OF_STEP === 0) yield;
    }
    for (let length = MAX_NAME_SIZE; length >= 0; length--) {
      for (const one of byLength[length]) {
        const parent = yield* this.#settle(one);
        if (parent !== undefined) byLength[parent.labels.length].add(parent);
        if (++done % CHANGES_OF_STEP === 0) yield;
      }
      byLength[length].clear();
    }
  }

  /** Names that one with records lies below. */
  #noteAbove({ labels, records }: Changed): void {
    if (records.size === 0) return;
    for (let at = 0; at < labels.length;) {
      at += 1 + labels[at];
      const key = nameKey(labels.subarray(at));
      // Those above it are noted too.
      if (this.#above.has(key)) return;
      this.#above.add(key);
    }
  }

  /** What a name is now. @returns the one above it, where that may be there because of it only */
  *#settle(one: Changed): Generator<void, Changed | undefined> {
    const { labels } = one;
    if (one.records.size > 0 || labels.length === 0) one.state = 'live';
    else one.state = (yield* this.#hasBelow(labels)) ? 'empty' : 'deleted';
    if (labels.length === 0) return undefined;
    const parent = labels.subarray(1 + labels[0]);
    const known = this.#changed.get(nameKey(parent));
    if (known !== undefined) return known;
    const node = this.zone.find(parent, 0, parent.length);
    // A parent that has records, or that stays as it was, needs no word.
    if (node >= 0) {
      const isEmpty = (this.zone.flagsOf(node) & NodeFlag.empty) !== 0;
      if (one.state !== 'deleted' || !isEmpty) return undefined;
    }
    const made = this.#at(parent);
    this.#noteAbove(made);
    return made;
  }

  *#hasBelow(labels: Uint8Array): Generator<void, boolean> {
    const { base } = this.zone;
    if (this.#above.has(nameKey(labels))) return true;
    // Nodes of the base and of the older changes that are not among those of now.
    const isSame = (i: number, nodes = base): boolean =>
      !this.#changed.has(nameKey(foldName(nodes.names, nodes.nameAt[i], nodes.nameAt[i + 1])));
    const { overlay } = this.zone;
    let at = base.lowerBound(labels, 0, labels.length);
    for (; at < base.count; at++) {
      if (base.compare(at, labels, 0, labels.length) === 0) continue;
      if (!base.isBelow(at, labels, 0, labels.length)) break;
      if ((base.flags[at] & NodeFlag.empty) === 0 && !overlay?.hides(at) && isSame(at)) return true;
      if (at % NAMES_OF_STEP === 0) yield;
    }
    if (overlay === undefined) return false;
    const { nodes } = overlay;
    for (let i = nodes.lowerBound(labels, 0, labels.length); i < nodes.count; i++) {
      if (nodes.compare(i, labels, 0, labels.length) === 0) continue;
      if (!nodes.isBelow(i, labels, 0, labels.length)) break;
      const said = NodeFlag.empty | NodeFlag.unsaid | NodeFlag.deleted;
      if ((nodes.flags[i] & said) === 0 && isSame(i, nodes)) return true;
    }
    return false;
  }

  /** What was laid over the zone before stays so. */
  *#takeOldOverlay(): Generator<void> {
    const { overlay, base } = this.zone;
    if (overlay === undefined) return;
    const { nodes } = overlay;
    for (let i = 0; i < nodes.count; i++) {
      if (i % NAMES_OF_STEP === 0) yield;
      if (!overlay.isSaid(i)) continue;
      const labels = foldName(nodes.names, nodes.nameAt[i], nodes.nameAt[i + 1]);
      const key = nameKey(labels);
      if (this.#changed.has(key)) continue;
      const flags = nodes.flags[i];
      const state = flags & NodeFlag.deleted ? 'deleted' : flags & NodeFlag.empty ? 'empty' : 'live';
      const records = new NameRecords(state === 'live' ? this.zone.recordsOf(base.count + i) : []);
      this.#hold(records.size);
      this.#changed.set(key, { labels, records, state });
    }
  }

  *#laidOver(): Generator<void, Zone> {
    const { apex, base } = this.zone;
    const builder = new ZoneBuilder(apex, this.limits);
    // Labels and data of old changes are taken as they stand.
    let done = 0;
    for (const { labels, records, state } of this.#changed.values()) {
      for (const record of records) {
        builder.add(record);
        if (++done % RECORDS_OF_STEP === 0) yield;
      }
      if (records.size === 0) builder.mark(labels, state === 'deleted' ? NodeFlag.deleted : NodeFlag.empty);
      if (++done % RECORDS_OF_STEP === 0) yield;
    }
    const overlay = yield* overlaying(yield* builder.building({ isChange: true }), base);
    return new Zone(apex, base, { overlay, recordCount: this.#recordCount });
  }

  *#merged(): Generator<void, Zone> {
    const { apex } = this.zone;
    const builder = new ZoneBuilder(apex, this.limits);
    let done = 0;
    for (const { owner, ownerLength, type, ttl, octets, at, length } of this.zone.cursor()) {
      if (++done % RECORDS_OF_STEP === 0) yield;
      if (this.#changed.has(nameKey(foldName(owner, 0, ownerLength - apex.length)))) continue;
      builder.addOctets(owner, 0, ownerLength, type, ttl, octets, at, at + length);
    }
    for (const { records } of this.#changed.values()) {
      for (const record of records) {
        builder.add(record);
        if (++done % RECORDS_OF_STEP === 0) yield;
      }
    }
    return new Zone(apex, yield* builder.building());
  }
}

/** What one version has that another has not; both in the order of `Zone.records`. */
export interface RecordDifference {
  removed: ResourceRecord[];
  added: ResourceRecord[];
}

/** All of it in one go: for versions that share their base, and for zones that are not large. */
export function differenceOf(before: Zone, after: Zone): RecordDifference {
  return inOneGo(comparing(before, after));
}

/** The same in steps: a million names take half a second. */
export function* comparing(before: Zone, after: Zone): Generator<void, RecordDifference> {
  return yield* before.base === after.base ? differenceOfChanges(before, after) : differenceOfAll(before, after);
}

/** Of a base that both share nothing is looked at. */
function* differenceOfChanges(before: Zone, after: Zone): Generator<void, RecordDifference> {
  const names = new Map<string, Uint8Array>();
  for (const labels of namesApart(before, after)) {
    names.set(canonicalKey(Buffer.concat([labels, Uint8Array.of(0)])), labels);
  }
  const removed: ResourceRecord[] = [];
  const added: ResourceRecord[] = [];
  let looked = 0;
  for (const key of [...names.keys()].sort()) {
    const labels = names.get(key)!;
    const [gone, came] = [before, after].map(zone => {
      const node = zone.find(labels, 0, labels.length);
      return node < 0 ? [] : zone.recordsOf(node);
    });
    for (const one of without(gone, came)) removed.push(one);
    for (const one of without(came, gone)) added.push(one);
    if ((looked += gone.length + came.length) < RECORDS_OF_STEP) continue;
    looked = 0;
    yield;
  }
  return { removed, added };
}

/** Folded labels of what is laid over one version, and not in the same way over the other: most changes are older than both. */
function* namesApart(before: Zone, after: Zone): Generator<Uint8Array> {
  const [old, now] = [before.overlay, after.overlay];
  const [ends, end] = [old?.nodes.count ?? 0, now?.nodes.count ?? 0];
  for (let i = 0, j = 0; i < ends || j < end;) {
    const [x, y] = [before.base.count + i, after.base.count + j];
    const order = i === ends ? 1 : j === end ? -1 : compareNames(before, x, after, y);
    const wasSaid = order <= 0 && old!.isSaid(i);
    const isSaid = order >= 0 && now!.isSaid(j);
    const isSame = wasSaid && isSaid && old!.isLive(i) === now!.isLive(j) && hasSameData(before, x, after, y);
    if ((wasSaid || isSaid) && !isSame) {
      const { names, nameAt } = order <= 0 ? old!.nodes : now!.nodes;
      const at = order <= 0 ? i : j;
      yield foldName(names, nameAt[at], nameAt[at + 1]);
    }
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
}

function* differenceOfAll(before: Zone, after: Zone): Generator<void, RecordDifference> {
  const removed: ResourceRecord[] = [];
  const added: ResourceRecord[] = [];
  const old = before.nodes();
  const now = after.nodes();
  let x = old.next();
  let y = now.next();
  for (let looked = 0; x.done !== true || y.done !== true; looked++) {
    const order = x.done === true ? 1 : y.done === true ? -1 : compareNames(before, x.value, after, y.value);
    // Most are the same to the octet: of those nothing is made.
    if (order !== 0 || !hasSameData(before, x.value as number, after, y.value as number)) {
      const gone = order > 0 ? [] : before.recordsOf(x.value as number);
      const came = order < 0 ? [] : after.recordsOf(y.value as number);
      for (const one of without(gone, came)) removed.push(one);
      for (const one of without(came, gone)) added.push(one);
      looked += gone.length + came.length;
    }
    if (order <= 0) x = old.next();
    if (order >= 0) y = now.next();
    if (looked < NAMES_OF_STEP) continue;
    looked = 0;
    yield;
  }
  return { removed, added };
}

/** In canonical order, letters of either case alike. */
function compareNames(before: Zone, x: number, after: Zone, y: number): number {
  const [a, b] = [before.nodesOf(x), after.nodesOf(y)];
  const [i, j] = [before.indexOf(x), after.indexOf(y)];
  return compareLabels(a.names, a.nameAt[i], a.nameAt[i + 1], b.names, b.nameAt[j], b.nameAt[j + 1]);
}

function hasSameData(before: Zone, x: number, after: Zone, y: number): boolean {
  const [a, b] = [before.nodesOf(x), after.nodesOf(y)];
  const from = a.dataAt[before.indexOf(x)];
  const to = b.dataAt[after.indexOf(y)];
  const length = a.dataAt[before.indexOf(x) + 1] - from;
  if (b.dataAt[after.indexOf(y) + 1] - to !== length) return false;
  for (let i = 0; i < length; i++) if (a.data[from + i] !== b.data[to + i]) return false;
  return true;
}
