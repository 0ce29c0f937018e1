// Services in the text format of Prometheus, for whoever serves a program's metrics. A service's name never is a label, only
// what was given as `label`: names may be as many as whoever chooses them wants.
import type { ServiceReport } from './report.js';

interface Family {
  name: string;
  kind: 'counter' | 'gauge';
  help: string;
  read(report: ServiceReport): Iterable<readonly [Readonly<Record<string, string>>, number]>;
}

const plain = (value: number): [[Record<string, string>, number]] => [[{}, value]];
const by = (label: string, values: Readonly<Record<string, number>>): [Record<string, string>, number][] =>
  Object.entries(values).map(([key, value]) => [{ [label]: key }, value]);

const FAMILIES: readonly Family[] = [
  {
    name: 'shardns_discovery_endpoints',
    kind: 'gauge',
    help: 'Endpoints of services by state.',
    read: ({ states }) => by('state', states),
  },
  {
    name: 'shardns_discovery_refreshes_total',
    kind: 'counter',
    help: 'Looks at what DNS says, by whether servers could tell.',
    read: ({ refreshes }) => by('result', { ...refreshes }),
  },
  {
    name: 'shardns_discovery_picks_total',
    kind: 'counter',
    help: 'Endpoints that were picked.',
    read: ({ picks }) => plain(picks),
  },
  {
    name: 'shardns_discovery_ejections_total',
    kind: 'counter',
    help: 'Endpoints that were taken out for a time.',
    read: ({ ejections }) => plain(ejections),
  },
  {
    name: 'shardns_discovery_retries_total',
    kind: 'counter',
    help: 'Requests that were tried at another endpoint, and those that were over the budget.',
    read: ({ retries }) => by('result', { ...retries }),
  },
  {
    name: 'shardns_discovery_ignored_records',
    kind: 'gauge',
    help: 'Records of the last answer that are no endpoints, by why.',
    read: ({ ignored }) => by('reason', { ...ignored }),
  },
  {
    name: 'shardns_discovery_age_seconds',
    kind: 'gauge',
    help: 'Seconds since servers could tell: the greatest of all services.',
    read: ({ ageSeconds }) => (ageSeconds === undefined ? [] : plain(ageSeconds)),
  },
];

const escaped = (text: string): string => text.replace(/[\\"\n]/g, one => (one === '\n' ? '\\n' : `\\${one}`));
const labelsOf = (labels: Readonly<Record<string, string>>): string => {
  const shown = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return shown.length === 0 ? '' : `{${shown.join(',')}}`;
};

/** Reports of services as one text; those with the same label are added up. */
export function metricsText(reports: Iterable<ServiceReport>): string {
  const all = [...reports];
  const lines: string[] = [];
  for (const { name, kind, help, read } of FAMILIES) {
    const samples = new Map<string, number>();
    for (const report of all) {
      for (const [labels, value] of read(report)) {
        const key = labelsOf(report.label === '' ? labels : { service: report.label, ...labels });
        const before = samples.get(key) ?? 0;
        samples.set(key, name.endsWith('_age_seconds') ? Math.max(before, value) : before + value);
      }
    }
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
    for (const [labels, value] of samples) lines.push(`${name}${labels} ${value}`);
  }
  return `${lines.join('\n')}\n`;
}
