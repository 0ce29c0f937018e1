// An option is one row: its schema, what it is for, and what a change of it asks of a server that runs. Validation,
// update(), docs/options.md and shardns.schema.json read the rows; nothing else says any of it again.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { withoutCredentials } from '../../base/errors.js';

/** `live`: in force at once; `relisten`: listeners are opened anew; `start`: counts at the next start; `restart`: refused. */
export type Change = 'live' | 'relisten' | 'start' | 'restart';

export interface Row {
  readonly schema: z.ZodType;
  readonly why: string;
  readonly change: Change;
  /** Not shown to those who may look at the settings. */
  readonly secret?: true;
}
export type Rows = Readonly<Record<string, Row>>;
type Shape<R extends Rows> = { [K in keyof R]: R[K]['schema'] };

/** The rows of a section and of what is refined from it. */
const rowsOfSections = z.registry<{ rows: unknown }>();

/** An object with these options and no others. */
export function section<R extends Rows>(rows: R): z.ZodObject<Shape<R>, z.core.$strict> {
  const shape = Object.fromEntries(
    Object.entries(rows).map(([key, { schema, why }]) => [key, schema.meta({ description: why })]),
  );
  const object = z.strictObject(shape) as unknown as z.ZodObject<Shape<R>, z.core.$strict>;
  rowsOfSections.add(object as z.ZodType, { rows });
  return object;
}

/** The rows of a section, also of one that has a default, is one of several forms, or the element of a list. */
export function rowsIn(schema: z.ZodType): { rows: Rows; list: boolean } | undefined {
  const rows = rowsOfSections.get(schema)?.rows as Rows | undefined;
  if (rows !== undefined) return { rows, list: false };
  const { def } = schema._zod as unknown as {
    def: { innerType?: z.ZodType; in?: z.ZodType; element?: z.ZodType; options?: z.ZodType[] };
  };
  if (def.innerType !== undefined) return rowsIn(def.innerType);
  if (def.in !== undefined) return rowsIn(def.in);
  if (def.options !== undefined) return def.options.map(rowsIn).find(found => found !== undefined);
  const element = def.element && rowsIn(def.element);
  return element && { ...element, list: true };
}

/** An option that has another value than before. */
export interface Changed {
  readonly path: string;
  readonly change: Change;
  readonly before: unknown;
  readonly after: unknown;
}

/** What is different between two settings of the same rows: the innermost options, by the order of the rows. */
export function changesOf(rows: Rows, before: object, after: object, at = ''): Changed[] {
  return Object.entries(rows).flatMap(([key, { schema, change }]): Changed[] => {
    const path = at + key;
    const [old, next] = [before, after].map(one => (one as Record<string, unknown>)[key]);
    if (isDeepStrictEqual(old, next)) return [];
    const inner = rowsIn(schema);
    return inner !== undefined && !inner.list && isObject(old) && isObject(next)
      ? changesOf(inner.rows, old, next, `${path}.`)
      : [{ path, change, before: old, after: next }];
  });
}

/** Settings for those who may look: what is secret is said to be there, and no more. */
export function withoutSecrets(rows: Rows, settings: object): object {
  const shown = Object.entries(settings).map(([key, value]: [string, unknown]) => {
    const row: Row | undefined = Object.hasOwn(rows, key) ? rows[key] : undefined;
    if (value === undefined || row === undefined) return [key, value];
    if (row.secret === true && !(Array.isArray(value) && value.length === 0)) return [key, '(hidden)'];
    const inner = rowsIn(row.schema);
    const hide = (one: unknown): unknown => {
      // A user and a password may stand in any URL.
      if (typeof one === 'string') return withoutCredentials(one);
      return inner !== undefined && isObject(one) ? withoutSecrets(inner.rows, one) : one;
    };
    return [key, Array.isArray(value) ? value.map(hide) : hide(value)];
  });
  return Object.fromEntries(shown) as object;
}

/** Whether a value at this place is, or may have in it, what nobody is to read in a log. */
export function isSecretAt(rows: Rows, path: readonly (string | number)[], value: unknown): boolean {
  const [key, ...below] = path;
  // Not what objects inherit: a name is the user's.
  const row: Row | undefined = Object.hasOwn(rows, key) ? rows[key] : undefined;
  if (row === undefined) return false;
  if (row.secret === true) return true;
  const inner = rowsIn(row.schema);
  if (inner === undefined) return false;
  // The places of a list's elements are numbers.
  const names = below.filter(part => typeof part === 'string');
  if (names.length > 0) return isSecretAt(inner.rows, names, value);
  return typeof value === 'object' && Object.values(inner.rows).some(hasSecret);
}

function hasSecret({ secret, schema }: Row): boolean {
  return secret === true || Object.values(rowsIn(schema)?.rows ?? {}).some(hasSecret);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
