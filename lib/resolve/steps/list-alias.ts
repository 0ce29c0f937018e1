// Step: a question for which a list has an alias, as the tag says that it came with. What the alias leads to is asked as
// a client of the same view asks for it, and told behind it.
import { isAliasTag, isBehind, targetOf, viewOf } from '../../clients/list-aliases.js';
import type { ListAlias } from '../../clients/list-records.js';
import { NO_EXTENDED_ERROR } from '../../native/binding.js';
import { Class, ExtendedError, Flag, Rcode, Type } from '../../wire/iana.js';
import { decodeMessage, encodeMessage, MAX_RESPONSE_RECORDS, type ResourceRecord } from '../../wire/message.js';
import type { Query } from '../../wire/query.js';
import type { Flyer } from '../asker.js';
import { failed, type Outcome } from '../outcome.js';
import { RECURSION_LIMITS } from '../recurse/limits.js';
import { answerOf, followAlias } from './alias.js';
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
  return isBehind(tenant) ? putBehind(query, asker, alias, parts) : putInPlace(query, asker, alias, parts);
}

/** What leads from the question's name to the one in whose place the alias stands. */
type Before = { records: readonly ResourceRecord[]; owner: Uint8Array };

function putInPlace(
  query: Query,
  asker: Flyer,
  alias: ListAlias,
  parts: StepParts,
  before?: Before,
): Outcome | Promise<Outcome> {
  const { listAliases } = parts.context;
  const owner = before?.owner ?? query.name;
  const target = targetOf(alias, owner);
  if (target === undefined) {
    return { kind: 'error', rcode: Rcode.YXDOMAIN, extendedError: ExtendedError.forgedAnswer };
  }
  const ttl = alias.ttlSeconds ?? 0;
  if (query.type !== Type.CNAME && query.type !== Type.ANY) {
    const tenant = viewOf(asker.tenant);
    return followAlias(query, asker, target, parts, { tenant, ttl, keeps: listAliases?.keeps, before });
  }
  const message = encodeMessage({
    id: 0,
    flags: Flag.QR,
    question: { name: query.name, type: query.type, dnsClass: query.dnsClass },
    answers: [...(before?.records ?? []), { name: owner, type: Type.CNAME, dnsClass: Class.IN, ttl, data: target }],
    authorities: [],
    additionals: [],
  });
  if (message === undefined) return failed(Rcode.SERVFAIL, ExtendedError.other, true);
  if (listAliases?.keeps !== true) return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR };
  return parts.keep.own(query, asker, message);
}

/** The question's own answer is known: what of it leads to the name that the list is about stays (as BIND has it). */
async function putBehind(query: Query, asker: Flyer, alias: ListAlias, parts: StepParts): Promise<Outcome> {
  const { client, flight, depth = 0, tenant: tag } = asker;
  const { context, engine } = parts;
  if (depth >= RECURSION_LIMITS.aliases) return failed(Rcode.SERVFAIL, ExtendedError.other, true);
  const tenant = viewOf(tag);
  const resolution = await context.follow(query, {
    protocol: 'internal',
    client,
    tenant,
    depth: depth + 1,
    parent: flight,
  });
  if (resolution.kind === 'moved') return failed(Rcode.SERVFAIL, ExtendedError.other, true);
  if (resolution.kind === 'error') return resolution;
  const octets = answerOf(resolution, query, tenant, engine)?.octets;
  const kept = octets && context.listAliases?.kept(tag, octets);
  // The answer is another one than it was when it was judged: the next to ask is told by that.
  if (octets === undefined || kept === undefined) return failed(Rcode.SERVFAIL, ExtendedError.notReady, true);
  let records: readonly ResourceRecord[];
  try {
    records = decodeMessage(octets, MAX_RESPONSE_RECORDS).answers.slice(0, kept);
  } catch {
    return failed(Rcode.SERVFAIL, ExtendedError.other);
  }
  const last = records.at(-1);
  if (last?.type !== Type.CNAME) return failed(Rcode.SERVFAIL, ExtendedError.other, true);
  return putInPlace(query, asker, alias, parts, { records, owner: last.data });
}
