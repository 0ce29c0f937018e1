// Checks of arguments with the errors of Node's own validators: class, code and wording, so that a program which tests
// for them need not change.
import { inspect } from 'node:util';

const named = (name: string): string => `"${name}" ${name.includes('.') ? 'property' : 'argument'}`;

/** What a value is, as Node says it: `type number (7)`, `an instance of Object`. */
function received(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  switch (typeof value) {
    case 'function':
      return `function ${value.name}`;
    case 'object': {
      const name = (value as { constructor?: { name?: unknown } }).constructor?.name;
      return typeof name === 'string' && name !== '' ? `an instance of ${name}` : inspect(value, { depth: -1 });
    }
    case 'string': {
      const text = value.length > 28 ? `${value.slice(0, 25)}...` : value;
      return `type string (${text.includes("'") ? JSON.stringify(text) : `'${text}'`})`;
    }
    default:
      return `type ${typeof value} (${inspect(value)})`;
  }
}

const shown = (value: unknown): string => {
  const text = inspect(value);
  return text.length > 128 ? `${text.slice(0, 128)}...` : text;
};

/** ERR_INVALID_ARG_TYPE; `expected` such as `of type string`. */
export function argumentError(name: string, expected: string, value: unknown): TypeError {
  const text = `The ${named(name)} must be ${expected}. Received ${received(value)}`;
  return Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_TYPE' });
}

/** ERR_INVALID_ARG_VALUE; `reason` such as `is invalid`. */
export function valueError(name: string, reason: string, value: unknown): TypeError {
  const text = `The ${name.includes('.') ? 'property' : 'argument'} '${name}' ${reason}. Received ${shown(value)}`;
  return Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_VALUE' });
}

function rangeError(name: string, expected: string, value: unknown): RangeError {
  const text = `The value of "${name}" is out of range. It must be ${expected}. Received ${shown(value)}`;
  return Object.assign(new RangeError(text), { code: 'ERR_OUT_OF_RANGE' });
}

export function checkType(name: string, type: 'string' | 'number' | 'boolean' | 'function', value: unknown): void {
  if (typeof value !== type) throw argumentError(name, `of type ${type}`, value);
}

export function checkOneOf(name: string, allowed: readonly unknown[], value: unknown): void {
  if (allowed.includes(value)) return;
  throw valueError(name, `must be one of: ${allowed.map(one => inspect(one)).join(', ')}`, value);
}

/** A whole number from `least` to 2^31 - 1. */
export function checkInt32(name: string, least: number, value: unknown): void {
  if (typeof value !== 'number') throw argumentError(name, 'of type number', value);
  if (!Number.isInteger(value)) throw rangeError(name, 'an integer', value);
  if (value < least || value > 0x7fff_ffff) throw rangeError(name, `>= ${least} && <= 2147483647`, value);
}

/** Undefined is none. Null is not: Node takes none for it either. */
export function checkSignal(name: string, value: unknown): void {
  if (value === undefined) return;
  if (value === null || typeof value !== 'object' || !('aborted' in value)) {
    throw argumentError(name, 'an instance of AbortSignal', value);
  }
}
