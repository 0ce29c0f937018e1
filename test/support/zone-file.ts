// Reads zone files of other projects (RFC 1035 section 5): owners and TTLs that are left out, relative names, parentheses,
// comments, quotes. No $INCLUDE and no $GENERATE.
import { Type, typeCode } from '../../lib/wire/iana.js';
import type { ResourceRecord } from '../../lib/wire/message.js';
import { encodeName } from '../../lib/wire/name.js';
import { encodeRdata } from '../../lib/wire/rdata.js';

/** Which words of a type's data are names. */
const NAMES = new Map<number, readonly number[]>([
  ...[Type.NS, Type.CNAME, Type.PTR, Type.DNAME, Type.NSEC].map(type => [type, [0]] as const),
  ...[Type.SOA, Type.RP].map(type => [type, [0, 1]] as const),
  ...[Type.MX, Type.AFSDB].map(type => [type, [1]] as const),
  [Type.SRV, [3]],
  [Type.NAPTR, [5]],
  [Type.RRSIG, [7]],
]);

export function readZone(text: string, origin: string): ResourceRecord[] {
  const records: ResourceRecord[] = [];
  const full = (name: string): string => (name === '@' ? origin : name.endsWith('.') ? name : `${name}.${origin}`);
  let owner = origin;
  let ttl = 3600;
  for (const { words, isIndented } of linesOf(text)) {
    if (words[0] === '$ORIGIN') [, origin] = words;
    else if (words[0] === '$TTL') ttl = Number(words[1]);
    if (words.length === 0 || words[0].startsWith('$')) continue;
    if (!isIndented) owner = full(words.shift()!);
    let lifetime = ttl;
    while (/^(\d+|IN)$/i.test(words[0])) {
      const word = words.shift()!;
      if (word.toUpperCase() !== 'IN') ttl = lifetime = Number(word);
    }
    const type = typeCode(words.shift()!.toUpperCase())!;
    for (const at of NAMES.get(type) ?? []) if (words[0] !== '\\#') words[at] = full(words[at]);
    const data = encodeRdata(type, words.join(' '));
    records.push({ name: encodeName(owner), type, dnsClass: 1, ttl: lifetime, data });
  }
  return records;
}

interface Line {
  words: string[];
  isIndented: boolean;
}

function linesOf(text: string): Line[] {
  const lines: Line[] = [];
  let line: Line | undefined;
  let open = 0;
  for (const match of text.matchAll(/;[^\n]*|\n|[()]|[^\S\n]+|(?:"(?:\\.|[^"\\])*"|\\.|[^\s"();])+/gs)) {
    const [part] = match;
    if (part === '\n') {
      if (open === 0) line = undefined;
    } else if (part === '(') open++;
    else if (part === ')') open--;
    else if (part[0] !== ';') {
      const isBlank = part.trim() === '';
      if (line === undefined) lines.push((line = { words: [], isIndented: isBlank }));
      if (!isBlank) line.words.push(part);
    }
  }
  return lines.filter(one => one.words.length > 0);
}
