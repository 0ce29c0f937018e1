// Catalog zones read (RFC 9432): which zones they list, with the group of each and where it moves to. A catalog that is
// broken in one place says nothing at all: the list of before holds (section 5.1).
//
// Bound: `maxMembers` zones; a catalog with more is broken.
import { Type } from '../../wire/iana.js';
import type { ResourceRecord } from '../../wire/message.js';
import { countLabels, encodeName, foldedName, foldName, isAtOrBelow, nameKey, nameToText } from '../../wire/name.js';

export interface CatalogMember {
  /** Folded apex of the zone. */
  readonly apex: Uint8Array;
  /** Its unique label: another one means that its state starts anew (section 5.4). */
  readonly label: string;
  /** What it is configured by (section 4.4.2). */
  readonly group: string | undefined;
  /** The catalog that it moves to (section 4.4.1), folded. */
  readonly movesTo: Uint8Array | undefined;
}

export type Catalog =
  /** By `nameKey` of their apexes. */
  { readonly members: ReadonlyMap<string, CatalogMember> } | { readonly broken: string };

const VERSION = '2';
const ZONES = encodeName('zones').subarray(0, -1);
const VERSION_LABEL = encodeName('version').subarray(0, -1);

interface Entry {
  targets: Uint8Array[];
  groups: string[];
  moves: Uint8Array[];
}

/** @param apex of the catalog, folded */
export function readCatalog(apex: Uint8Array, records: Iterable<ResourceRecord>, maxMembers: number): Catalog {
  const zones = Buffer.concat([ZONES, apex]);
  const version = Buffer.concat([VERSION_LABEL, apex]);
  const versions: string[] = [];
  const entries = new Map<string, Entry>();
  for (const { name, type, data } of records) {
    const owner = foldedName(name);
    if (type === Type.TXT && Buffer.compare(owner, version) === 0) versions.push(textOf(data));
    if (owner.length <= zones.length || !isAtOrBelow(owner, zones)) continue;
    const depth = countLabels(owner) - countLabels(zones);
    if (depth > 2) continue;
    const label = depth === 1 ? owner : owner.subarray(1 + owner[0]);
    const key = nameKey(label, 1 + label[0]);
    let entry = entries.get(key);
    if (entry === undefined) entries.set(key, (entry = { targets: [], groups: [], moves: [] }));
    const property = depth === 2 ? nameKey(owner.subarray(1), owner[0]) : '';
    if (depth === 1 && type === Type.PTR) entry.targets.push(foldName(data));
    else if (property === 'group' && type === Type.TXT) entry.groups.push(textOf(data));
    else if (property === 'coo' && type === Type.PTR) entry.moves.push(foldName(data));
  }
  if (versions.length !== 1) return { broken: `${versions.length} version records, expected one` };
  if (versions[0] !== VERSION) return { broken: `version ${JSON.stringify(versions[0])}, expected "${VERSION}"` };
  return membersOf(entries, maxMembers);
}

function membersOf(entries: ReadonlyMap<string, Entry>, maxMembers: number): Catalog {
  const members = new Map<string, CatalogMember>();
  for (const [key, { targets, groups, moves }] of entries) {
    const label = key.slice(1);
    if (targets.length === 0) continue; // properties of a member that is no more
    if (targets.length > 1) return { broken: `${targets.length} zones at the label ${JSON.stringify(label)}` };
    const [apex] = targets;
    if (moves.length > 1) return { broken: `${nameToText(apex)} moves to ${moves.length} catalogs` };
    if (members.has(nameKey(apex))) return { broken: `${nameToText(apex)} is listed twice` };
    if (members.size >= maxMembers) return { broken: `more than ${maxMembers} zones` };
    members.set(nameKey(apex), { apex, label, group: groups[0], movesTo: moves[0] });
  }
  return { members };
}

/** The strings of a TXT record as one. */
function textOf(data: Uint8Array): string {
  let text = '';
  for (let at = 0; at < data.length; at += 1 + data[at]) {
    text += Buffer.from(data.subarray(at + 1, at + 1 + data[at])).toString('latin1');
  }
  return text;
}

/** What a catalog's change means for the zones of a consumer. */
export interface CatalogChange {
  readonly added: readonly CatalogMember[];
  /** Had, and listed no more: to be forgotten with all that is kept of them. */
  readonly removed: readonly CatalogMember[];
  /** Under another label: to be had anew. */
  readonly reset: readonly CatalogMember[];
  /** With other properties. */
  readonly changed: readonly CatalogMember[];
}

export function catalogChange(
  before: ReadonlyMap<string, CatalogMember>,
  after: ReadonlyMap<string, CatalogMember>,
): CatalogChange {
  const added: CatalogMember[] = [];
  const reset: CatalogMember[] = [];
  const changed: CatalogMember[] = [];
  for (const [key, member] of after) {
    const old = before.get(key);
    if (old === undefined) added.push(member);
    else if (old.label !== member.label) reset.push(member);
    else if (old.group !== member.group) changed.push(member);
  }
  const removed = [...before].filter(([key]) => !after.has(key)).map(([, member]) => member);
  return { added, removed, reset, changed };
}
