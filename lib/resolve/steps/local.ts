// Steps: what is answered without asking anybody. Local data comes before the hook, built-in zones after it.
import { MARK_AUTHORITATIVE } from '../../native/binding.js';
import { Class, ExtendedError } from '../../wire/iana.js';
import type { Query } from '../../wire/query.js';
import type { Flyer } from '../asker.js';
import type { Outcome } from '../outcome.js';
import { followAlias } from './alias.js';
import type { StepParts } from './step.js';

/** What the client's view, or everybody's local data, says. */
export function answerFromLocalData(
  query: Query,
  asker: Flyer,
  parts: StepParts,
): Outcome | Promise<Outcome> | undefined {
  if (query.dnsClass !== Class.IN) return undefined;
  const local = parts.context.options.local.find(query, asker.tenant);
  if (local === undefined) return undefined;
  if (local.kind === 'refused') {
    return { ...local, kind: 'message', extendedError: ExtendedError.blocked | MARK_AUTHORITATIVE };
  }
  if (local.kind === 'alias') return followAlias(query, asker, local.target, parts);
  return parts.keep.own(query, asker, local.message);
}

/** Also where the hook names a group of upstreams: it means the names of the outside. */
export function answerFromBuiltInZone(query: Query, asker: Flyer, parts: StepParts): Outcome | undefined {
  if (query.dnsClass !== Class.IN) return undefined;
  const builtIn = parts.context.options.local.findBuiltIn(query, asker.tenant);
  if (builtIn === undefined) return undefined;
  const tell = (): Outcome => parts.keep.own(query, asker, builtIn);
  return asker.translation?.hold({ message: builtIn, isJudged: false, tell }) ?? tell();
}
