// Metrics of what is answered as those who watch see it: records, the query log's file, and how long misses took.
import type { ServerReport } from '../server/report.js';
import { by, counter, type Family, gauge } from './metric-family.js';

export const WATCH_FAMILIES: readonly Family[] = [
  counter(
    'shardns_tap_records_total',
    'Answered queries that were told to the query log, the top lists and dnstap, or dropped for want of room',
    ({ watching: { tap } }) => by('outcome', { told: tap.records, dropped: tap.dropped }),
    ['outcome'],
  ),
  gauge('shardns_querylog_entries', 'Queries that the query log has in memory', r => r.watching.queryLog?.entries),
  counter(
    'shardns_querylog_lines_total',
    "Lines of the query log's file, written or dropped",
    ({ watching: { queryLog: it } }) =>
      it === undefined ? [] : by('outcome', { written: it.file.lines, dropped: it.file.dropped }),
    ['outcome'],
  ),
  counter(
    'shardns_querylog_failures_total',
    'Times that the file could not be written',
    r => r.watching.queryLog?.file.failures,
  ),
  counter(
    'shardns_querylog_rotations_total',
    'Times that the file was renamed because it was full',
    r => r.watching.queryLog?.file.rotations,
  ),
  counter(
    'shardns_dnstap_frames_total',
    'Frames of dnstap, sent or dropped for want of room',
    ({ watching: { dnstap: it } }) => (it === undefined ? [] : by('outcome', { sent: it.sent, dropped: it.dropped })),
    ['outcome'],
  ),
  gauge('shardns_dnstap_connected', '1: somebody takes the frames of dnstap', ({ watching: { dnstap: it } }) =>
    it === undefined ? undefined : Number(it.isOpen),
  ),
  counter(
    'shardns_dnstap_failures_total',
    'Connections for frames of dnstap that could not be made, or were lost',
    r => r.watching.dnstap?.failures,
  ),
];

/** Buckets of the text: from 64 us to 16 s, a power of two each. */
const [FIRST, LAST] = [6, 24];

/** prom-client's own histogram cannot take finished buckets. */
export function missDurationText({ missLatencies }: ServerReport): string {
  const name = 'shardns_miss_duration_seconds';
  const lines = [
    `# HELP ${name} Time from the begin of a miss to its answer, by how it was answered`,
    `# TYPE ${name} histogram`,
  ];
  for (const [source, { buckets, count, sumSeconds }] of Object.entries(missLatencies)) {
    const ends = Object.entries(buckets);
    for (let power = FIRST; power <= LAST; power++) {
      const below = ends.reduce((sum, [end, n]) => (Number(end) <= 2 ** power ? sum + n : sum), 0);
      lines.push(`${name}_bucket{source="${source}",le="${2 ** power / 1e6}"} ${below}`);
    }
    lines.push(
      `${name}_bucket{source="${source}",le="+Inf"} ${count}`,
      `${name}_sum{source="${source}"} ${sumSeconds}`,
      `${name}_count{source="${source}"} ${count}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
