// Steps: what is answered without asking anybody. Local data comes before the hook, built-in zones after it.
import { lazy } from '../../base/lazy.js';
import { MARK_AUTHORITATIVE, NO_EXTENDED_ERROR } from '../../native/binding.js';
import { Class, ExtendedError } from '../../wire/iana.js';
import { encodeName, isAtOrBelow } from '../../wire/name.js';
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

const resolverArpa = lazy(() => encodeName('resolver.arpa'));

/** Also where the hook names a group of upstreams: it means the names of the outside. */
export function answerFromBuiltInZone(query: Query, asker: Flyer, parts: StepParts): Outcome | undefined {
  if (query.dnsClass !== Class.IN) return undefined;
  const { options, designation } = parts.context;
  const builtIn = options.local.findBuiltIn(query, asker.tenant, designation);
  if (builtIn === undefined) return undefined;
  // Not kept: it is of this server alone, and others may have the cache too.
  if (isAtOrBelow(query.name, resolverArpa())) {
    return { kind: 'message', message: builtIn, extendedError: NO_EXTENDED_ERROR | MARK_AUTHORITATIVE };
  }
  const tell = (): Outcome => parts.keep.own(query, asker, builtIn);
  return asker.translation?.hold({ message: builtIn, isJudged: false, tell }) ?? tell();
}
