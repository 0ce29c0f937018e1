// Step: names of zones that are served here (RFC 1034 section 4.3.2). Nobody else is asked of them, whatever becomes of
// the answer; an alias that leads out of all zones is followed for those who want recursion. A zone that is not there is
// nobody else's either, unless it is to fall back on others.
import { MARK_AUTHORITATIVE, NO_EXTENDED_ERROR } from '../../native/binding.js';
import { Class, ExtendedError, Rcode } from '../../wire/iana.js';
import { decodeMessage } from '../../wire/message.js';
import type { Query } from '../../wire/query.js';
import { answerFromZones } from '../../zone/answer.js';
import type { Flyer } from '../asker.js';
import type { Outcome } from '../outcome.js';
import { followAlias } from './alias.js';
import type { StepParts } from './step.js';

/** Its file is broken, or it has not come yet: RFC 8914 section 4.15. */
const NOT_READY = { kind: 'error', rcode: Rcode.SERVFAIL, extendedError: ExtendedError.notReady } as const;
/** RFC 8914 section 4.25: its primary was silent for as long as the zone's SOA allows. */
const EXPIRED = { kind: 'error', rcode: Rcode.SERVFAIL, extendedError: ExtendedError.invalidData } as const;
const NOT_OURS = { kind: 'error', rcode: Rcode.REFUSED, extendedError: ExtendedError.notAuthoritative } as const;

export function answerFromZone(query: Query, asker: Flyer, parts: StepParts): Outcome | Promise<Outcome> | undefined {
  const { zones } = parts.context;
  if (zones === undefined || query.dnsClass !== Class.IN) return undefined;
  const entry = zones.entryFor(query.name, query.type, asker.tenant);
  if (entry === undefined) return zones.alone ? NOT_OURS : undefined;
  if ('reason' in entry) {
    if (zones.fallsBack(entry)) return undefined;
    return entry.reason === 'expired' ? EXPIRED : NOT_READY;
  }
  const answer = answerFromZones(zones.finder(asker.tenant), query);
  if (answer === undefined) return NOT_READY;
  const { message, isOfOneZone, outside } = answer;
  if (outside === undefined || zones.alone) return parts.keep.ofZone(query, asker, message, isOfOneZone);
  if (query.recursionDesired) {
    const { answers } = decodeMessage(message);
    return followAlias(query, asker, outside, parts, { instead: answers });
  }
  // Not for those who want recursion.
  return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR | MARK_AUTHORITATIVE };
}
