// Who watches what is answered: the query log, top lists; and how much of what native threads answer they are told of.
import { z } from 'zod';
import { parseSocketAddress } from '../../base/address.js';
import { optionError } from '../../base/errors.js';
import { parseMemory } from '../../base/memory.js';
import { pathExpected } from '../../base/fields.js';
import { count, memoryOption, pathOption } from '../../base/options.js';
import { MAX_TAP_EVERY } from '../../native/binding.js';
import { type Rows, section } from './row.js';
import { parsed } from './types.js';

export const CLIENT_LEVELS = ['off', 'truncated', 'hashed', 'full'] as const;
export type ClientLevel = (typeof CLIENT_LEVELS)[number];

const clients = z.enum(CLIENT_LEVELS).default('truncated');
const CLIENTS_WHY =
  'How clients are told: not at all (`off`), by their network (`truncated`: /24 of IPv4, /56 of IPv6), by a hash under a key that is drawn anew each day (`hashed`), or by their addresses (`full`).';

const tap = section({
  hitsOneIn: {
    schema: count(0, MAX_TAP_EVERY).default(0),
    change: 'live',
    why: 'Of what native threads answer by themselves, hits most of all, one in so many is told to the query log, the top lists and dnstap, whichever it is by chance; 0: none. Misses, and what lists block, are told all.',
  },
});

const queryLog = section({
  enabled: { schema: z.boolean().default(false), change: 'live', why: 'Whether queries are logged, in memory.' },
  entries: {
    schema: count(1, 100_000).default(10_000),
    change: 'live',
    why: 'The last so many are kept, of about 400 octets each.',
  },
  clients: { schema: clients, change: 'live', why: CLIENTS_WHY },
  file: {
    schema: pathOption.optional(),
    change: 'live',
    why: 'A file that they are appended to as well, a line of JSON each. Opened anew at SIGHUP, so that others may have renamed it.',
  },
  maxFileSize: {
    schema: memoryOption.default('64MiB'),
    change: 'live',
    why: 'A file that is as great is renamed to `FILE.1`, that one to `FILE.2`, and so on.',
  },
  keepSize: {
    schema: memoryOption.default('512MiB'),
    change: 'live',
    why: 'All of these files together have no more than so many octets: the oldest is deleted.',
  },
});
export type QueryLogSettings = z.output<typeof queryLog>;

const top = section({
  enabled: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Whether names, clients, types and upstreams are counted that most queries come by.',
  },
  clients: { schema: clients, change: 'live', why: CLIENTS_WHY },
  slowMs: {
    schema: count(1, 60_000).default(500),
    change: 'live',
    why: 'What takes as long is slow.',
  },
});
export type TopSettings = z.output<typeof top>;

/**
 * Where frames go: `unix:PATH`, or `tcp://ADDRESS:PORT`.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming `option`
 */
export function parseFrameTarget(text: string, option: string): { path: string } | { host: string; port: number } {
  const [, path] = /^unix:(.*)$/s.exec(text) ?? [];
  if (path !== undefined && pathExpected(path) === undefined) return { path };
  const [, at = ''] = /^tcp:\/\/(.*)$/s.exec(text) ?? [];
  let found;
  try {
    found = parseSocketAddress(at, option);
  } catch {
    // Nor is an empty text one.
  }
  if (found === undefined || found.port === 0) throw optionError(option, text, 'unix:PATH or tcp://ADDRESS:PORT');
  return { host: found.address, port: found.port };
}

const dnstap = section({
  to: {
    schema: parsed(text => parseFrameTarget(text, '')),
    change: 'live',
    why: 'Who takes the frames: a unix socket (`unix:/run/dnstap.sock`), or an address (`tcp://192.0.2.1:6000`). Asked for again while nobody is there; 10,000 frames wait meanwhile.',
  },
  identity: {
    schema: z.string().max(255).default(''),
    change: 'live',
    why: 'The name of this server in each of them.',
  },
  clients: {
    schema: z.enum(['off', 'truncated', 'full']).default('truncated'),
    change: 'live',
    why: 'How clients are told: not at all (`off`), by their network (`truncated`: /24 of IPv4, /56 of IPv6), or by their addresses (`full`).',
  },
});
export type DnstapSettings = z.output<typeof dnstap>;
export type DnstapClients = DnstapSettings['clients'];

export interface ObservationSettings {
  readonly tap: z.output<typeof tap>;
  readonly queryLog: QueryLogSettings;
  readonly top: TopSettings;
  readonly dnstap?: DnstapSettings | undefined;
}

/** What is wrong with them together. */
export function wrongRetention({ queryLog: it }: ObservationSettings): { path: string[]; message: string } | undefined {
  const [most, keep] = [parseMemory(it.maxFileSize), parseMemory(it.keepSize)];
  if (most === undefined || keep === undefined || most <= keep) return undefined;
  return { path: ['queryLog', 'maxFileSize'], message: `expected at most queryLog.keepSize, which is ${it.keepSize}` };
}

export const observationRows = {
  tap: { schema: tap.prefault({}), change: 'live', why: 'What those who watch are told of.' },
  queryLog: {
    schema: queryLog.prefault({}),
    change: 'live',
    why: 'The query log: `shardns ctl log`, `GET /v1/querylog`, a file.',
  },
  top: {
    schema: top.prefault({}),
    change: 'live',
    why: 'Top lists of the last minute: `shardns ctl top`, `GET /v1/top`.',
  },
  dnstap: {
    schema: dnstap.optional(),
    change: 'live',
    why: 'Each reply is told by dnstap, as CLIENT_RESPONSE.',
  },
} as const satisfies Rows;
