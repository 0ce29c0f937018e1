// Metrics of the second level: what it has answered, what it costs, and whether it is there.
import type { FleetReport, RedisReport } from '../server/fleet-report.js';
import type { ServerReport } from '../server/report.js';
import { by, counter, type Family, gauge, type Samples } from './metric-family.js';

const REGION = ['region'];

/** One sample for each Redis; the own region is ''. */
const ofEach =
  (value: (one: RedisReport) => number | undefined) =>
  ({ secondLevel }: ServerReport): Samples =>
    (secondLevel?.redis ?? []).flatMap(one => {
      const found = value(one);
      return found === undefined ? [] : [[{ region: one.region }, found] as const];
    });
/** Several of each, under one label more. */
const ofEachBy =
  (label: string, values: (one: RedisReport) => Readonly<Record<string, number>>) =>
  ({ secondLevel }: ServerReport): Samples =>
    (secondLevel?.redis ?? []).flatMap(one =>
      by(label, values(one)).map(([labels, value]) => [{ ...labels, region: one.region }, value] as const),
    );
const of =
  (value: (fleet: FleetReport) => Samples | number) =>
  ({ secondLevel }: ServerReport): Samples | number | undefined =>
    secondLevel && value(secondLevel);

const BREAKER = { closed: 0, 'half-open': 1, open: 2 } as const;

export const FLEET_FAMILIES: readonly Family[] = [
  counter(
    'shardns_second_level_reads_total',
    'Misses that the second level was asked about',
    of(it => it.reads),
  ),
  counter(
    'shardns_second_level_hits_total',
    'Of these, those that it has answered: from the own region, from another one, with an expired answer',
    of(it => by('type', { own: it.hits, region: it.regionHits, stale: it.staleHits })),
    ['type'],
  ),
  counter(
    'shardns_second_level_refused_total',
    'Answers that were found and not taken, by why',
    of(it => by('reason', it.refused)),
    ['reason'],
  ),
  counter(
    'shardns_second_level_stores_total',
    'Answers that were given to be shared',
    of(it => it.stores),
  ),
  counter(
    'shardns_second_level_writes_total',
    'What became of them: written, overtaken by a newer one, failed at a try, dropped for want of room, expired meanwhile',
    of(({ writes: { written, overtaken, failed, dropped, expired } }) =>
      by('outcome', { written, overtaken, failed, dropped, expired }),
    ),
    ['outcome'],
  ),
  gauge(
    'shardns_second_level_queue',
    'Writes that wait',
    of(it => it.writes.queued),
  ),
  gauge(
    'shardns_second_level_queue_bytes',
    'Octets that they hold',
    of(it => it.writes.octets),
  ),
  counter(
    'shardns_second_level_invalidations_total',
    'Invalidations: said to the fleet, heard from it',
    of(it => by('way', { said: it.said.items, heard: it.forgotten })),
    ['way'],
  ),
  gauge(
    'shardns_second_level_invalidations_queue',
    'Invalidations that Redis does not have yet',
    of(it => it.said.queued),
  ),
  gauge(
    'shardns_second_level_connected',
    'Whether the Redis is connected',
    ofEach(it => Number(it.connected)),
    REGION,
  ),
  gauge(
    'shardns_second_level_following',
    'Whether the log of invalidations is followed',
    ofEach(it => Number(it.log.follows)),
    REGION,
  ),
  counter(
    'shardns_second_level_log_gaps_total',
    'Times that entries of the log were missed, and everything was forgotten',
    ofEach(it => it.log.gaps),
    REGION,
  ),
  counter(
    'shardns_second_level_log_refused_total',
    'Entries of the log that are not believed: said by another secret, or by somebody else',
    ofEach(it => it.log.refused),
    REGION,
  ),
  gauge(
    'shardns_second_level_breaker',
    '0: closed, 1: half-open, 2: open',
    ofEach(it => BREAKER[it.breaker]),
    REGION,
  ),
  counter(
    'shardns_second_level_breaker_opened_total',
    'How often it has opened',
    ofEach(it => it.breakerOpened),
    REGION,
  ),
  gauge(
    'shardns_second_level_round_trip_seconds',
    'Round trip, when it was measured last',
    ofEach(it => it.roundTripMs && it.roundTripMs / 1000),
    REGION,
  ),
  counter(
    'shardns_second_level_commands_total',
    'Commands, and of these those that were late and those that were refused',
    ofEachBy('outcome', ({ commands: { commands, late, errors } }) => ({ sent: commands, late, failed: errors })),
    ['outcome', ...REGION],
  ),
  counter(
    'shardns_second_level_values_refused_total',
    'Values that are not as they must be, by why: cut, of another version, without a seal, forged, of another kind, expired, from the future',
    ofEachBy('reason', it => it.refused),
    ['reason', ...REGION],
  ),
];
