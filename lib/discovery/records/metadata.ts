// Metadata in TXT records: `key=value` strings (RFC 6763 section 6), which is also how Consul tells a node's metadata, whose
// keys it marks with `rfc1035-`.
//
// Bounds: 64 keys of an endpoint, and 4,096 octets that are looked at; what is beyond is left out.
import type { ResourceRecord } from '../../wire/message.js';

const MAX_KEYS = 64;
const MAX_OCTETS = 4096;
const CONSUL_PREFIX = 'rfc1035-';

export type Metadata = Readonly<Record<string, string>>;

export const NO_METADATA: Metadata = Object.freeze(Object.create(null) as Record<string, string>);

/** Keys are in lower case, the first of a kind counts (section 6.4); a key without `=` has the value ''. */
export function readMetadata(records: readonly ResourceRecord[]): Metadata {
  if (records.length === 0) return NO_METADATA;
  const found = Object.create(null) as Record<string, string>;
  let keys = 0;
  let octets = 0;
  for (const { data } of records) {
    for (let at = 0; at < data.length; at += 1 + data[at]) {
      // Counted whatever is in them: a response has room for 65,535 that say nothing.
      octets += 1 + data[at];
      if (octets > MAX_OCTETS) return Object.freeze(found);
      const text = Buffer.from(data.subarray(at + 1, at + 1 + data[at])).toString('utf8');
      const equals = text.indexOf('=');
      // Section 6.4: a string that begins with "=" is passed over.
      if (text === '' || equals === 0) continue;
      let key = (equals < 0 ? text : text.slice(0, equals)).toLowerCase();
      if (key.startsWith(CONSUL_PREFIX) && key.length > CONSUL_PREFIX.length) key = key.slice(CONSUL_PREFIX.length);
      if (key in found) continue;
      if (++keys > MAX_KEYS) return Object.freeze(found);
      found[key] = equals < 0 ? '' : text.slice(equals + 1);
    }
  }
  return Object.freeze(found);
}

export function sameMetadata(a: Metadata, b: Metadata): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every(key => a[key] === b[key]);
}
