// An alias of local data, of a hook or of a list: the name that it leads to is asked as a question of its own, and its answer told
// behind a CNAME.
//
// Bound: 11 aliases (as many as recursion follows).
import { MARK_AUTHORITATIVE, NO_EXTENDED_ERROR } from '../../native/binding.js';
import { Class, ExtendedError, Flag, Rcode, Type } from '../../wire/iana.js';
import type { Engine } from '../../cache/engine.js';
import { decodeMessage, encodeMessage, type Message, type ResourceRecord } from '../../wire/message.js';
import type { Query } from '../../wire/query.js';
import { type Flyer, isKept, variantOf, withName } from '../asker.js';
import { failed, type Outcome, type Resolution } from '../outcome.js';
import { RECURSION_LIMITS } from '../recurse/limits.js';
import type { StepParts } from './step.js';

interface AliasOptions {
  tenant?: number;
  ttl?: number;
  keeps?: boolean;
  before?: { records: readonly ResourceRecord[]; owner: Uint8Array };
  instead?: readonly ResourceRecord[];
}

/**
 * @param how.tenant whose answer to the target is told, where that is not the asker's own
 * @param how.ttl of the alias; by default that of what it leads to
 * @param how.keeps whether the whole may be kept
 * @param how.before what leads from the question's name to the one that is an alias
 * @param how.instead what is told before the target's answer in the place of these and of the alias
 */
export async function followAlias(
  query: Query,
  asker: Flyer,
  target: Uint8Array,
  { context, engine, keep }: StepParts,
  { tenant = asker.tenant, ttl, keeps = true, before, instead }: AliasOptions = {},
): Promise<Outcome> {
  const { client, flight, depth = 0 } = asker;
  if (depth >= RECURSION_LIMITS.aliases) return failed(Rcode.SERVFAIL, ExtendedError.other, true);
  const asked = withName(query, target);
  const resolution = await context.follow(asked, {
    protocol: 'internal',
    client,
    tenant,
    depth: depth + 1,
    parent: flight,
  });
  // What the hook said of the other name holds for the client, and not for this question.
  // Nor can it be kept where what a list says is.
  if (resolution.kind === 'moved' && tenant !== asker.tenant) {
    return failed(Rcode.SERVFAIL, ExtendedError.other, true);
  }
  if (resolution.kind === 'moved') return { kind: 'moved', tenant: resolution.tenant };
  if (resolution.kind === 'error') return resolution;
  const told = answerOf(resolution, asked, tenant, engine);
  if (told === undefined) return failed(Rcode.SERVFAIL, ExtendedError.other, true);
  const { octets, isStale } = told;
  let message: Message;
  try {
    message = decodeMessage(octets);
  } catch {
    // What is not kept has not been read yet: a denial that is none.
    return failed(Rcode.SERVFAIL, ExtendedError.other);
  }
  const alias: ResourceRecord = {
    name: before?.owner ?? query.name,
    type: Type.CNAME,
    dnsClass: Class.IN,
    ttl: ttl ?? message.answers.reduce((least, record) => Math.min(least, record.ttl), 300),
    data: target,
  };
  const whole = encodeMessage({
    ...message,
    // The alias is nobody's who signs: what it leads to does not make all of it validated (RFC 4035 section 3.2.3).
    flags: message.flags & ~(Flag.AA | Flag.AD),
    question: { name: query.name, type: query.type, dnsClass: query.dnsClass },
    answers: [...(instead ?? [...(before?.records ?? []), alias]), ...message.answers],
    additionals: [],
  });
  if (whole === undefined) return failed(Rcode.SERVFAIL, ExtendedError.other);
  // What is stale of the target is no fresh answer to the alias.
  if (isStale) return { kind: 'message', message: whole, extendedError: ExtendedError.staleAnswer };
  const outcome = { kind: 'message', message: whole, extendedError: NO_EXTENDED_ERROR | MARK_AUTHORITATIVE } as const;
  // What the target is told one subnet only, or without recursion, is not the alias's for everybody.
  const scoped = context.options.forwardClientSubnet && query.clientSubnet !== undefined;
  if (scoped || !keeps || !isKept(query)) return outcome;
  // Nor is what may not be kept of the target: a hook, its zone or its TTL say so.
  const known = engine.peek(asked.name, asked.type, variantOf(asked, tenant));
  if (known === undefined || known.remainingSeconds <= 0) {
    keep.end(query, asker);
    return outcome;
  }
  return keep.own(query, asker, whole, known.remainingSeconds * 1000);
}

/** What a question of our own came to, as octets; undefined where it is in the cache no more. */
export function answerOf(
  resolution: Exclude<Resolution, { kind: 'error' }>,
  asked: Query,
  tenant: number,
  engine: Engine,
): { octets: Uint8Array; isStale: boolean } | undefined {
  if (resolution.kind === 'message') {
    return { octets: resolution.message, isStale: isStaleError(resolution.extendedError & 0xffff) };
  }
  let length = engine.answer(asked.message, { tenant, counts: 'nothing' });
  const isStale = length <= 0;
  if (isStale) length = engine.answer(asked.message, { allowStale: true, tenant, counts: 'nothing' });
  return length <= 0 ? undefined : { octets: engine.reply.slice(0, length), isStale };
}

const isStaleError = (code: number): boolean =>
  code === ExtendedError.staleAnswer || code === ExtendedError.staleNxdomain;
