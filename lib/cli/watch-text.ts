// `shardns ctl log` and `ctl top`: what they ask, and how it is shown.
import type { ShownQuery } from '../server/tap/query-log.js';
import type { TopList } from '../server/tap/top-lists.js';

export interface WatchFlags {
  client?: string;
  name?: string;
  type?: string;
  rcode?: string;
  by?: string;
  uncached?: boolean;
  slower?: string;
  before?: string;
  limit?: string;
  current?: boolean;
}

const WATCH = { method: 'GET', whole: true } as const;
type Asked = typeof WATCH & { path: string; show: (text: string) => string };

export function logCallOf(flags: WatchFlags): Asked {
  const { client, name, type, rcode, by, uncached, slower, before, limit } = flags;
  const query = parameters({ client, name, type, rcode, by, uncached: uncached && '1', slower, before, limit });
  return { ...WATCH, path: `/v1/querylog?${query}`, show: logText };
}

/** @param words what is counted, and by what: `miss`, `client` */
export function topCallOf([what, by, ...others]: readonly string[], { limit, current }: WatchFlags): Asked | undefined {
  if (others.length > 0) return undefined;
  const query = parameters({ what, by, most: limit, current: current && '1' });
  return { ...WATCH, path: `/v1/top?${query}`, show: topText };
}

function parameters(values: Record<string, string | false | undefined>): string {
  const given = Object.entries(values).filter((one): one is [string, string] => typeof one[1] === 'string');
  return new URLSearchParams(given).toString();
}

/** Oldest first, as a log is read. */
function logText(text: string): string {
  const { entries, before } = JSON.parse(text) as { entries: ShownQuery[]; before?: number };
  if (entries.length === 0) return 'no such query is in the log';
  const more = before === undefined ? [] : [`more: --before ${before}`];
  return [...more, ...entries.map(lineOf).reverse()].join('\n');
}

function lineOf({ at, client = '-', protocol, name, type, rcode, by, ms, upstream, oneIn }: ShownQuery): string {
  const how = upstream === undefined ? by : `${by} ${upstream}`;
  return [
    at,
    client,
    protocol,
    name,
    type,
    rcode,
    `${ms} ms`,
    how,
    ...(oneIn === undefined ? [] : [`1 in ${oneIn}`]),
  ].join(' ');
}

function topText(text: string): string {
  const { by, what, seconds, total, entries } = JSON.parse(text) as TopList;
  const head = `${what} by ${by}: ${total} in ${seconds} s`;
  const width = Math.max(0, ...entries.map(one => String(one.count).length));
  const lines = entries.map(({ key, count, error }) => {
    const about = error === 0 ? '' : ` (at least ${count - error})`;
    return `${String(count).padStart(width)} ${key}${about}`;
  });
  return [head, ...lines].join('\n');
}
