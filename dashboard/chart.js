// A chart that follows the page: width, light and dark. Series are told by colour and by dash, for those who see no red.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { html } from './html.js';

const COLOURS = ['--blue', '--orange', '--green', '--purple', '--grey'];
const DASHES = [undefined, [6, 3], [2, 3], [8, 3, 2, 3], [1, 2]];
const HEIGHT = 180;
/** Seconds between two times below a chart: nothing is told of less than one. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 172_800];

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function optionsOf({ title, series, value, most, width }) {
  const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line') }, ticks: { stroke: colour('--line') } };
  return {
    width,
    height: HEIGHT,
    cursor: { drag: { x: false, y: false } },
    legend: { live: true },
    scales: { y: { range: (_, low, high) => [0, most ?? Math.max(high * 1.1, 1)] } },
    axes: [
      { ...axis, incrs: TIME_STEPS },
      { ...axis, size: 56, values: (_, ticks) => ticks.map(value) },
    ],
    series: [
      { label: 'time' },
      ...series.map((name, i) => ({
        label: name,
        stroke: colour(COLOURS[i]),
        dash: DASHES[i],
        width: 2,
        points: { show: false },
        value: (_, one) => (typeof one === 'number' ? value(one) : '–'),
      })),
    ],
    title,
  };
}

/** `rows`: times in seconds first, then the values of each series; `most`: the top, where it stands for something. */
export function Chart({ title, series, rows, value, most }) {
  const place = useRef(null);
  const plot = useRef(null);
  useEffect(() => {
    const element = place.current;
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot(
        optionsOf({ title: '', series, value, most, width: element.clientWidth }),
        plot.current?.data ?? rows,
        element,
      );
    };
    make();
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', make);
    const observer = new ResizeObserver(() => plot.current.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      dark.removeEventListener('change', make);
      observer.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => plot.current?.setData(rows), [rows]);
  const last = rows.slice(1).map((values, i) => `${series[i]} ${value(values.at(-1) ?? 0)}`);
  return html`<figure class="chart">
    <figcaption>${title}</figcaption>
    <div ref=${place} role="img" aria-label=${`${title}, now: ${last.join(', ')}`}></div>
  </figure>`;
}
