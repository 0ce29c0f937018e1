// How the server is: what came in lately, by how it was answered.
import { Chart } from '../chart.js';
import { html } from '../html.js';
import { duration, integer, micros, octets, percent, rate } from '../text.js';

const column = (samples, read) => samples.map(read);

export function Overview({ samples, info, stepSeconds }) {
  const last = samples.at(-1);
  if (last === undefined) return html`<p role="status">The first second has not passed yet.</p>`;
  const minute = samples.slice(-60);
  const sum = name => minute.reduce((total, one) => total + one[name], 0);
  const answered = sum('hits') + sum('stale');
  const asked = answered + sum('misses');
  const times = column(samples, one => one.atMs / 1000);
  const perSecond = name => column(samples, one => one[name] / stepSeconds);
  const share = column(samples, ({ hits, stale, misses }) =>
    hits + stale + misses === 0 ? null : (100 * (hits + stale)) / (hits + stale + misses),
  );
  const tiles = [
    ['Queries', `${rate(last.queries / stepSeconds)} /s`],
    ['From the cache', percent(answered, asked)],
    ['Slowest 1 % of the last second', micros(last.p99Us)],
    ['Asked upstream', `${rate(last.upstream / stepSeconds)} /s`],
    ['SERVFAIL in the last minute', integer(sum('servfail'))],
    ['Entries', integer(last.entries)],
    ['Memory', octets(last.residentBytes)],
    ['Up', info === undefined ? '–' : duration(info.process.uptimeSeconds)],
  ];
  return html`
    <h1>Overview</h1>
    <dl class="tiles">
      ${tiles.map(
        ([name, value]) =>
          html`<div key=${name}>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
    <${Chart}
      title="Queries a second, by how they were answered"
      series=${['hit', 'stale', 'miss', 'refused', 'dropped']}
      rows=${[times, perSecond('hits'), perSecond('stale'), perSecond('misses'), perSecond('refused'), perSecond('dropped')]}
      value=${rate}
    />
    <${Chart}
      title="Share of the cache, %"
      series=${['hits']}
      rows=${[times, share]}
      value=${one => `${one.toFixed(0)} %`}
      most=${100}
    />
    <${Chart}
      title="Time to a reply, of those that JavaScript or an upstream had a part in"
      series=${['p50', 'p99']}
      rows=${[times, column(samples, one => one.p50Us), column(samples, one => one.p99Us)]}
      value=${micros}
    />
    <${Chart}
      title="Replies a second"
      series=${['NOERROR', 'NXDOMAIN', 'SERVFAIL']}
      rows=${[times, perSecond('noerror'), perSecond('nxdomain'), perSecond('servfail')]}
      value=${rate}
    />
  `;
}
