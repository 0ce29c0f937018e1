// What a new version of a zone changes in answers that were made of the one before: what is to be forgotten of them.
//
// A name that changed, with what lies below it where it has come or gone, or cuts or renames what is below; the aliases
// that lead to it; all that a wildcard stands for; the cut that it is glue of. Denials say the serial of the SOA, and
// referrals the addresses of servers elsewhere in the zone: those end within the hour by themselves.
//
// Bound: MOST are named; of more the whole zone is forgotten.
import { isWildcard } from '../dnssec/canonical.js';
import { foldName, nameKey } from '../wire/name.js';
import { NodeFlag, RRSET_HEADER } from './packed-nodes.js';
import { Type } from '../wire/iana.js';
import { differenceOf } from './changes.js';
import type { Zone } from './zone.js';
import { labelsAbove } from './zone-builder.js';

export type Touched = { name: Uint8Array } | { suffix: Uint8Array };

const MOST = 64;
/** Larger zones that were packed anew are not compared: all of such a one is forgotten. */
const MOST_COMPARED = 50_000;

export function touchedBy(before: Zone, after: Zone): Touched[] {
  const all = [{ suffix: after.apex }];
  if (before.base !== after.base && before.base.count + after.base.count > MOST_COMPARED) return all;
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
  for (const zone of [before, after]) for (const name of aliasesTo(zone, names)) note({ name });
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

/** Owners of aliases that lead to one of the names, by others too; a wildcard's are all below it. */
function aliasesTo(zone: Zone, names: ReadonlyMap<string, Uint8Array>): Uint8Array[] {
  const owners: { name: Uint8Array; target: string }[] = [];
  for (const node of zone.nodes()) {
    if ((zone.flagsOf(node) & NodeFlag.cname) === 0) continue;
    const data = zone.dataOf(node);
    const at = zone.rrset(node, Type.CNAME) + RRSET_HEADER;
    const length = (data[at] << 8) | data[at + 1];
    const target = foldName(data, at + 2, at + 2 + length);
    if (labelsAbove(zone.apex, target, 0, target.length) < 0) continue;
    const nodes = zone.nodesOf(node);
    const i = zone.indexOf(node);
    const labels = foldName(nodes.names, nodes.nameAt[i], nodes.nameAt[i + 1]);
    owners.push({ name: Buffer.concat([labels, zone.apex]), target: nameKey(target) });
  }
  const reached = new Set(names.keys());
  const found: Uint8Array[] = [];
  for (let more = true; more && found.length <= MOST;) {
    more = false;
    for (const { name, target } of owners) {
      if (!reached.has(target) || reached.has(nameKey(name))) continue;
      reached.add(nameKey(name));
      found.push(name);
      more = true;
    }
  }
  return found;
}
