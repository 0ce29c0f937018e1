// Aliases that lists put in place of names (CNAME of a response policy zone, a rewrite to a name): each has a number, by
// which the native edge says that a question is to be answered behind it, and under whose tag what that comes to is kept.
//
// Bounds: MAX_ALIASES of all lists; of two generations of lists, as questions by those of before may be under way; and
// MAX_USED tags that are remembered to be forgotten in the cache.
import type { AddressPrefix } from '../base/address.js';
import { ALIAS_TAG, BEHIND_BIT, UNKNOWN_TENANT } from '../native/binding.js';
import { MAX_NAME_SIZE } from '../wire/iana.js';
import type { ListAlias } from './list-records.js';
import type { NameLists } from './lists.js';

/** Numbers have 14 bits, of which two generations have half each. */
export const MAX_ALIASES = 8191;
const NUMBERS = 2 * MAX_ALIASES;
const SHIFT = 17;
const VIEW = 0xffff;
const MAX_USED = 65_536;

interface Known {
  alias: ListAlias;
  lists: NameLists;
  /** Its place among what the lists put in. */
  data: number;
}

export const isAliasTag = (tag: number): boolean => tag >= ALIAS_TAG && tag !== UNKNOWN_TENANT;
/** Whether the alias stands in the place of a name that the question's leads to. */
export const isBehind = (tag: number): boolean => (tag & BEHIND_BIT) !== 0;
/** The tag of the client's view. */
export const viewOf = (tag: number): number => tag & VIEW;

/** The name that the alias of `name` leads to; undefined where it would be too long (RFC 6672 section 2.2). */
export function targetOf({ target, below }: ListAlias, name: Uint8Array): Uint8Array | undefined {
  if (!below) return target;
  const whole = Uint8Array.from([...name.subarray(0, -1), ...target]);
  return whole.length > MAX_NAME_SIZE ? undefined : whole;
}

export class ListAliases {
  #lists: NameLists | undefined;
  #tags = new Uint32Array(0);
  #now = new Map<number, Known>();
  #before = new Map<number, Known>();
  #half = 0;
  #used = new Set<number>();
  ttlSeconds = 0;
  /** By which addresses of answers are made of IPv4 ones. */
  translation: AddressPrefix | undefined;
  /** Whether what they come to may be kept: nobody else has the cache, to whom numbers are other aliases'. */
  keeps = true;

  /** Of each of the lists' `data` the tag of its alias, without a view's; 0: it is none. */
  tagsOf(lists: NameLists | undefined): Uint32Array {
    if (lists === this.#lists) return this.#tags;
    this.#lists = lists;
    const aliases = lists?.aliases ?? [];
    this.#before = this.#now;
    this.#now = new Map();
    const count = Math.min(aliases.filter(one => one !== undefined).length, MAX_ALIASES);
    // In halves, in turn: those of before stay theirs.
    let number = (this.#half = NUMBERS / 2 - this.#half);
    const end = number + count;
    this.#tags = Uint32Array.from(aliases, (alias, data) => {
      if (alias === undefined || lists === undefined || number === end) return 0;
      this.#now.set(number, { alias, lists, data });
      return (ALIAS_TAG | (number++ << SHIFT)) >>> 0;
    });
    return this.#tags;
  }

  /** @param tag one of {@link isAliasTag} */
  find(tag: number): ListAlias | undefined {
    const alias = this.#known(tag)?.alias;
    if (alias === undefined) return undefined;
    if (this.#used.size < MAX_USED) this.#used.add(tag);
    return { ...alias, ttlSeconds: alias.ttlSeconds ?? this.ttlSeconds };
  }

  /**
   * How many records of an answer lead to the name in whose place the alias stands; undefined: none of its names has it.
   * A client's lists are not known here: of several that have the alias for names of one answer, the first is taken.
   * @param answer a whole response in wire form
   */
  kept(tag: number, answer: Uint8Array): number | undefined {
    const known = this.#known(tag);
    if (known === undefined) return undefined;
    const { lists, data } = known;
    for (let list = 0; list < lists.reports.length; list++) {
      const found = lists.judge(answer, 1n << BigInt(list), this.translation);
      if (found?.action === 'data' && found.data === data && found.kept > 0) return found.kept;
    }
    return undefined;
  }

  #known(tag: number): Known | undefined {
    const number = (tag & ~ALIAS_TAG) >>> SHIFT;
    return this.#now.get(number) ?? this.#before.get(number);
  }

  /** Under which something may have been kept; more than are remembered are 'all'. They are remembered no more. */
  takeUsed(): readonly number[] | 'all' {
    const used = this.#used;
    this.#used = new Set();
    return used.size < MAX_USED ? [...used] : 'all';
  }
}
