// Metrics of the server that is asked beside this one (`mirror`).
import { by, counter, type Family, gauge } from './metric-family.js';

export const MIRROR_FAMILIES: readonly Family[] = [
  counter(
    'shardns_mirror_questions_total',
    'Questions that were copied for the other server: answered by it, late, failed, or left out for want of room',
    ({ mirror: it }) =>
      it === undefined ? [] : by('outcome', { answered: it.answered, late: it.late, failed: it.failed, left: it.left }),
    ['outcome'],
  ),
  counter(
    'shardns_mirror_compared_total',
    'Answers of the other server beside ours, by what is different',
    ({ mirror: it }) => (it === undefined ? [] : by('verdict', it.compared)),
    ['verdict'],
  ),
  counter(
    'shardns_mirror_seconds_total',
    'Time to the replies to these questions, here and there',
    ({ mirror: it }) =>
      it === undefined ? [] : by('where', { here: it.durations.here.sumSeconds, there: it.durations.there.sumSeconds }),
    ['where'],
  ),
  gauge('shardns_mirror_under_way', 'Questions at the other server', ({ mirror: it }) => it?.underWay),
];
