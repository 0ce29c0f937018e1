// Amounts of memory as people write them.

const MEMORY_UNITS: Record<string, number> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** `64MiB`, `1GiB`, `1048576`; octets. */
export function parseMemory(text: string | number): number | undefined {
  if (typeof text === 'number') return Number.isInteger(text) ? text : undefined;
  const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)?$/.exec(text.trim());
  return match === null ? undefined : Math.floor(Number(match[1]) * MEMORY_UNITS[match[2] ?? 'B']);
}

/** What octets of a cache must be, where these are not. */
export function memoryExpected(value: unknown): string | undefined {
  const octets = typeof value === 'string' || typeof value === 'number' ? parseMemory(value) : undefined;
  return octets === undefined || octets < 2 ** 20 || octets > 2 ** 40
    ? 'expected octets from 1 MiB to 1 TiB, such as 64MiB or 1GiB'
    : undefined;
}
