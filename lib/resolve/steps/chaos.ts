// Step: what a server says of itself in class CH, its identity and version (RFC 4892 section 2), where the operator gave them.
import { NO_EXTENDED_ERROR } from '../../native/binding.js';
import { Class, Flag, Rcode, Type } from '../../wire/iana.js';
import { encodeMessage } from '../../wire/message.js';
import { encodeName, nameKey } from '../../wire/name.js';
import type { Query } from '../../wire/query.js';
import { encodeData } from '../../wire/record.js';
import type { Outcome } from '../outcome.js';

export interface ServerIdentity {
  /** For `id.server` and `hostname.bind`. */
  identity?: string;
  /** For `version.server` and `version.bind`. */
  version?: string;
}

const NAMES: ReadonlyMap<string, keyof ServerIdentity> = new Map(
  (
    [
      ['id.server', 'identity'],
      ['hostname.bind', 'identity'],
      ['version.server', 'version'],
      ['version.bind', 'version'],
    ] as const
  ).map(([name, key]) => [nameKey(encodeName(name)), key]),
);

export function answerOfServer(query: Query, told: ServerIdentity): Outcome | undefined {
  if (query.dnsClass !== Class.CH) return undefined;
  const message = answerChaos(query, told);
  return message && { kind: 'message', message, extendedError: NO_EXTENDED_ERROR };
}

/** Undefined: nothing is told. */
export function answerChaos(query: Query, told: ServerIdentity): Uint8Array | undefined {
  const key = NAMES.get(nameKey(query.name));
  const text = key === undefined ? undefined : told[key];
  if (query.dnsClass !== Class.CH || text === undefined || (query.type !== Type.TXT && query.type !== Type.ANY)) {
    return undefined;
  }
  const question = { name: query.name, type: query.type, dnsClass: Class.CH };
  const answer = { name: query.name, type: Type.TXT, dnsClass: Class.CH, ttl: 0, data: encodeData('TXT', text) };
  return encodeMessage({
    id: 0,
    flags: Flag.QR | Rcode.NOERROR,
    question,
    answers: [answer],
    authorities: [],
    additionals: [],
  });
}
