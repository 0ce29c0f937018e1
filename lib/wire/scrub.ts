// Repairs a response whose answer section holds more, or in another order, than the chain its question begins: aliases
// before their targets, nothing foreign (RFC 1034 section 4.3.2; RFC 2181 section 5.4.1).
import { Class, Type } from './iana.js';
import { decodeMessage, encodeMessage, type Message, type ResourceRecord } from './message.js';
import { equalNames, foldName, isAtOrBelow } from './name.js';

const MAX_ALIASES = 16;

/** The cleaned message, or undefined when nothing of the answer belongs to the question. */
export function scrubResponse(octets: Uint8Array): Uint8Array | undefined {
  const message: Message = decodeMessage(octets);
  const { question } = message;
  const kept: ResourceRecord[] = [];
  const left = message.answers.filter(record => record.dnsClass === Class.IN);
  const take = (belongs: (record: ResourceRecord) => boolean): ResourceRecord[] => {
    const taken = left.filter(belongs);
    for (const record of taken) left.splice(left.indexOf(record), 1);
    kept.push(...taken);
    return taken;
  };
  let current = question.name;
  for (let i = 0; i <= MAX_ALIASES; i++) {
    take(
      record =>
        (record.type === Type.DNAME || coversType(record, Type.DNAME)) &&
        isAtOrBelow(foldName(current), foldName(record.name)),
    );
    const here = take(record => equalNames(record.name, current));
    const alias = here.find(record => record.type === Type.CNAME);
    if (alias === undefined || question.type === Type.CNAME || i === MAX_ALIASES) break;
    current = alias.data;
  }
  if (kept.length === 0 && message.answers.length > 0) return undefined;
  return encodeMessage({ ...message, answers: kept, additionals: [] });
}

/** What a client is not shown without DO, unless it asked for just that (RFC 4035 section 3.2.1, RFC 5155 section 7). */
const DNSSEC_TYPES = new Set<number>([Type.RRSIG, Type.NSEC, Type.NSEC3]);

/** Whether a question is answered the same with and without DO, but for records that prove the answer. */
export const isPlainType = (type: number): boolean => !DNSSEC_TYPES.has(type) && type !== Type.ANY;

/** The answer to a client without DO, made of that to one with it. */
export function withoutDnssec(octets: Uint8Array): Uint8Array {
  const message: Message = decodeMessage(octets);
  const shown = (records: ResourceRecord[]): ResourceRecord[] => records.filter(one => !DNSSEC_TYPES.has(one.type));
  const { answers, authorities } = message;
  return encodeMessage({ ...message, answers: shown(answers), authorities: shown(authorities), additionals: [] });
}

function coversType(record: ResourceRecord, type: number): boolean {
  return record.type === Type.RRSIG && record.data.length > 2 && ((record.data[0] << 8) | record.data[1]) === type;
}
