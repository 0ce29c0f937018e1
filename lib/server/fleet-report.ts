// What a server's second level has done, for its report.
import type { RedisAnswers } from '../cache/answers/redis-answers.js';
import type { RedisLevel } from '../cache/redis/level.js';

export interface RedisReport {
  /** '' for the own one. */
  readonly region: string;
  /** Where it is, without a password. */
  readonly redis: string;
  readonly connected: boolean;
  /** Why it is not connected, or its log not followed. */
  readonly error?: string;
  readonly breaker: 'closed' | 'open' | 'half-open';
  readonly breakerOpened: number;
  /** Round trip when it was measured last. */
  readonly roundTripMs?: number;
  /** Times its clock was found to have jumped by a second or more. */
  readonly clockMoved: number;
  readonly commands: Readonly<RedisLevel['connection']['stats']> & { readonly underWay: number };
  readonly reads: Readonly<RedisLevel['reads']['stats']>;
  /** Values that were not taken, by why. */
  readonly refused: Readonly<RedisLevel['refused']>;
  readonly log: Readonly<RedisLevel['reader']['stats']> & { readonly follows: boolean; readonly position?: string };
  /** The last failure of a read, if there was one. */
  readonly readError?: string;
}

export interface FleetReport extends Readonly<RedisAnswers['stats']> {
  /** Answers that were not taken, by why. */
  readonly refused: Readonly<RedisAnswers['refused']>;
  readonly writes: Readonly<RedisLevel['writes']['stats']> & { readonly queued: number; readonly octets: number };
  readonly writeError?: string;
  /** What was said in the log, and what waits to be. */
  readonly said: Readonly<RedisLevel['writer']['stats']> & { readonly queued: number };
  readonly sayError?: string;
  /** Names and suffixes whose older answers are refused. */
  readonly invalidated: number;
  readonly redis: readonly RedisReport[];
}

export function fleetReportOf(answers: RedisAnswers): FleetReport {
  const { level, regions } = answers;
  const { writes, writer } = level;
  return {
    ...answers.stats,
    refused: { ...answers.refused },
    writes: { ...writes.stats, queued: writes.size, octets: writes.octets },
    writeError: writes.lastError,
    said: { ...writer.stats, queued: writer.size },
    sayError: writer.lastError,
    invalidated: answers.invalidated.size,
    redis: [redisOf('', level), ...regions.map(one => redisOf(one.name, one.level))],
  };
}

function redisOf(region: string, level: RedisLevel): RedisReport {
  const { connection, reads, reader, clock } = level;
  return {
    region,
    redis: connection.label,
    connected: connection.isConnected,
    error: level.error,
    breaker: level.breaker,
    breakerOpened: level.breakerOpened,
    roundTripMs: clock.roundTripMs,
    clockMoved: clock.moved,
    commands: { ...connection.stats, underWay: connection.underWay },
    reads: { ...reads.stats },
    refused: { ...level.refused },
    log: { ...reader.stats, follows: reader.follows, position: reader.position },
    readError: reads.lastError,
  };
}
