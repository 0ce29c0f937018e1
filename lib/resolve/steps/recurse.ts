// Step: a question for the recursor, here or in other threads; what it has found is kept and told.
import { MARK_AUTHORITATIVE, NO_EXTENDED_ERROR } from '../../native/binding.js';
import { Class, ExtendedError, Rcode } from '../../wire/iana.js';
import type { Query } from '../../wire/query.js';
import type { Flyer } from '../asker.js';
import { withoutBlockedHints } from '../hints.js';
import { extraTextOf } from '../bogus-text.js';
import { failed, type Outcome } from '../outcome.js';
import type { Recursor } from '../recurse/recursor.js';
import { noteServers } from '../served-names.js';
import { answerWithoutRecursion, resolveFor } from '../recursive-answers.js';
import type { HookStep } from './hook.js';
import type { StepParts } from './step.js';
import { overZoneRate } from './zone-rate.js';

/** Undefined for names that the recursor does not serve. */
export function recurse(query: Query, asker: Flyer, parts: StepParts, hook: HookStep): Promise<Outcome> | undefined {
  const { recursor } = parts.context;
  return recursor?.serves(query.name, query.type) === true ? resolve(query, asker, recursor, parts, hook) : undefined;
}

async function resolve(
  query: Query,
  asker: Flyer,
  recursor: Recursor,
  parts: StepParts,
  hook: HookStep,
): Promise<Outcome> {
  const { context, keep, log } = parts;
  asker.flight.recursive = true;
  if (query.dnsClass !== Class.IN) {
    return { kind: 'error', rcode: Rcode.REFUSED, extendedError: ExtendedError.notAuthoritative };
  }
  if (!query.recursionDesired) return answerWithoutRecursion(query, recursor);
  const over = overZoneRate(query, asker, parts);
  if (over !== undefined) return over;
  const { fresh = false, client } = asker;
  // Refreshes are bounded elsewhere, and nobody's share.
  const from = { fresh, client: fresh ? undefined : client?.address };
  const resolved = await (context.pool?.answer(query, from) ?? resolveFor(query, recursor, from));
  if (resolved.kind === 'answer') {
    const visible = withoutBlockedHints(query, asker.tenant, resolved.message, context.options.local);
    const message = visible && (asker.translation === undefined ? visible : asker.translation.shown(visible));
    if (message === undefined) return failed(Rcode.SERVFAIL, ExtendedError.other);
    if (context.servedZones?.wanted === true) noteServers(query, resolved.message, recursor, context.servedZones);
    const drop = hook.drops(query, asker, message, 'recursion');
    const { extendedError = NO_EXTENDED_ERROR } = resolved;
    const tell = (): Outcome => {
      if (!drop && !resolved.noCache) {
        const kept = keep.own(query, asker, message, resolved.livesMs);
        if (kept.kind !== 'message' || extendedError === NO_EXTENDED_ERROR) return kept;
        return { ...kept, extendedError: extendedError | MARK_AUTHORITATIVE };
      }
      keep.end(query, asker);
      return { kind: 'message', message, extendedError };
    };
    return asker.translation?.hold({ message, isJudged: true, tell }) ?? tell();
  }
  const { extendedError, reason, message, ours, isBogus, bogusMs } = resolved;
  if (isBogus === true) context.onBogus(query.nameText, extendedError);
  log.debug({ reason, name: query.nameText }, 'a name could not be resolved');
  const rcode = extendedError === ExtendedError.blocked ? Rcode.REFUSED : Rcode.SERVFAIL;
  return {
    ...failed(rcode, extendedError, ours),
    message,
    isBogus,
    bogusMs,
    text: isBogus === true ? extraTextOf(reason) : undefined,
  };
}
