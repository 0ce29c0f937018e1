// An upstream's answer that is an alias alone: its end is neither there nor said not to be (no SOA, RFC 2308 section 2.2), as
// of servers that look nothing up themselves. What it leads to is asked as a question of its own, as Unbound and BIND do of
// their forwarders (RFC 1034 section 5.3.3, step 4 c), and all of it is told and kept; dnsdist passes such an answer on as it
// is. Where the target cannot be had, so is it here.
//
// Bound: that of aliases (RECURSION_LIMITS); an alias that leads back to its own question ends there.
import { NO_EXTENDED_ERROR } from '../../native/binding.js';
import { flagsOf, headerRcode } from '../../wire/flags.js';
import { Class, Flag, Rcode, Type } from '../../wire/iana.js';
import { decodeMessage, encodeMessage, MAX_RESPONSE_RECORDS } from '../../wire/message.js';
import { foldName, nameKey } from '../../wire/name.js';
import type { Query } from '../../wire/query.js';
import { isPlainType } from '../../wire/scrub.js';
import { type Flyer, variantOf, withName } from '../asker.js';
import type { Outcome } from '../outcome.js';
import { RECURSION_LIMITS } from '../recurse/limits.js';
import { answerOf } from './alias.js';
import type { StepParts } from './step.js';

/** The name that the aliases of such an answer lead to. */
export function bareAlias(query: Query, message: Uint8Array): Uint8Array | undefined {
  if (headerRcode(message) !== Rcode.NOERROR || query.dnsClass !== Class.IN) return undefined;
  if (!isPlainType(query.type) || query.type === Type.CNAME || !beginsWithAlias(message, query.questionEnd)) {
    return undefined;
  }
  try {
    const { answers, authorities } = decodeMessage(message, MAX_RESPONSE_RECORDS);
    if (authorities.some(one => one.type === Type.SOA) || answers.some(one => one.type === query.type))
      return undefined;
    const targets = new Map(
      answers.flatMap(one => (one.type === Type.CNAME ? [[nameKey(foldName(one.name)), foldName(one.data)]] : [])),
    );
    let end = query.name;
    for (let left = answers.length; left >= 0; left--) {
      const next = targets.get(nameKey(end));
      if (next === undefined) return nameKey(end) === nameKey(query.name) ? undefined : end;
      end = next;
    }
  } catch {
    // What cannot be read is nothing to follow.
  }
  return undefined;
}

/** Whether the first record is one, or one of DNAME: few answers have to be read for it. */
function beginsWithAlias(message: Uint8Array, questionEnd: number): boolean {
  if (message[6] === 0 && message[7] === 0) return false;
  let at = questionEnd;
  while (message[at] > 0 && message[at] < 0xc0) at += 1 + message[at];
  at += message[at] === 0 ? 1 : 2;
  const type = (message[at] << 8) | message[at + 1];
  return type === Type.CNAME || type === Type.DNAME;
}

/** @param bare what is told where what it leads to cannot be had */
export async function followBareAlias(
  query: Query,
  asker: Flyer,
  { bare, target }: { bare: Extract<Outcome, { kind: 'message' }>; target: Uint8Array },
  { context, engine, keep }: StepParts,
): Promise<Outcome> {
  const { client, tenant, decided, flight, depth = 0 } = asker;
  if (depth >= RECURSION_LIMITS.aliases) return bare;
  const asked = withName(query, target);
  const how = { protocol: 'internal', client, tenant, decided, depth: depth + 1, parent: flight } as const;
  const resolution = await context.follow(asked, how);
  if (resolution.kind === 'moved') return { kind: 'moved', tenant: resolution.tenant };
  const told = resolution.kind === 'error' ? undefined : answerOf(resolution, asked, tenant, engine);
  const whole = told && joined(query, bare.message, told.octets);
  if (told === undefined || whole === undefined) return bare;
  const extendedError = resolution.kind === 'message' ? resolution.extendedError : NO_EXTENDED_ERROR;
  const outcome: Outcome = { kind: 'message', message: whole, extendedError };
  // Nor is kept what may not be of the target: a hook, its TTL or a denial without SOA say so.
  const known = engine.peek(asked.name, asked.type, variantOf(asked, tenant));
  if (told.isStale || known === undefined || known.remainingSeconds <= 0) return outcome;
  const kept = keep.response(query, asker, whole, { scope: undefined, denials: 'type', drop: false });
  return kept === undefined ? bare : { ...outcome, message: kept };
}

/** AD stays where both have it; undefined: it cannot be read, or no message can hold it. */
function joined(query: Query, alias: Uint8Array, target: Uint8Array): Uint8Array | undefined {
  try {
    const before = decodeMessage(alias, MAX_RESPONSE_RECORDS);
    const behind = decodeMessage(target, MAX_RESPONSE_RECORDS);
    const both = (flagsOf(alias) & Flag.AD) !== 0 ? behind.flags : behind.flags & ~Flag.AD;
    return encodeMessage({
      ...behind,
      flags: both & ~Flag.AA,
      question: { name: query.name, type: query.type, dnsClass: query.dnsClass },
      answers: [...before.answers, ...behind.answers],
      additionals: [],
    });
  } catch {
    return undefined;
  }
}
