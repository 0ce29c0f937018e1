// Options as they are given, before they are judged: a copy of lists and plain objects, each property read once, so that
// what a caller changes afterwards, or a getter tells the second time, changes nothing here; and what changes make of them.
//
// Bound: MAX_DEPTH levels, of which options have six; deeper ones are judged as they are.
import { isOptionsObject, unreadable } from '../base/fields.js';
import { optionError } from '../base/errors.js';

const MAX_DEPTH = 16;

/**
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming what cannot be read, and objects that are no options: dates, maps,
 * promises, of which all that is wrong would be taken for nothing
 */
export function plainOptions(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw optionError('options', input, 'an object');
  }
  try {
    return copyOf(input, { name: 'options', depth: 0 });
  } catch (cause) {
    throw cause instanceof NotPlain ? optionError(cause.name, cause.value, 'a plain object') : cause;
  }
}

class NotPlain extends Error {
  constructor(
    override readonly name: string,
    readonly value: unknown,
  ) {
    super();
  }
}

function copyOf(value: unknown, at: { name: string; depth: number }): unknown {
  if (typeof value !== 'object' || value === null || at.depth === MAX_DEPTH) return value;
  const inside = (key: string | number): { name: string; depth: number } => {
    const name = typeof key === 'number' ? `${at.name}[${key}]` : at.depth === 0 ? key : `${at.name}.${key}`;
    return { name, depth: at.depth + 1 };
  };
  let name = at.name;
  const entries: [string | number, unknown][] = [];
  let isList: boolean;
  try {
    isList = Array.isArray(value);
    if (!isList && !isOptionsObject(value)) throw new NotPlain(name, value);
    const keys = isList ? (value as unknown[]).keys() : Object.keys(value);
    for (const key of keys) {
      ({ name } = inside(key));
      entries.push([key, (value as Record<string | number, unknown>)[key]]);
    }
  } catch (cause) {
    throw cause instanceof NotPlain ? cause : unreadable(name, cause);
  }
  const copies = entries.map(([key, one]) => [key, copyOf(one, inside(key))] as const);
  // Not by assignment: a key may be __proto__.
  return isList ? copies.map(([, one]) => one) : Object.fromEntries(copies);
}

/** Plain objects are merged, everything else is replaced. */
export function mergeOptions(base: unknown, changes: unknown): unknown {
  if (!isPlain(base) || !isPlain(changes)) return changes === undefined ? base : changes;
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(changes)) merged.set(key, mergeOptions(merged.get(key), value));
  return Object.fromEntries(merged);
}

/** The same as RFC 7396 has it: null takes an option away, so that its default holds. */
export function mergePatch(base: unknown, patch: unknown): unknown {
  if (!isPlain(patch)) return patch;
  const merged = new Map(Object.entries(isPlain(base) ? base : {}));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
