// A record as people read it, in a line.
import { typeName } from './iana.js';
import type { ResourceRecord } from './message.js';
import { nameToText } from './name.js';
import { decodeRdata } from './rdata.js';

export function recordText({ name, type, ttl, data }: Omit<ResourceRecord, 'dnsClass'>): string {
  let text: string;
  try {
    text = decodeRdata(type, data);
  } catch {
    text = `\\# ${data.length} ${Buffer.from(data).toString('hex')}`; // RFC 3597 section 5
  }
  return `${nameToText(name)} ${ttl} ${typeName(type)} ${text}`;
}
