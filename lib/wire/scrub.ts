// Repairs a response whose answer section holds more, or in another order, than the chain its question begins: aliases
// before their targets, nothing foreign, nothing twice (RFC 1034 section 4.3.2; RFC 2181 sections 5 and 5.4.1).
//
// Bounds: 500 records in what is taken apart to be made anew; 16 aliases. Larger responses are passed on as they are, or
// refused where they cannot be.
import { Class, Type } from './iana.js';
import { decodeMessage, encodeMessage, MAX_RESPONSE_RECORDS, type Message, type ResourceRecord } from './message.js';
import { equalNames, foldName, isAtOrBelow, nameKey } from './name.js';
import { rdataKey } from './rdata-layout.js';

const MAX_ALIASES = 16;

/** The cleaned message; undefined when nothing of the answer belongs to the question, or no message can hold it. */
export function scrubResponse(octets: Uint8Array): Uint8Array | undefined {
  const message: Message = decodeMessage(octets, MAX_RESPONSE_RECORDS);
  const { question } = message;
  const kept: ResourceRecord[] = [];
  let left = message.answers
    .filter(record => record.dnsClass === Class.IN)
    .map(record => ({ record, owner: foldName(record.name) }));
  let alias: Uint8Array | undefined;
  const take = (belongs: (record: ResourceRecord, owner: Uint8Array) => boolean): void => {
    const others: typeof left = [];
    for (const one of left) {
      if (!belongs(one.record, one.owner)) {
        others.push(one);
        continue;
      }
      kept.push(one.record);
      if (one.record.type === Type.CNAME) alias ??= one.record.data;
    }
    left = others;
  };
  let current: Uint8Array | undefined = question.name;
  for (let i = 0; i <= MAX_ALIASES && current !== undefined; i++) {
    const name = foldName(current);
    take(
      (record, owner) =>
        (record.type === Type.DNAME || coversType(record, Type.DNAME)) &&
        owner.length < name.length &&
        isAtOrBelow(name, owner),
    );
    alias = undefined;
    take((_, owner) => equalNames(owner, name));
    current = question.type === Type.CNAME ? undefined : alias;
  }
  if (kept.length === 0 && message.answers.length > 0) return undefined;
  return encodeMessage({
    ...message,
    answers: withoutDuplicates(kept),
    authorities: withoutDuplicates(message.authorities),
    additionals: [],
  });
}

/** Each record once, with the least TTL it came with (RFC 2181 sections 5 and 5.2). */
function withoutDuplicates(records: readonly ResourceRecord[]): ResourceRecord[] {
  const known = new Map<string, ResourceRecord>();
  for (const record of records) {
    const { name, type, dnsClass, ttl, data } = record;
    const key = `${type} ${dnsClass} ${nameKey(foldName(name))} ${rdataKey(type, data)}`;
    const first = known.get(key);
    if (first === undefined) known.set(key, record);
    else if (ttl < first.ttl) known.set(key, { ...first, ttl });
  }
  return [...known.values()];
}

/** What a client is not shown without DO, unless it asked for just that (RFC 4035 section 3.2.1, RFC 5155 section 7). */
const DNSSEC_TYPES = new Set<number>([Type.RRSIG, Type.NSEC, Type.NSEC3]);

/** Whether a question is answered the same with and without DO, but for records that prove the answer. */
export const isPlainType = (type: number): boolean => !DNSSEC_TYPES.has(type) && type !== Type.ANY;

/** The answer to a client without DO, made of that to one with it; undefined: no message can hold it. */
export function withoutDnssec(octets: Uint8Array): Uint8Array | undefined {
  const message: Message = decodeMessage(octets, MAX_RESPONSE_RECORDS);
  const shown = (records: ResourceRecord[]): ResourceRecord[] => records.filter(one => !DNSSEC_TYPES.has(one.type));
  const { answers, authorities } = message;
  return encodeMessage({ ...message, answers: shown(answers), authorities: shown(authorities), additionals: [] });
}

/** Whether it is a signature over records of the type. */
export function coversType(record: Pick<ResourceRecord, 'type' | 'data'>, type: number): boolean {
  return record.type === Type.RRSIG && record.data.length > 2 && ((record.data[0] << 8) | record.data[1]) === type;
}
