// Step: a question for which a list has an alias, as the tag says that it came with. What the alias leads to is asked as
// a client of the same view asks for it, and told behind it.
import { isAliasTag, targetOf, viewOf } from '../../clients/list-aliases.js';
import { NO_EXTENDED_ERROR } from '../../native/binding.js';
import { Class, ExtendedError, Flag, Rcode, Type } from '../../wire/iana.js';
import { encodeMessage } from '../../wire/message.js';
import type { Query } from '../../wire/query.js';
import type { Flyer } from '../asker.js';
import { failed, type Outcome } from '../outcome.js';
import { followAlias } from './alias.js';
import type { StepParts } from './step.js';

export function answerFromListAlias(
  query: Query,
  asker: Flyer,
  parts: StepParts,
): Outcome | Promise<Outcome> | undefined {
  const { tenant } = asker;
  if (!isAliasTag(tenant)) return undefined;
  const { listAliases } = parts.context;
  const alias = listAliases?.find(tenant);
  // Of lists that are in force no more: it is judged by others when it is asked again.
  if (alias === undefined) return failed(Rcode.SERVFAIL, ExtendedError.notReady, true);
  const target = targetOf(alias, query.name);
  if (target === undefined) {
    return { kind: 'error', rcode: Rcode.YXDOMAIN, extendedError: ExtendedError.forgedAnswer };
  }
  const ttl = alias.ttlSeconds ?? 0;
  if (query.type !== Type.CNAME && query.type !== Type.ANY) {
    return followAlias(query, asker, target, parts, { tenant: viewOf(tenant), ttl, keeps: listAliases?.keeps });
  }
  const message = encodeMessage({
    id: 0,
    flags: Flag.QR,
    question: { name: query.name, type: query.type, dnsClass: query.dnsClass },
    answers: [{ name: query.name, type: Type.CNAME, dnsClass: Class.IN, ttl, data: target }],
    authorities: [],
    additionals: [],
  });
  if (message === undefined) return failed(Rcode.SERVFAIL, ExtendedError.other, true);
  if (listAliases?.keeps !== true) return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR };
  return parts.keep.own(query, asker, message);
}
