// Aliases that lists put in place of names (CNAME of a response policy zone, a rewrite to a name): each has a number, by
// which the native edge says that a question is to be answered behind it, and under whose tag what that comes to is kept.
//
// Bounds: MAX_ALIASES of all lists; of two generations of lists, as questions by those of before may be under way; and
// MAX_USED tags that are remembered to be forgotten in the cache.
import { ALIAS_TAG, UNKNOWN_TENANT } from '../native/binding.js';
import { MAX_NAME_SIZE } from '../wire/iana.js';
import type { ListAlias, NameLists } from './lists.js';

/** Numbers have 15 bits, of which two generations have half each. */
export const MAX_ALIASES = 16_383;
const NUMBERS = 2 * MAX_ALIASES;
const SHIFT = 16;
const VIEW = 0xffff;
const MAX_USED = 65_536;

export const isAliasTag = (tag: number): boolean => tag >= ALIAS_TAG && tag !== UNKNOWN_TENANT;
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
  #now = new Map<number, ListAlias>();
  #before = new Map<number, ListAlias>();
  #half = 0;
  #used = new Set<number>();
  ttlSeconds = 0;
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
    this.#tags = Uint32Array.from(aliases, alias => {
      if (alias === undefined || number === end) return 0;
      this.#now.set(number, alias);
      return (ALIAS_TAG | (number++ << SHIFT)) >>> 0;
    });
    return this.#tags;
  }

  /** @param tag one of {@link isAliasTag} */
  find(tag: number): ListAlias | undefined {
    const number = (tag & ~ALIAS_TAG) >>> SHIFT;
    const alias = this.#now.get(number) ?? this.#before.get(number);
    if (alias === undefined) return undefined;
    if (this.#used.size < MAX_USED) this.#used.add(tag);
    return { ...alias, ttlSeconds: alias.ttlSeconds ?? this.ttlSeconds };
  }

  /** Under which something may have been kept; more than are remembered are 'all'. They are remembered no more. */
  takeUsed(): readonly number[] | 'all' {
    const used = this.#used;
    this.#used = new Set();
    return used.size < MAX_USED ? [...used] : 'all';
  }
}
