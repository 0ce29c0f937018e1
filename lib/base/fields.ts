// Options that are one flat list, read without a schema library: caches and lookups are for programs whose start it
// would double (zod takes longer to load than all of theirs together). The server's nested ones are in options.ts.
import { ShardnsError, show } from './errors.js';
import { memoryExpected } from './memory.js';

/** What was expected in place of a value; `at` and `got` where it is an element that is wrong. */
type Wrong = string | { expected: string; at: string; got: unknown } | undefined;

/** One option: what it may be, and what it is where it is not given. */
export class Field<T, Out = T> {
  /** What it becomes, in types only. */
  declare readonly out: Out;
  /**
   * @param check says what was expected in place of a wrong value
   * @param isSecret whether a wrong value is left out of messages
   */
  constructor(
    readonly check: (value: unknown) => Wrong,
    readonly fallback?: T,
    readonly required = true,
    readonly isSecret = false,
  ) {}
  default(value: T): Field<T> {
    return new Field(this.check, value, false, this.isSecret);
  }
  optional(): Field<T, T | undefined> {
    return new Field<T, T | undefined>(this.check, undefined, false, this.isSecret);
  }
  secret(): Field<T, Out> {
    return new Field<T, Out>(this.check, this.fallback, this.required, true);
  }
  /** What holds beyond its type. */
  where(holds: (value: T) => boolean, expected: string): Field<T, Out> {
    const check = (value: unknown): Wrong => this.check(value) ?? (holds(value as T) ? undefined : expected);
    return new Field<T, Out>(check, this.fallback, this.required, this.isSecret);
  }
}

export type Fields = Readonly<
  Record<string, Pick<Field<unknown>, 'check' | 'fallback' | 'required' | 'isSecret' | 'out'>>
>;
/** What callers give: every field may be left out; those that may not are told at once. */
export type InputOf<F> = { [K in keyof F]?: F[K] extends { fallback?: infer T } ? T | undefined : never };
/** What is made of it. */
export type SettingsOf<F> = { [K in keyof F]: F[K] extends { out: infer Out } ? Out : never };

export const whole = (min: number, max: number): Field<number> =>
  new Field(value =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : `expected a whole number from ${min} to ${max}`,
  );
export const fraction = (min: number, max: number): Field<number> =>
  new Field(value =>
    typeof value === 'number' && value >= min && value <= max ? undefined : `expected a number from ${min} to ${max}`,
  );
/** @param infinity whether Infinity is one */
export const milliseconds = (least: number, infinity = false): Field<number> =>
  new Field(value =>
    typeof value === 'number' && value >= least && (infinity || value !== Infinity)
      ? undefined
      : `expected ${least} or more milliseconds`,
  );
export const flag: Field<boolean> = new Field(value => (typeof value === 'boolean' ? undefined : 'expected a boolean'));
export const oneOf = <const T extends string>(...words: T[]): Field<T> =>
  new Field(value =>
    words.includes(value as T) ? undefined : `expected one of ${words.map(word => `"${word}"`).join(', ')}`,
  );
/** What the path of a file must be, where this is none that any system takes. */
export function pathExpected(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return 'expected the path of a file';
  if (value.length > 1000) return 'expected a path of at most 1000 characters';
  return value.includes('\0') ? 'expected a path without NUL' : undefined;
}
export const path: Field<string> = new Field(pathExpected);
export const pathOrFalse: Field<string | false> = new Field(value =>
  value === false ? undefined : pathExpected(value),
);
/** Octets of a cache. */
export const memory: Field<string | number> = new Field(memoryExpected);
/** @param check says what was expected in place of a wrong element */
export const list = <T>(min: number, max: number, check: (element: unknown) => string | undefined): Field<T[]> =>
  new Field(value => {
    if (!Array.isArray(value) || value.length < min || value.length > max) return `expected a list of ${min} to ${max}`;
    for (const [i, got] of value.entries()) {
      const expected = check(got);
      if (expected !== undefined) return { expected, at: `.${i}`, got };
    }
    return undefined;
  });

/** What has these methods, in whatever class. */
export const having = <T>(...methods: string[]): Field<T> =>
  new Field(value => {
    const has = (method: string): boolean => typeof (value as Record<string, unknown>)[method] === 'function';
    const isOne = (typeof value === 'object' && value !== null) || typeof value === 'function';
    return isOne && methods.every(has) ? undefined : `expected an object with ${methods.join(', ')}`;
  });

/**
 * Whether it is an object that may hold options: no list, function, promise, map, date. Of those that have none of our
 * names nothing would ever be told.
 */
export function isOptionsObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.prototype.toString.call(value) === '[object Object]';
}

/** What a getter or a proxy of the caller's throws, as an error that names it. */
export function unreadable(name: string, cause: unknown): ShardnsError {
  const reason = cause instanceof Error ? cause.message : show(cause);
  return new ShardnsError('ERR_SHARDNS_OPTION', `${name}: cannot be read: ${reason}`, { cause });
}

/** The properties of an options object, each read once; what it inherits only where that has a name of ours. */
function propertiesOf(input: unknown, names: readonly string[], what: string): Readonly<Record<string, unknown>> {
  let name = what;
  let isOne = false;
  const read = new Map<string, unknown>();
  try {
    isOne = isOptionsObject(input);
    const object = input as Readonly<Record<string, unknown>>;
    if (isOne) for (name of new Set([...Object.keys(object), ...names])) read.set(name, object[name]);
  } catch (cause) {
    throw unreadable(name, cause);
  }
  if (!isOne) throw new ShardnsError('ERR_SHARDNS_OPTION', `${what}: expected an object, got ${show(input)}`);
  return Object.fromEntries(read);
}

/**
 * Wrong options, each with its name, its value and what was expected; none where all are right.
 * @param prefix before each name
 */
function problemsOf(fields: Fields, input: Readonly<Record<string, unknown>>, prefix: string): string[] {
  const problems = Object.keys(input)
    .filter(name => !Object.hasOwn(fields, name))
    .map(name => `${prefix}${name}: is not an option`);
  for (const [key, field] of Object.entries(fields)) {
    const value = input[key];
    const name = prefix + key;
    const got = (it: unknown): string => (field.isSecret ? '' : `, got ${show(it)}`);
    if (value === undefined && !field.required) continue;
    let wrong: Wrong;
    try {
      wrong = field.check(value);
    } catch (cause) {
      throw unreadable(name, cause);
    }
    if (typeof wrong === 'string') problems.push(`${name}: ${wrong}${got(value)}`);
    else if (wrong !== undefined) problems.push(`${name}${wrong.at}: ${wrong.expected}${got(wrong.got)}`);
  }
  return problems;
}

/** What a program gives as a whole: names of its parts stand alone in errors. */
const WHOLE: ReadonlySet<string> = new Set(['options', 'dependencies']);

/**
 * @param what the option that it is the value of, or one of WHOLE, which is named in errors
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming each wrong option, its value and what was expected
 */
export function readFields<F extends Fields>(fields: F, input: unknown, what = 'options'): SettingsOf<F> {
  const values = propertiesOf(input === undefined ? {} : input, Object.keys(fields), what);
  const problems = problemsOf(fields, values, WHOLE.has(what) ? '' : `${what}.`);
  if (problems.length > 0) throw new ShardnsError('ERR_SHARDNS_OPTION', problems.join('; '));
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, values[name] ?? field.fallback]),
  ) as SettingsOf<F>;
}
