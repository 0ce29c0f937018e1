// What `shardns ctl mirror` says.
import { percentile } from '../admin/history.js';
import type { Difference, MirrorReport } from '../server/mirror.js';

const percent = (part: number, whole: number): string => (whole === 0 ? '-' : `${((100 * part) / whole).toFixed(2)} %`);

export function mirrorText(text: string): string {
  const { report, differences } = JSON.parse(text) as { report: MirrorReport | null; differences: Difference[] };
  if (report === null) return 'no other server is asked: option mirror';
  const { compared, durations, answered } = report;
  const all = Object.values(compared).reduce((sum, one) => sum + one, 0);
  const times = (where: 'here' | 'there'): string =>
    [0.5, 0.99].map(share => `p${share * 100} < ${percentile(durations[where].counts, share)} us`).join(', ');
  return [
    `other      ${report.to}, ${report.underWay} under way`,
    `questions  ${report.sampled} copied, ${answered} answered, ${report.late} late, ${report.failed} failed, ${report.left} left out`,
    `compared   ${all}: ${percent(compared.same, all)} the same, ${compared.rcode} other rcodes, ${compared.answers} other answers, ${compared.truncated} truncated, ${compared.unreadable} unreadable`,
    `here       ${times('here')}`,
    `there      ${times('there')}`,
    ...differences.map(
      one =>
        `differs    ${new Date(one.atSeconds * 1000).toISOString().slice(0, 19)}Z ${one.name} ${one.type}: ${one.here}, there ${one.there}`,
    ),
  ].join('\n');
}
