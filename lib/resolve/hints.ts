// Takes the address hints of one family out of SVCB and HTTPS answers (RFC 9460 section 7.3), where a local zone keeps
// that family's addresses from its names: a hint would lead past it.
import { Flag, Type } from '../wire/iana.js';
import { decodeMessage, encodeMessage, MAX_RESPONSE_RECORDS, type ResourceRecord } from '../wire/message.js';
import { plainNameLength } from '../wire/name.js';
import type { Query } from '../wire/query.js';
import type { LocalAnswers } from './local-answers.js';

const MANDATORY = 0;
const HINTS = { 4: 4, 6: 6 } as const; // keys ipv4hint and ipv6hint

const isService = (type: number): boolean => type === Type.SVCB || type === Type.HTTPS;
const u16 = (octets: Uint8Array, at: number): number => (octets[at] << 8) | octets[at + 1];

/**
 * The response without what local zones keep from its name; undefined when it cannot be read, or no message can hold that.
 * @param tag the client's view; 0 = none
 */
export function withoutBlockedHints(
  query: Query,
  tag: number,
  octets: Uint8Array,
  local: LocalAnswers,
): Uint8Array | undefined {
  if (!isService(query.type)) return octets;
  const family = local.blockedFamily(query.name, tag);
  if (family === undefined) return octets;
  try {
    return withoutHints(octets, family);
  } catch {
    return undefined;
  }
}

/**
 * The response without `ipv4hint` or `ipv6hint`; undefined when no message can hold it. What is changed so is not
 * signed any more: its RRSIGs go too, and AD.
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE when it cannot be read, or has more records than are looked at
 */
function withoutHints(octets: Uint8Array, family: 4 | 6): Uint8Array | undefined {
  const message = decodeMessage(octets, MAX_RESPONSE_RECORDS);
  let changed = false;
  const strip = (records: ResourceRecord[]): ResourceRecord[] =>
    records.map(record => {
      if (!isService(record.type)) return record;
      const data = withoutKey(record.data, HINTS[family]);
      if (data !== record.data) changed = true;
      return { ...record, data };
    });
  const answers = strip(message.answers);
  const additionals = strip(message.additionals);
  if (!changed) return octets;
  const signed = (records: ResourceRecord[]): ResourceRecord[] =>
    records.filter(one => one.type !== Type.RRSIG || one.data.length < 2 || !isService(u16(one.data, 0)));
  // OPT is made anew for each client.
  const others = signed(additionals).filter(one => one.type !== Type.OPT);
  return encodeMessage({
    ...message,
    flags: message.flags & ~Flag.AD,
    answers: signed(answers),
    additionals: others,
  });
}

/** The data without a parameter, and without its mention among the mandatory ones; the same object where it has none. */
function withoutKey(data: Uint8Array, key: number): Uint8Array {
  const name = plainNameLength(data, 2);
  if (name === 0 || data.length < 2) return data;
  const parts: Uint8Array[] = [data.subarray(0, 2 + name)];
  let found = false;
  for (let at = 2 + name; at + 4 <= data.length;) {
    const end = at + 4 + u16(data, at + 2);
    if (end > data.length) return data;
    const code = u16(data, at);
    if (code === key) {
      found = true;
    } else if (code === MANDATORY) {
      parts.push(withoutMandatory(data.subarray(at, end), key));
    } else {
      parts.push(data.subarray(at, end));
    }
    at = end;
  }
  return found ? Uint8Array.from(Buffer.concat(parts)) : data;
}

function withoutMandatory(parameter: Uint8Array, key: number): Uint8Array {
  const keys: number[] = [];
  for (let at = 4; at + 2 <= parameter.length; at += 2) if (u16(parameter, at) !== key) keys.push(u16(parameter, at));
  // An empty list is no list (RFC 9460 section 8).
  if (keys.length === 0) return new Uint8Array(0);
  return Uint8Array.from([0, MANDATORY, 0, 2 * keys.length, ...keys.flatMap(one => [one >> 8, one & 0xff])]);
}
