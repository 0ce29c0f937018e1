// A zone file read to what is served of it and told of it, as plain data: for this thread or by another (zone-thread.ts).
import { inOneGo } from '../base/slices.js';
import { overlaying } from '../zone/overlay.js';
import { withDigest } from '../zone/digest.js';
import { loadZoneFile } from '../zone/load-zone.js';
import { type PackedArrays, PackedNodes } from '../zone/packed-nodes.js';
import { isSigned } from '../zone/update/apply-update.js';
import { problemText } from '../zone/zone-file.js';
import { Zone } from '../zone/zone.js';

export interface ZoneFileArgs {
  readonly file: string;
  /** Folded. */
  readonly apex: Uint8Array;
  readonly makeDigest: boolean;
}

export interface ZoneFileResult {
  /** Undefined: what is wrong with the file refuses it. */
  readonly zone: Zone | undefined;
  readonly problems: readonly string[];
  /** Those of the problems that refuse it. */
  readonly errors: readonly string[];
  readonly included: readonly string[];
}

/** @throws {ShardnsError} ERR_SHARDNS_FILE where the file itself cannot be read */
export function readZoneAt({ file, apex, makeDigest }: ZoneFileArgs): ZoneFileResult {
  const { zone, problems, included } = loadZoneFile(file, { apex });
  return {
    zone: zone !== undefined && makeDigest && !isSigned(zone) ? withDigest(zone) : zone,
    problems: problems.map(problemText),
    errors: problems.filter(one => one.severity === 'error').map(problemText),
    included,
  };
}

/** A zone as it goes from thread to thread. */
export interface PackedZone {
  readonly base: PackedArrays;
  /** Laid over the base. */
  readonly changes: PackedArrays | undefined;
  readonly recordCount: number;
}
/** Its arrays are handed over, not copied. */
export interface PackedResult extends Omit<ZoneFileResult, 'zone'>, Omit<PackedZone, 'base'> {
  readonly base: PackedArrays | undefined;
}

export function packed({ zone, ...said }: ZoneFileResult): PackedResult {
  return {
    ...said,
    base: zone && arraysOf(zone.base),
    changes: zone?.overlay && arraysOf(zone.overlay.nodes),
    recordCount: zone?.recordCount ?? 0,
  };
}
function arraysOf({ count, names, nameAt, data, dataAt, flags, slots, recordCount }: PackedNodes): PackedArrays {
  return { count, names, nameAt, data, dataAt, flags, slots, recordCount };
}
export const buffersOf = ({ base, changes }: PackedResult): ArrayBuffer[] =>
  [base, changes].flatMap(one =>
    one === undefined
      ? []
      : [one.names, one.nameAt, one.data, one.dataAt, one.flags, one.slots].map(array => array.buffer as ArrayBuffer),
  );

export function unpacked(apex: Uint8Array, { base, changes, recordCount, ...said }: PackedResult): ZoneFileResult {
  return { ...said, zone: base && unpackedZone(apex, { base, changes, recordCount }) };
}
/** Of the thread that has it, whose key of names is the one that it was packed by. */
export function unpackedZone(apex: Uint8Array, { base, changes, recordCount }: PackedZone): Zone {
  const nodes = new PackedNodes(base);
  const overlay = changes && inOneGo(overlaying(new PackedNodes(changes), nodes));
  return new Zone(apex, nodes, overlay && { overlay, recordCount });
}

/** A copy in memory that any number of threads read. */
export function sharedZone({ base, overlay, recordCount }: Zone): PackedZone {
  return { base: inSharedMemory(base), changes: overlay && inSharedMemory(overlay.nodes), recordCount };
}
function inSharedMemory(nodes: PackedNodes): PackedArrays {
  const { names, nameAt, data, dataAt, flags, slots, ...counts } = arraysOf(nodes);
  const octets = (from: Uint8Array): Uint8Array => {
    const to = new Uint8Array(new SharedArrayBuffer(from.length));
    to.set(from);
    return to;
  };
  const words = (from: Uint32Array): Uint32Array => {
    const to = new Uint32Array(new SharedArrayBuffer(from.byteLength));
    to.set(from);
    return to;
  };
  return {
    ...counts,
    names: octets(names),
    nameAt: words(nameAt),
    data: octets(data),
    dataAt: words(dataAt),
    flags: octets(flags),
    slots: words(slots),
  };
}
