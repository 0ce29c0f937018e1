// $GENERATE: entries that differ by a number (as BIND's manual, "BIND Primary File Extension", has it).
//
// Data that is one quoted string is what stands in the quotes (`MX "10 mail$"`), but of types that are made of strings.
//
// Bounds: GENERATE_LIMIT entries, of GENERATE_OCTETS together, the numbers in them not counted.

import { Type, typeCode } from '../wire/iana.js';

export const GENERATE_LIMIT = 65_536;
const GENERATE_OCTETS = 2 ** 25;

export interface Generated {
  count: number;
  entries(): Generator<string>;
}
export interface GenerateProblem {
  field: number;
  expected: string;
}

/** A place in a template where the number goes: `$`, or `${offset,width,base}`. */
interface Place {
  offset: number;
  width: number;
  base: string;
}

const PLACE = /\\[\s\S]|\$\$|\$\{([+-]?\d{1,10})(?:,(\d{1,3})(?:,([doxXnN]))?)?\}|\$/g;

/** @param fields of the entry, `$GENERATE` the first */
export function generatedEntries(fields: readonly string[]): Generated | GenerateProblem {
  const [, range = '', ...template] = fields;
  const match = /^(\d{1,10})-(\d{1,10})(?:\/(\d{1,10}))?$/.exec(range);
  const [start, stop, step] = [Number(match?.[1]), Number(match?.[2]), Number(match?.[3] ?? 1)];
  if (match === null || stop < start || step === 0 || stop > 0x7fffffff) {
    return { field: 1, expected: 'a range such as 1-100 or 0-250/10' };
  }
  const count = Math.floor((stop - start) / step) + 1;
  if (count > GENERATE_LIMIT) return { field: 1, expected: `a range of at most ${GENERATE_LIMIT} entries` };
  if (template.length < 3) return { field: fields.length, expected: 'an owner, a type and data' };
  const parts: (string | Place)[] = [];
  const text = withoutQuotes(template).join(' ');
  if (count * text.length > GENERATE_OCTETS) return { field: 1, expected: `at most ${GENERATE_OCTETS} octets in all` };
  let at = 0;
  for (const one of text.matchAll(PLACE)) {
    const [all, offset, width, base] = one;
    parts.push(text.slice(at, one.index));
    at = one.index + all.length;
    if (all === '$$' || all === '\\$') parts.push('$');
    else if (all.startsWith('\\')) parts.push(all);
    else {
      if (all === '$' && text[at] === '{')
        return { field: 2, expected: '${offset}, ${offset,width} or ${offset,width,base}' };
      if (Number(width ?? 0) > 255) return { field: 2, expected: 'a width of at most 255' };
      parts.push({ offset: Number(offset ?? 0), width: Number(width ?? 0), base: base ?? 'd' });
    }
  }
  parts.push(text.slice(at));
  const places = parts.filter(one => typeof one !== 'string');
  if (places.some(({ offset }) => start + offset < 0 || stop + offset > 0x7fffffff)) {
    return { field: 2, expected: 'numbers from 0 to 2147483647 with their offset' };
  }
  return {
    count,
    *entries() {
      for (let i = 0; i < count; i++) {
        const number = start + i * step;
        yield parts.map(one => (typeof one === 'string' ? one : written(number + one.offset, one))).join('');
      }
    },
  };
}

const OF_STRINGS = new Set<number | undefined>([
  Type.TXT,
  Type.SPF,
  Type.HINFO,
  Type.X25,
  Type.ISDN,
  Type.NINFO,
  Type.AVC,
]);

/** BIND has data of several fields in quotes, and takes them off. */
function withoutQuotes(template: readonly string[]): readonly string[] {
  const [type, data] = template.slice(-2);
  const code = typeCode(type);
  if (!data.startsWith('"') || code === undefined || OF_STRINGS.has(code)) return template;
  return [...template.slice(0, -1), data.slice(1, -1).replaceAll('\\"', '"')];
}

/**
 * Nibbles are written the last one first, each with a dot behind it that the width has room for (for ip6.arpa): of a width
 * that is even the last one has one too, as BIND has it.
 */
function written(value: number, { width, base }: Place): string {
  if (base === 'n' || base === 'N') {
    const digits = value.toString(16).padStart(Math.max(1, Math.ceil(width / 2)), '0');
    const nibbles = [...(base === 'N' ? digits.toUpperCase() : digits)].reverse();
    return nibbles.join('.') + (2 * nibbles.length === width ? '.' : '');
  }
  const digits = value.toString(base === 'o' ? 8 : base === 'd' ? 10 : 16).padStart(width, '0');
  return base === 'X' ? digits.toUpperCase() : digits;
}
