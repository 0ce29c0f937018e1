// Step: ANY says whether a name exists, and no more (RFC 8482 section 4): that is asked as of any other type. Where all is
// to be told, ANY is a type as others are, and none of this step's.
import { NO_EXTENDED_ERROR } from '../../native/binding.js';
import { headerRcode } from '../../wire/flags.js';
import { Class, ExtendedError, Rcode, Type } from '../../wire/iana.js';
import type { Query } from '../../wire/query.js';
import { type Flyer, withType } from '../asker.js';
import { anyOf } from '../denied-names.js';
import { failed, type Outcome } from '../outcome.js';
import type { StepParts } from './step.js';

export function answerAny(query: Query, asker: Flyer, parts: StepParts): Promise<Outcome> | undefined {
  if (query.type !== Type.ANY || query.dnsClass !== Class.IN || parts.context.options.any === 'all') return undefined;
  return ask(query, asker, parts);
}

async function ask(query: Query, asker: Flyer, { context, engine, keep }: StepParts): Promise<Outcome> {
  const { flight, tenant, client, depth, decided } = asker;
  const asked = withType(query, Type.A);
  const plain = { protocol: 'internal', client, tenant, decided, parent: flight, depth } as const;
  const found = await context.follow(asked, plain);
  if (found.kind === 'moved' || found.kind === 'error') return found;
  if (!flight.outdated && keep.deriveAny(query, tenant, Type.A)) return { kind: 'cached', tenant };
  let message;
  if (found.kind === 'message') {
    ({ message } = found);
  } else {
    const length = engine.answer(asked.message, { allowStale: true, tenant, counts: 'nothing' });
    if (length <= 0) return failed(Rcode.SERVFAIL, ExtendedError.other, true);
    message = engine.reply.slice(0, length);
  }
  const rcode = headerRcode(message);
  if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN) {
    return { kind: 'error', rcode, extendedError: ExtendedError.other };
  }
  const any = anyOf(query, message);
  if (any === undefined) return failed(Rcode.SERVFAIL, ExtendedError.other);
  return { kind: 'message', message: any, extendedError: NO_EXTENDED_ERROR };
}
