// `shardns discover NAME`: the endpoints of a service as this machine finds them, once or as they change.
import { discover } from '../discovery/discover.js';
import type { Endpoint } from '../discovery/endpoint.js';
import { isServiceError } from '../discovery/failures.js';
import type { Change } from '../discovery/live-set.js';
import type { DiscoverOptions } from '../discovery/options.js';
import type { Service } from '../discovery/service.js';
import { DnsClient } from '../node/client.js';
import { say } from './say.js';
import { signals } from './signals.js';

export interface DiscoverFlags {
  server?: string[];
  records?: string;
  port?: string;
  watch?: boolean;
  json?: boolean;
  secure?: boolean;
}

/** @returns the exit status: 0 for endpoints, 1 for none */
export async function runDiscover(name: string, flags: DiscoverFlags): Promise<number> {
  const { server, records, port, secure } = flags;
  using client = new DnsClient({
    memory: '1MiB',
    staleSeconds: 0,
    ...(server === undefined ? {} : { servers: server, resolvConf: false }),
    ...(secure ? { secure: 'report' as const } : {}),
  });
  const options = {
    client,
    ready: flags.watch !== true,
    ...(records === undefined ? {} : { records }),
    // A port that is no number is refused by its name.
    ...(port === undefined ? {} : { port: /^\d+$/.test(port) ? Number(port) : port }),
    ...(secure ? { secure: 'report' } : {}),
  } as DiscoverOptions;
  try {
    using service = await discover(name, options);
    if (flags.watch) return await watch(service, flags);
    await say(flags.json ? `${JSON.stringify(inJson(service.endpoints))}\n` : table(service));
    return 0;
  } catch (error) {
    if (!isServiceError(error)) throw error;
    process.stderr.write(`shardns: ${error.message} (${error.category})\n`);
    return 1;
  }
}

async function watch(service: Service, { json }: DiscoverFlags): Promise<number> {
  const end = (): void => service.close();
  signals.on('SIGINT', end);
  signals.on('SIGTERM', end);
  service.on('stale', error => process.stderr.write(`${now()} stale: ${error.why}\n`));
  service.on('fresh', () => process.stderr.write(`${now()} servers answer again\n`));
  service.on('error', error => process.stderr.write(`${now()} ${error.message}\n`));
  for await (const change of service) {
    // Its reader has gone.
    if (!(await say(json ? `${JSON.stringify(changeInJson(change))}\n` : changeText(change)))) break;
  }
  return 0;
}

const now = (): string => new Date().toISOString().slice(11, 19);

const COLUMNS: readonly [string, (one: Endpoint) => string][] = [
  ['priority', one => String(one.priority)],
  ['weight', one => String(one.weight)],
  ['endpoint', one => one.id],
  ['addresses', one => one.addresses.join(' ')],
  [
    '',
    one =>
      [one.secure ? 'secure' : '', ...Object.entries(one.metadata).map(pair => shown(pair.join('=')))].join(' ').trim(),
  ],
];

/** Texts are a stranger's: nothing in them steers a terminal. */
const shown = (text: string): string => text.replace(/[\p{C}\p{Z}]/gu, one => (one === ' ' ? one : '\u{fffd}'));

function table(service: Service): string {
  const sorted = [...service.endpoints].sort((a, b) => a.priority - b.priority || (a.id < b.id ? -1 : 1));
  const rows = [COLUMNS.map(([head]) => head), ...sorted.map(one => COLUMNS.map(([, read]) => read(one)))];
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map(row => row[i].length)));
  return rows
    .map(
      row =>
        `${row
          .map((text, i) => text.padEnd(widths[i]))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

function changeText({ added, removed, changed, version }: Change): string {
  const line = (sign: string) => (one: Endpoint) =>
    `${now()} ${sign} ${one.id} ${one.priority} ${one.weight} ${one.addresses.join(' ')}\n`;
  const lines = [...added.map(line('+')), ...removed.map(line('-')), ...changed.map(line('~'))];
  return `${now()} version ${version}: ${added.length} added, ${removed.length} removed\n${lines.join('')}`;
}

const inJson = (endpoints: readonly Endpoint[]): object[] =>
  endpoints.map(({ id, host, port, priority, weight, addresses, metadata, alpn, secure }) => ({
    id,
    host,
    port,
    priority,
    weight,
    addresses,
    metadata,
    alpn,
    secure,
  }));
const changeInJson = ({ added, removed, changed, version }: Change): object => ({
  version,
  added: inJson(added),
  removed: inJson(removed),
  changed: inJson(changed),
});
