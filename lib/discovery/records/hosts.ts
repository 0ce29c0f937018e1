// Addresses of many hosts at a time: those that came along, and those that have to be asked for; of a family that nobody can
// tell of now, those that were told before.
//
// Bounds: 64 questions of one service at a time, of the client's 512, beside the 384 that nobody waits for any more
// (patience.ts), two of a host; MAX_ADDRESSES of a host.
import { Type } from '../../wire/iana.js';
import { encodeName, equalNames, nameToText } from '../../wire/name.js';
import type { Earlier } from './earlier.js';
import { MAX_AT_ONCE, type PatientSource } from './patience.js';
import { addAddresses, type Addresses, MAX_ADDRESSES, recordsOf } from './reading.js';
import { type Answer, QueryFailure, type RecordSource } from './source.js';

export interface HostAddresses {
  /** Sorted; empty: there are none, or none that could be asked for. */
  readonly addresses: readonly string[];
  /** Seconds. */
  readonly ttl: number;
  /** No server could tell. */
  readonly failed: boolean;
  /** There is no such name (NXDOMAIN). */
  readonly noName: boolean;
  /** Of a source that proves: why not all of it is. */
  readonly unproven: string | undefined;
}

/** Runs `work` for each item, so many at a time. */
export async function eachOf<T>(items: Iterable<T>, most: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = left.next(); !next.done; next = left.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: most }, worker));
}

/** An answer, or that nobody could tell. */
export async function askOrFail(source: RecordSource, name: string, type: number): Promise<Answer | QueryFailure> {
  try {
    return await source.ask(name, type);
  } catch (error) {
    if (error instanceof QueryFailure) return error;
    // A target that is no name that can be asked for has no address.
    if (error instanceof Error && (error as { code?: string }).code === 'ERR_SHARDNS_MESSAGE') {
      return new QueryFailure('EFORMERR');
    }
    throw error;
  }
}

/** Whether it is an answer; where all has to be proven, only what is. */
export function isTold<T extends { readonly unproven?: unknown }>(
  answer: T | QueryFailure,
  { provenOnly }: { readonly provenOnly: boolean },
): answer is T {
  return !(answer instanceof QueryFailure) && !(provenOnly && answer.unproven !== undefined);
}

/** Aliases whose ends a server leaves to whoever asks it, as those do that do not resolve. */
const MAX_FOLLOWED = 4;

/** What a name has of a type, its aliases followed. */
async function askFollowing(source: RecordSource, name: string, type: number) {
  let asked = name;
  let ttl = Infinity;
  let unproven: string | undefined;
  for (let followed = 0; ; followed++) {
    const answer = await askOrFail(source, asked, type);
    if (answer instanceof QueryFailure) return answer;
    const found = recordsOf(answer, asked, type);
    ttl = Math.min(ttl, found.ttl);
    unproven ??= answer.unproven?.reason;
    const isAlias = found.records.length === 0 && !answer.missing && !equalNames(found.owner, encodeName(asked));
    if (!isAlias || followed === MAX_FOLLOWED) {
      return { records: found.records, ttl, unproven, missing: answer.missing };
    }
    asked = nameToText(found.owner);
  }
}

interface Asking {
  readonly earlier: Earlier;
  readonly provenOnly: boolean;
  /** Addresses of one host. */
  readonly most?: number;
}

async function addressesOf(source: RecordSource, key: string, host: string, asking: Asking): Promise<HostAddresses> {
  const { earlier, most = MAX_ADDRESSES } = asking;
  const name = `${host}.`;
  const types = [Type.AAAA, Type.A];
  const answers = await Promise.all(types.map(type => askFollowing(source, name, type)));
  const addresses: string[] = [];
  let least = Infinity;
  let failed = false;
  let unproven: string | undefined;
  let denied = Infinity;
  let noName = true;
  for (const [i, answer] of answers.entries()) {
    const family = `${key}${types[i]}`;
    const reason = answer instanceof QueryFailure ? answer.unproven?.reason : answer.unproven;
    unproven ??= reason;
    noName &&= !(answer instanceof QueryFailure) && answer.missing;
    if (!isTold(answer, asking)) {
      failed = true;
      addresses.push(...(earlier.addresses.untold(family) ?? []));
      continue;
    }
    const { records, ttl } = answer;
    const told: Addresses = { addresses: [], ttl: Infinity };
    addAddresses(told, records, most);
    addresses.push(...earlier.addresses.told(family, told.addresses));
    if (records.length > 0) least = Math.min(least, ttl);
    else denied = Math.min(denied, ttl);
  }
  const isFound = addresses.length > 0;
  // One family is enough. That there is no other is not asked about again for that: many zones say it for seconds only.
  const ttl = isFound ? least : denied;
  // Where all has to be proven, what is not is not among them.
  if (isFound && asking.provenOnly) unproven = undefined;
  return { addresses: source.sort(addresses.slice(0, most)), ttl, failed: failed && !isFound, noName, unproven };
}

/**
 * @param hosts by key
 * @param known what came along, by key: such a host is not asked for
 */
export async function addressesOfAll(
  source: PatientSource,
  hosts: ReadonlyMap<string, string>,
  known: ReadonlyMap<string, Addresses>,
  asking: Asking,
): Promise<Map<string, HostAddresses>> {
  const found = new Map<string, HostAddresses>();
  const wanted: [string, string][] = [];
  for (const [key, host] of hosts) {
    const came = source.proves ? undefined : known.get(key);
    if (came === undefined) wanted.push([key, host]);
    else {
      const addresses = source.sort(came.addresses);
      found.set(key, { addresses, ttl: came.ttl, failed: false, noName: false, unproven: undefined });
    }
  }
  const ordered = source.round(wanted, ([, host]) => `${host}.`);
  await eachOf(ordered, Math.min(MAX_AT_ONCE, ordered.length), async ([key, host]) => {
    found.set(key, await addressesOf(source, key, host, asking));
  });
  return found;
}
