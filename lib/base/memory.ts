// Amounts of memory as people write them.

const MEMORY_UNITS: Record<string, number> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** `64MiB`, `1GiB`, `1048576`; octets. */
export function parseMemory(text: string | number): number | undefined {
  if (typeof text === 'number') return Number.isInteger(text) ? text : undefined;
  const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)?$/.exec(text.trim());
  return match === null ? undefined : Math.floor(Number(match[1]) * MEMORY_UNITS[match[2] ?? 'B']);
}
