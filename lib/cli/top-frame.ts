// One picture of a server for a terminal of some size: what came in the last second and minute, and whom it asks. Text alone:
// who shows it moves the cursor.

/** What the control API says: /v1/info, /v1/stats/history and /v1/upstreams. */
export interface TopData {
  readonly info: {
    readonly state: string;
    readonly listening: Readonly<Record<string, readonly string[]>>;
    readonly process: { readonly pid: number; readonly uptimeSeconds: number };
  };
  /** Oldest first, a second each. */
  readonly samples: readonly TopSample[];
  readonly upstreams: readonly TopUpstream[];
}
export type TopSample = Readonly<Record<string, number>>;
export interface TopUpstream {
  readonly server: string;
  readonly srttMs: number;
  readonly queries: number;
  readonly timeouts: number;
  readonly failures: number;
  readonly inFlight: number;
  readonly resting: boolean;
}

export interface TopSize {
  readonly columns: number;
  readonly rows: number;
}

const BARS = '▁▂▃▄▅▆▇█';
const LABEL = 30;
const integers = new Intl.NumberFormat('en');
const integer = (value: number): string => integers.format(Math.round(value));
const percent = (part: number, whole: number): string => (whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`);
const mebibytes = (octets: number): string => `${(octets / 2 ** 20).toFixed(1)} MiB`;

function micros(value: number): string {
  if (value === 0) return '-';
  if (value < 1000) return `${Math.round(value)} us`;
  return value < 1e6 ? `${(value / 1000).toFixed(1)} ms` : `${(value / 1e6).toFixed(1)} s`;
}
function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** A bar for each value, the highest the whole height; of as many of the last ones as there is room for. */
function sparkline(values: readonly number[], room: number): string {
  const shown = values.slice(-room);
  const most = Math.max(...shown, 0);
  return shown.map(value => (most === 0 ? BARS[0] : BARS[Math.round((value / most) * (BARS.length - 1))])).join('');
}

const answeredOf = (one: TopSample): number => one.hits + one.stale;

/** Lines, none longer than the terminal is wide and no more than it is high. */
export function topFrame(
  { info, samples, upstreams }: TopData,
  { columns, rows }: TopSize,
  problem?: string,
): string[] {
  const where = [...new Set(Object.values(info.listening).flat())].join(' ');
  const lines = [
    `shardns, pid ${info.process.pid}, ${info.state} for ${duration(info.process.uptimeSeconds)}  ${where}`,
  ];
  if (problem !== undefined) lines.push(`cannot be reached: ${problem}`);
  lines.push('', ...trafficLines(samples, columns), '', ...upstreamLines(upstreams));
  return lines.map(line => cut(line, columns)).slice(0, Math.max(1, rows));
}

function trafficLines(samples: readonly TopSample[], columns: number): string[] {
  const last = samples.at(-1);
  if (last === undefined) return ['the first second has not passed yet'];
  const minute = samples.slice(-60);
  const sum = (name: string): number => minute.reduce((total, one) => total + one[name], 0);
  const asked = (one: TopSample): number => answeredOf(one) + one.misses;
  const room = Math.max(0, Math.min(60, columns - LABEL - 12));
  const row = (label: string, value: string, values: readonly number[]): string =>
    `${label.padEnd(LABEL)}${value.padStart(10)}  ${sparkline(values, room)}`;
  const replies = sum('noerror') + sum('nxdomain') + sum('servfail');
  return [
    row(
      'questions a second',
      integer(last.queries),
      samples.map(one => one.queries),
    ),
    row(
      'from the cache',
      percent(answeredOf(last), asked(last)),
      samples.map(one => (asked(one) === 0 ? 0 : answeredOf(one) / asked(one))),
    ),
    row(
      'misses a second',
      integer(last.misses),
      samples.map(one => one.misses),
    ),
    row(
      'slowest 1 % of the misses',
      micros(last.p99Us),
      samples.map(one => one.p99Us),
    ),
    row(
      'asked upstream a second',
      integer(last.upstream),
      samples.map(one => one.upstream),
    ),
    row(
      'SERVFAIL a second',
      integer(last.servfail),
      samples.map(one => one.servfail),
    ),
    '',
    `last minute: ${percent(
      minute.reduce((total, one) => total + answeredOf(one), 0),
      minute.reduce((total, one) => total + asked(one), 0),
    )} from the cache, ` +
      `${percent(sum('servfail'), replies)} SERVFAIL, ${percent(sum('nxdomain'), replies)} NXDOMAIN, ` +
      `${integer(sum('refused'))} refused, ${integer(sum('dropped'))} dropped, ${integer(sum('evictions'))} evicted`,
    `${integer(last.entries)} entries in ${mebibytes(last.liveBytes)}, resident ${mebibytes(last.residentBytes)}, ${integer(last.inFlight)} under way`,
  ];
}

function upstreamLines(upstreams: readonly TopUpstream[]): string[] {
  if (upstreams.length === 0) return ['no upstreams: names are resolved from the root, or not at all'];
  const width = Math.max(8, ...upstreams.map(one => one.server.length));
  const line = (server: string, ...values: string[]): string =>
    `${server.padEnd(width)}${values.map(value => value.padStart(12)).join('')}`;
  return [
    line('UPSTREAM', 'ROUND TRIP', 'QUERIES', 'LATE', 'FAILED', 'UNDER WAY', 'STATE'),
    ...upstreams.map(one =>
      line(
        one.server,
        `${one.srttMs.toFixed(1)} ms`,
        integer(one.queries),
        percent(one.timeouts, one.queries),
        percent(one.failures, one.queries),
        integer(one.inFlight),
        one.resting ? 'rests' : 'asked',
      ),
    ),
  ];
}

// eslint-disable-next-line no-control-regex
const CONTROLS = /[\x00-\x1f\x7f-\x9f]/g;

/** What a server calls itself is shown, and moves no cursor. */
function cut(line: string, columns: number): string {
  return line.replace(CONTROLS, '?').slice(0, Math.max(1, columns)).trimEnd();
}
