// What an event of the program makes stale: rules by the event's name, each of a namespace, each saying keys and tags.
//
// Bounds: 10,000 rules; of one event a rule may name 100,000 keys and tags.
import { optionError, ShardnsError } from '../../base/errors.js';
import { isOptionsObject } from '../../base/fields.js';
import { type ByteKey, checkTag } from './arguments.js';

/** What is forgotten: keys of the rule's namespace, and tags. A list is one of keys. */
export type Outdated =
  | readonly ByteKey[]
  | { readonly keys?: readonly ByteKey[] | undefined; readonly tags?: readonly string[] | undefined };
/** @param details what the event came with */
export type EventRule = (...details: never[]) => Outdated | undefined;

interface Ruled {
  readonly rule: EventRule;
  /** @throws {ShardnsError} ERR_SHARDNS_OPTION for what is no key of its namespace */
  readonly checkKey: (key: ByteKey) => void;
  readonly forget: (keys: readonly ByteKey[], tags: readonly string[]) => void;
}

const MAX_RULES = 10_000;
const MAX_NAMED = 100_000;

export class EventRules {
  readonly #rules = new Map<string, Set<Ruled>>();
  #count = 0;

  /** @returns takes the rule back */
  on(event: string, ruled: Ruled): () => void {
    checkEvent(event);
    if (typeof ruled.rule !== 'function') throw optionError('rule', ruled.rule, 'a function');
    if (this.#count >= MAX_RULES) throw new ShardnsError('ERR_SHARDNS_OVERLOAD', `${MAX_RULES} event rules are in use`);
    const rules = this.#rules.get(event) ?? new Set();
    this.#rules.set(event, rules.add(ruled));
    this.#count++;
    return () => {
      if (!rules.delete(ruled)) return;
      this.#count--;
      if (rules.size === 0 && this.#rules.get(event) === rules) this.#rules.delete(event);
    };
  }

  /**
   * All rules are asked before anything is forgotten: one that throws leaves all as it is.
   * @returns how many keys and tags were named
   */
  emit(event: string, details: readonly unknown[]): number {
    checkEvent(event);
    const outdated = [...(this.#rules.get(event) ?? [])].map(({ rule, checkKey, forget }) => {
      const said = readOutdated((rule as (...details: readonly unknown[]) => unknown)(...details));
      for (const key of said.keys) checkKey(key);
      for (const tag of said.tags) checkTag(tag);
      return { forget, ...said };
    });
    for (const { forget, keys, tags } of outdated) forget(keys, tags);
    return outdated.reduce((sum, { keys, tags }) => sum + keys.length + tags.length, 0);
  }
}

function checkEvent(event: unknown): void {
  if (typeof event !== 'string' || event === '' || event.length > 255) {
    throw optionError('event', event, 'a name of 1 to 255 characters');
  }
}

/** Nothing at all: nothing is stale. */
function readOutdated(said: unknown = []): { keys: readonly ByteKey[]; tags: readonly string[] } {
  const isOne = Array.isArray(said) || isOptionsObject(said);
  const {
    keys = [],
    tags = [],
    ...others
  } = (Array.isArray(said) ? { keys: said } : isOne ? said : {}) as {
    keys?: readonly ByteKey[];
    tags?: readonly string[];
  };
  const areLists = Array.isArray(keys) && Array.isArray(tags) && Object.keys(others).length === 0;
  if (!isOne || !areLists || keys.length + tags.length > MAX_NAMED) {
    throw optionError('rule', said, `a list of keys, or { keys, tags }, of at most ${MAX_NAMED}`);
  }
  return { keys: keys as readonly ByteKey[], tags: tags as readonly string[] };
}
