// What a new version of a zone changes in answers that were made of the one before: what is to be forgotten of them.
//
// A name that changed, with what lies below it where it has come or gone, or cuts or renames what is below; the aliases
// that lead to it; all that a wildcard stands for; the cut that it is glue of. Denials say the serial of the SOA, and
// referrals the addresses of servers elsewhere in the zone: those end within the hour by themselves.
//
// Bound: MOST are named; of more the whole zone is forgotten.
import { isWildcard } from '../dnssec/canonical.js';
import { equalNames, foldName, nameKey } from '../wire/name.js';
import { hashOfNames, NodeFlag, type PackedNodes, RRSET_HEADER } from './packed-nodes.js';
import { Type } from '../wire/iana.js';
import { differenceOf } from './changes.js';
import type { Zone } from './zone.js';
import { labelsAbove } from './zone-builder.js';

export type Touched = { name: Uint8Array } | { suffix: Uint8Array };

const MOST = 64;
/** Larger zones that were packed anew are not compared: all of such a one is forgotten. */
const MOST_COMPARED = 10_000;
/** The same of their records, or of those of what is laid over both. */
const MOST_RECORDS = 100_000;

export function touchedBy(before: Zone, after: Zone): Touched[] {
  const all = [{ suffix: after.apex }];
  const isAnew = before.base !== after.base;
  if (isAnew && before.base.count + after.base.count > MOST_COMPARED) return all;
  const records = ({ overlay, recordCount }: Zone): number =>
    isAnew ? recordCount : (overlay?.nodes.recordCount ?? 0);
  if (records(before) + records(after) > MOST_RECORDS) return all;
  const { removed, added } = differenceOf(before, after);
  const names = new Map<string, Uint8Array>();
  for (const { name } of [...removed, ...added]) {
    const folded = foldName(name);
    names.set(nameKey(folded), folded);
    if (names.size > MOST) return all;
  }
  const touched = new Map<string, Touched>();
  const note = (one: Touched): void => {
    const [kind, name] = 'suffix' in one ? ['below', one.suffix] : ['name', one.name];
    touched.set(`${kind} ${nameKey(name)}`, one);
  };
  for (const name of names.values()) {
    for (const one of touchedByName(before, after, name)) note(one);
  }
  for (const name of aliasesTo([before, after], names)) note({ name });
  return touched.size > MOST ? all : [...touched.values()];
}

function touchedByName(before: Zone, after: Zone, name: Uint8Array): Touched[] {
  const { apex } = after;
  const end = name.length - apex.length;
  if (end > 0 && isWildcard(name)) return [{ suffix: name.subarray(2) }];
  const nodesOf = (at: number): [number, number] => [before.find(name, at, end), after.find(name, at, end)];
  // The highest name that has come or gone with it, or the cut that it lies below.
  let top = -1;
  for (let at = 0; at < end; at += 1 + name[at]) {
    const [old, now] = nodesOf(at);
    const flags = (old < 0 ? 0 : before.flagsOf(old)) | (now < 0 ? 0 : after.flagsOf(now));
    if (old < 0 !== now < 0 || (flags & (NodeFlag.cut | NodeFlag.dname)) !== 0) top = at;
  }
  return top < 0 ? [{ name }] : [{ suffix: name.subarray(top) }];
}

/** Owners of aliases that lead to one of the names, by others too. */
function aliasesTo(zones: readonly Zone[], names: ReadonlyMap<string, Uint8Array>): Uint8Array[] {
  const reached = new Map(names);
  const found: Uint8Array[] = [];
  for (let fresh = [...names.values()]; fresh.length > 0 && found.length <= MOST;) {
    const owners = zones.flatMap(({ apex, base, overlay }) =>
      [base, overlay?.nodes].flatMap(nodes => (nodes === undefined ? [] : aliasesAmong(apex, nodes, fresh))),
    );
    // Versions share what did not change: an alias is found in each.
    fresh = [];
    for (const name of owners) {
      const key = nameKey(name);
      if (reached.has(key)) continue;
      reached.set(key, name);
      fresh.push(name);
    }
    found.push(...fresh);
  }
  return found;
}

/** The aliases of packed nodes, in chains by the hash of what they lead to; places are counted from 1, 0 is none. */
interface Aliases {
  owners: Uint32Array;
  hashes: Uint32Array;
  next: Uint32Array;
  /** Where each chain begins: a power of two of them. */
  chains: Uint32Array;
}
const knownAliases = new WeakMap<PackedNodes, Aliases>();

const hashOf = (apex: Uint8Array, name: Uint8Array): number => hashOfNames()(name, 0, name.length - apex.length);

/** Found once for all versions that share the nodes. */
function aliasesIn(apex: Uint8Array, nodes: PackedNodes): Aliases {
  let known = knownAliases.get(nodes);
  if (known === undefined) {
    const owners: number[] = [];
    const hashes: number[] = [];
    for (let i = 0; i < nodes.count; i++) {
      if ((nodes.flags[i] & NodeFlag.cname) === 0) continue;
      const target = targetOf(nodes, i);
      if (labelsAbove(apex, target, 0, target.length) < 0) continue;
      owners.push(i);
      hashes.push(hashOf(apex, target));
    }
    const chains = new Uint32Array(2 ** Math.ceil(Math.log2(owners.length + 1)));
    const next = new Uint32Array(owners.length);
    for (const [i, hash] of hashes.entries()) {
      const chain = hash & (chains.length - 1);
      next[i] = chains[chain];
      chains[chain] = i + 1;
    }
    known = { owners: Uint32Array.from(owners), hashes: Uint32Array.from(hashes), next, chains };
    knownAliases.set(nodes, known);
  }
  return known;
}

function aliasesAmong(apex: Uint8Array, nodes: PackedNodes, names: readonly Uint8Array[]): Uint8Array[] {
  const { owners, hashes, next, chains } = aliasesIn(apex, nodes);
  const found: Uint8Array[] = [];
  for (const name of names) {
    const hash = hashOf(apex, name) >>> 0;
    for (let at = chains[hash & (chains.length - 1)]; at > 0 && found.length <= MOST; at = next[at - 1]) {
      const i = owners[at - 1];
      if (hashes[at - 1] === hash && equalNames(targetOf(nodes, i), name)) found.push(ownerOf(apex, nodes, i));
    }
  }
  return found;
}

const ownerOf = (apex: Uint8Array, nodes: PackedNodes, i: number): Uint8Array =>
  Buffer.concat([foldName(nodes.names, nodes.nameAt[i], nodes.nameAt[i + 1]), apex]);

/** Folded. */
function targetOf(nodes: PackedNodes, node: number): Uint8Array {
  const { data } = nodes;
  const at = nodes.rrset(node, Type.CNAME) + RRSET_HEADER;
  return foldName(data, at + 2, at + 2 + ((data[at] << 8) | data[at + 1]));
}
