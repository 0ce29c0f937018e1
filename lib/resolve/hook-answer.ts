// What of the records that a hook answers with belongs to the question: those of the type asked for, and the aliases that
// lead to them. So a hook may give a name's records without looking at the type, as a zone has them.
//
// Bounds: 16 aliases; the records that one message holds.
import { ShardnsError } from '../base/errors.js';
import { Type } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { equalNames, foldedName, isAtOrBelow, nameToText } from '../wire/name.js';
import type { Query } from '../wire/query.js';
import { coversType } from '../wire/scrub.js';
import { madeSoa } from './made-soa.js';

const MAX_ALIASES = 16;

/**
 * @returns the answer section, aliases before what they lead to; where records were given and none is of the type, the
 * authority section of a denial that lives as long as they
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming a record of another name
 */
export function answerOfHook(
  { name, type }: Pick<Query, 'name' | 'type'>,
  records: readonly ResourceRecord[],
): { answers: ResourceRecord[]; authorities: ResourceRecord[] } {
  const answers: ResourceRecord[] = [];
  let left = records.map(record => ({ record, owner: foldedName(record.name) }));
  let current = foldedName(name);
  /** Whether records here are what was asked for: not behind an alias that was asked for itself. */
  let asked = true;
  let denies = true;
  for (let i = 0; i <= MAX_ALIASES; i++) {
    let alias: Uint8Array | undefined;
    const others: typeof left = [];
    for (const one of left) {
      const { record } = one;
      if (!isOf(record, one.owner, current)) {
        others.push(one);
        continue;
      }
      if (record.type === Type.CNAME) alias ??= record.data;
      if (!asked || !isShown(record, type)) continue;
      answers.push(record);
      if (record.type === type || type === Type.ANY) denies = false;
    }
    left = others;
    if (alias === undefined) break;
    asked &&= type !== Type.CNAME && type !== Type.ANY;
    current = foldedName(alias);
  }
  if (left.length > 0) {
    throw new ShardnsError(
      'ERR_SHARDNS_OPTION',
      `onQuery answered ${nameToText(name)} with a record of ${nameToText(left[0].record.name)}: expected records of ` +
        'the name that was asked for, or of what its CNAME leads to',
    );
  }
  // An alias whose target has no record here is for the client to follow, as it was written.
  denies &&= records.some(record => equalNames(foldedName(record.name), current));
  const seconds = Math.min(...records.map(record => record.ttl));
  return { answers, authorities: denies ? [madeSoa(current, seconds)] : [] };
}

/** Whether a record is of this name, or the DNAME above it that makes its alias (RFC 6672 section 3.1). */
function isOf(record: ResourceRecord, owner: Uint8Array, name: Uint8Array): boolean {
  if (equalNames(owner, name)) return true;
  const dname = record.type === Type.DNAME || coversType(record, Type.DNAME);
  return dname && owner.length < name.length && isAtOrBelow(name, owner);
}

function isShown(record: ResourceRecord, type: number): boolean {
  if (type === Type.ANY || record.type === type) return true;
  const ways: readonly number[] = [Type.CNAME, Type.DNAME];
  return ways.includes(record.type) || [type, ...ways].some(one => coversType(record, one));
}
