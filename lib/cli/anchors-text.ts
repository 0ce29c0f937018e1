// What is known of trust anchors, for people: a line for each zone and one for each anchor.
import type { AnchorsReport, ZoneReport } from '../server/anchors-report.js';
import type { NegativeAnchorReport } from '../server/negative-anchors.js';

const timeText = (seconds: number | undefined): string =>
  seconds === undefined || seconds === 0 ? 'never' : new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');

/** @param text a report as JSON */
export function anchorsText(text: string): string {
  // A server of before has none.
  const { zones, negative = [], file, problem, validates } = JSON.parse(text) as AnchorsReport;
  const lines = [...zones.flatMap(zoneLines), ...negative.map(negativeLine)];
  if (file === undefined) lines.push('they are fixed: dnssec.anchorFile is not set');
  else lines.push(`kept in ${file}`);
  if (problem !== undefined) lines.push(`problem: ${problem}`);
  if (!validates) lines.push('nothing is validated');
  return lines.join('\n');
}

export function negativeLine({ name, untilSeconds, hasEnded }: NegativeAnchorReport): string {
  const end =
    untilSeconds === undefined ? 'without an end' : `${hasEnded ? 'ended' : 'until'} ${timeText(untilSeconds)}`;
  return `${name} negative, ${end}`;
}

function zoneLines(one: ZoneReport): string[] {
  const { zone, anchors, lastSuccessSeconds, nextProbeSeconds, problem } = one;
  const times =
    nextProbeSeconds === undefined
      ? ''
      : `, keys last seen ${timeText(lastSuccessSeconds)}, next look ${nextProbeSeconds === 0 ? 'now' : timeText(nextProbeSeconds)}`;
  const lines = anchors.map(({ tag, algorithm, digestType, digest, state, sinceSeconds }) => {
    const since = sinceSeconds === undefined ? '' : ` since ${timeText(sinceSeconds)}`;
    return `  ${state.padEnd(10)} ${zone} DS ${tag} ${algorithm} ${digestType} ${digest}${since}`;
  });
  return [`${zone}${times}`, ...lines, ...(problem === undefined ? [] : [`  problem: ${problem}`])];
}

/** The exit status: 1 where the file is not used or not written, or a zone's keys cannot be followed. */
export function anchorsStatus(text: string): number {
  const { problem, zones } = JSON.parse(text) as AnchorsReport;
  return problem === undefined && zones.every(one => one.problem === undefined) ? 0 : 1;
}
