// What `shardns ctl why` says.
import type { Why } from '../admin/why.js';
import type { ListVerdict } from '../server/block-lists.js';

export function whyText(text: string): string {
  const { name, client, pausedSeconds, rule, otherTimes, answers, judged } = JSON.parse(text) as Why;
  const head = `${name}${client === undefined ? '' : ` for ${client}`}`;
  const paused = pausedSeconds > 0 ? ` (paused for ${pausedSeconds} s yet)` : '';
  const lines: string[] = [];
  if (rule !== null) lines.push(`${head}: ${said(rule)}${paused}`, ...recordsOf(rule));
  else if (answers.length === 0) {
    lines.push(`${head}: no list has it${otherTimes === null ? '' : ' now'}${answersSeen(judged)}${paused}`);
  }
  for (const one of answers) {
    const of = one.of === name ? 'its answer' : `its answer, which leads to ${one.of}`;
    lines.push(`${head} ${one.type}: ${said(one)}, because of ${of}${paused}`, ...recordsOf(one));
  }
  if (otherTimes !== null) lines.push(`${head}: ${said(otherTimes)}, at other times: ${otherTimes.times}`);
  return lines.join('\n');
}

/** Whether an answer, which lists judge too, was there to be looked at. */
function answersSeen(judged: Why['judged']): string {
  if (judged === null) return '';
  if (judged.length > 0) return `, nor what its answer leads to (${judged.join(', ')})`;
  return '; no answer to it is in the cache, which lists judge as well: ask for it first';
}

function said({ list, line, action }: ListVerdict): string {
  const what = action === 'pass' ? 'allowed' : action === 'data' ? 'answered by the list' : `blocked, ${action}`;
  return `${what}, by list ${list}, line ${line}`;
}

const recordsOf = ({ records }: ListVerdict): string[] => records.map(record => `  ${record}`);
