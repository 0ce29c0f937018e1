// Before a question goes upstream: whether its zone may be asked for one name more (ZoneRates). What the cache has, expired
// too, was good once and is asked for in any case.
import { ExtendedError, Rcode } from '../../wire/iana.js';
import type { Query } from '../../wire/query.js';
import type { Flyer } from '../asker.js';
import { failed, type Outcome } from '../outcome.js';
import { OVER_RATE } from '../zone-rates.js';
import type { StepParts } from './step.js';

/** What a question comes to that is not to be asked: nothing is remembered of it. Undefined: it may be, and counts. */
export function overZoneRate(query: Query, asker: Flyer, parts: StepParts): Outcome | undefined {
  const { context, zoneRates, log } = parts;
  const { zoneRate, flights } = context.options;
  const { flight } = asker;
  if (zoneRate === undefined || asker.fresh === true || flight.isKnown || flight.zone !== 0) return undefined;
  const ticket = zoneRates.enter(query.name, zoneRate, flights.room - context.inFlight, asker.client?.address);
  if (ticket !== OVER_RATE) {
    flight.zone = ticket;
    return undefined;
  }
  context.stats.zoneLimited++;
  const zone = zoneRates.toTell();
  if (zone !== undefined) log.warn({ zone }, 'names of a zone come to nothing too often, and are not asked for');
  return { ...failed(Rcode.SERVFAIL, ExtendedError.other, true), text: 'too many names of this zone come to nothing' };
}
