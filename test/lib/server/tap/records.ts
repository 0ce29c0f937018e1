// Records of answered queries, as the tap tells them.
import { AnsweredBy, type AnsweredByName } from '../../../../lib/native/binding.js';
import { type RecordParts, TapRecord } from '../../../../lib/server/tap/record.js';
import { makeQuery } from '../../../support/messages.js';

export type Shape = Partial<Omit<RecordParts, 'by' | 'reply'>> & {
  name?: string;
  type?: string;
  rcode?: number;
  by?: AnsweredByName;
};

export function recordOf({
  name = 'www.example',
  type = 'A',
  rcode = 0,
  by = 'upstream',
  ...rest
}: Shape = {}): TapRecord {
  const reply = Uint8Array.from(makeQuery(name, { type }));
  reply[2] |= 0x80;
  reply[3] = (reply[3] & 0xf0) | rcode;
  return new TapRecord({
    atMs: Date.UTC(2026, 0, 1),
    latencyUs: 1500,
    client: Uint8Array.of(192, 0, 2, 77),
    port: 4242,
    protocol: 'udp',
    upstream: '',
    oneIn: 1,
    ...rest,
    by: AnsweredBy[by],
    reply,
  });
}
