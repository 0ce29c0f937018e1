// Cases of other people's authoritative servers: what a zone is asked, and what was answered, as sets of records.
import { readFileSync } from 'node:fs';
import { answerFromZones } from '../../lib/zone/answer.js';
import { readZoneFile } from '../../lib/zone/zone-file.js';
import { ZoneStore } from '../../lib/zone/zone-store.js';
import { Rcode, rcodeName, Type, typeCode, typeName } from '../../lib/wire/iana.js';
import { decodeMessage, type ResourceRecord } from '../../lib/wire/message.js';
import { encodeName, foldName, nameToText } from '../../lib/wire/name.js';
import { decodeRdata } from '../../lib/wire/rdata.js';
import { canonicalRdata } from '../../lib/wire/rdata-layout.js';
import type { Zone } from '../../lib/zone/zone.js';

export interface ExpectedAnswer {
  rcode: string;
  flags: string[];
  answer: string[];
  authority: string[];
  additional?: string[];
}

/** Records, one a line, absolute. */
export function recordsOfText(lines: readonly string[], origin = '.'): ResourceRecord[] {
  const records: ResourceRecord[] = [];
  const text = Buffer.from(`${lines.join('\n')}\n`, 'latin1');
  const { problems } = readZoneFile(
    text,
    { file: 'text', origin: encodeName(origin) },
    (name, end, type, ttl, data, size) => {
      records.push({ name: name.slice(0, end), type, dnsClass: 1, ttl, data: data.slice(0, size) });
      return undefined;
    },
  );
  const errors = problems.filter(one => one.severity === 'error');
  if (errors.length > 0) throw new Error(`${errors[0].message} in ${lines[errors[0].line - 1]}`);
  return records;
}

export const setOf = (records: readonly ResourceRecord[]): string[] =>
  [
    ...new Set(
      records.map(({ name, type, ttl, data }) => {
        const folded = canonicalRdata(type, data);
        return `${nameToText(foldName(name))} ${ttl} ${typeName(type)} ${decodeRdata(type, folded)}`;
      }),
    ),
  ].sort();

export interface Told {
  rcode: string;
  flags: string[];
  answer: ResourceRecord[];
  authority: ResourceRecord[];
  additional: ResourceRecord[];
}

export function ask(zones: readonly Zone[], name: string, type: string, dnssecOk = false): Told {
  const store = new ZoneStore();
  for (const zone of zones) store.replace(zone);
  const asked = { name: foldName(encodeName(name)), type: typeCode(type)!, dnsClass: 1, dnssecOk };
  const answer = answerFromZones(store, asked);
  if (answer === undefined) {
    return { rcode: rcodeName(Rcode.REFUSED), flags: ['QR'], answer: [], authority: [], additional: [] };
  }
  const message = decodeMessage(answer.message);
  const flags = ['QR', ...(message.flags & 0x400 ? ['AA'] : [])];
  const { answers, authorities, additionals } = message;
  const rcode = rcodeName(message.flags & 15);
  return { rcode, flags, answer: answers, authority: authorities, additional: additionals };
}

export const linesOf = (path: string): unknown[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as unknown);

/** What is otherwise than expected, or nothing. */
export function differences(told: Told, expected: ExpectedAnswer, apex: string): string[] {
  const found: string[] = [];
  const compare = (what: string, a: readonly string[], b: readonly string[]): void => {
    if (a.join('\n') !== b.join('\n')) found.push(`${what}: ${a.join(' | ')}\n   expected: ${b.join(' | ')}`);
  };
  compare('rcode', [told.rcode], [expected.rcode]);
  compare('flags', [...told.flags].sort(), [...expected.flags].filter(one => one !== 'RD').sort());
  compare('answer', setOf(told.answer), setOf(recordsOfText(expected.answer)));
  // Servers that were not minimal add the zone's name servers to an answer.
  const isAnswer = expected.answer.length > 0;
  const authority = recordsOfText(expected.authority).filter(
    one => !(isAnswer && one.type === Type.NS && nameToText(foldName(one.name)) === apex),
  );
  compare('authority', setOf(told.authority), setOf(authority));
  if (!isAnswer && expected.additional !== undefined && told.authority.some(one => one.type === Type.NS)) {
    compare('additional', setOf(told.additional), setOf(recordsOfText(expected.additional)));
  }
  return found;
}
