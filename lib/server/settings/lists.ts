// Lists of names that are blocked or allowed, for whom, and how those who ask for them are told.
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { type AddressPrefix, parsePrefix } from '../../base/address.js';
import { count, pathOption } from '../../base/options.js';
import { Covering, prefixKey } from '../../base/prefix-table.js';
import { isTimeZone, minutesOf, WEEKDAYS } from '../../clients/times.js';
import { viewPrefixes } from '../../clients/views.js';
import { MAX_LISTS } from '../../native/binding.js';
import { ExtendedError } from '../../wire/iana.js';
import { type Rows, section } from './row.js';
import { prefix } from './types.js';

/** Sets of lists that a gate tells apart: native/gate/gate.h. */
export const MAX_LIST_SETS = 64;

const timeOfDay = z
  .string()
  .refine(text => minutesOf(text) !== undefined, 'expected a time such as 21:00, in quotes in YAML');

const hours = section({
  days: {
    schema: z.array(z.enum(WEEKDAYS)).max(7).default([]),
    change: 'live',
    why: 'Days on which they begin; by default each.',
  },
  from: { schema: timeOfDay, change: 'live', why: 'When they begin, as the clocks of `blocking.timeZone` show it.' },
  to: {
    schema: timeOfDay,
    change: 'live',
    why: 'When they end; a time that is not after `from` is of the next day.',
  },
});

const list = section({
  name: {
    schema: z.string().regex(/^[\x20-\x7e]{1,64}$/, 'expected 1 to 64 visible ASCII characters'),
    change: 'live',
    why: 'A name that no other list has.',
  },
  source: {
    schema: z
      .string()
      .max(4096)
      .refine(text => isAbsolute(text) || (text.startsWith('https://') && URL.canParse(text)), {
        message: 'expected the absolute path of a file, or an https URL',
      }),
    change: 'live',
    why: 'A file, by its absolute path, which is read again when it changes; or an https URL, of which `blocking.folder` has a copy.',
  },
  sha256: {
    schema: z
      .string()
      .regex(/^[0-9a-f]{64}$/i, 'expected 64 hexadecimal digits')
      .optional(),
    change: 'live',
    why: 'Of a URL: the digest of the only content that is taken.',
  },
  format: {
    schema: z.enum(['hosts', 'domains', 'adblock', 'rpz']),
    change: 'live',
    why: 'How its lines are read: `0.0.0.0 NAME`, names or `*.NAME`, rules of ad blockers (`||NAME^`, `@@||NAME^`), or a response policy zone.',
  },
  action: {
    schema: z.enum(['nxdomain', 'nodata', 'zero', 'refuse', 'drop', 'truncate', 'allow', 'passthru']).optional(),
    change: 'live',
    why: 'What its names are answered with: NXDOMAIN, which is the default, no records, `0.0.0.0` and `::`, REFUSED, nothing, TC over UDP; `allow`: they are never blocked. Of a response policy zone: in place of what its records say; `passthru`: what it has a rule for is let pass, and later lists are not asked.',
  },
  matches: {
    schema: z.enum(['exact', 'subtree']).optional(),
    change: 'live',
    why: 'Of `domains`: what a bare name stands for, itself or itself and all below, which is the default; names of `hosts` stand for themselves.',
  },
  views: {
    schema: z.array(z.string()).max(1024).default([]),
    change: 'live',
    why: 'Names of `views` whose clients it is for; with `clients`, those too. By default everybody.',
  },
  clients: {
    schema: z.array(prefix).max(4096).default([]),
    change: 'live',
    why: 'Addresses and prefixes of the clients that it is for.',
  },
  times: {
    schema: z.array(hours).max(16).default([]),
    change: 'live',
    why: 'Hours in which it holds; by default always.',
  },
  extendedError: {
    schema: z.enum(['blocked', 'censored', 'filtered', 'prohibited']).default('blocked'),
    change: 'live',
    why: 'The extended error of its replies (RFC 8914): 15 where the operator blocks, 16 where others make him, 17 where the client wished it, 18.',
  },
});

const blocking = section({
  ttlSeconds: {
    schema: count(0, 86_400).default(10),
    change: 'live',
    why: 'How long clients remember that a name is blocked.',
  },
  explain: {
    schema: z.boolean().default(false),
    change: 'live',
    why: "Name the list and its line in the extended error's text.",
  },
  timeZone: {
    schema: z.string().refine(isTimeZone, 'expected the name of a time zone such as Europe/Berlin').optional(),
    change: 'live',
    why: "Whose clocks `lists[].times` are read by; by default the system's.",
  },
  folder: {
    schema: pathOption.optional(),
    change: 'live',
    why: 'Where copies of lists at URLs are kept, also over a restart; needed for those.',
  },
  refreshSeconds: {
    schema: count(60, 2_592_000).default(86_400),
    change: 'live',
    why: 'How old a copy becomes before the URL is asked again, with the ETag of the copy.',
  },
  maxNames: {
    schema: count(1000, 134_217_728).default(10_000_000),
    change: 'live',
    why: 'Names of all lists, of 36 octets each, and 80 while they are compiled; lists that have more are not taken.',
  },
});

export type List = z.output<typeof list>;
type Blocking = z.output<typeof blocking>;

export const listRows = {
  lists: {
    schema: z
      .array(list)
      .max(MAX_LISTS)
      .default([])
      .superRefine((lists, context) => {
        const names = new Set<string>();
        for (const [i, { name, action, format, matches }] of lists.entries()) {
          const wrong = (message: string, key: string): void =>
            context.addIssue({ code: 'custom', message, path: [i, key] });
          if (names.has(name)) wrong('expected a name that no other list has', 'name');
          names.add(name);
          if (action === 'allow' && format !== 'hosts' && format !== 'domains') {
            wrong(
              `expected another action: in a list of the format ${format} rules say themselves what they allow`,
              'action',
            );
          }
          if (action === 'passthru' && format !== 'rpz')
            wrong('expected another action: it is of the format rpz', 'action');
          if (matches !== undefined && format !== 'domains')
            wrong('expected none: it is of the format domains', 'matches');
        }
      }),
    change: 'live',
    why: 'Names that are blocked before anything is looked up, or never are. Of all lists that are no zones, what allows comes before what blocks; a zone and the lists come in the order given, and the first that has the name decides.',
  },
  blocking: { schema: blocking.prefault({}), change: 'live', why: 'How blocked names are answered.' },
} as const satisfies Rows;

interface Listing {
  lists: readonly List[];
  views: readonly { name: string; clients: readonly string[] }[];
}

/** Which lists apply to the clients of each prefix that differs from others. */
export interface ListSets {
  /** The first is everybody's. */
  sets: bigint[];
  prefixes: (readonly [AddressPrefix, number])[];
}

export function listSetsOf({ lists, views }: Listing): ListSets {
  const ofViews = new Covering(viewPrefixes(views));
  const ofLists = lists.map(
    ({ clients }, i) => new Covering(clients.map((text, j) => [parsePrefix(text, `lists[${i}].clients[${j}]`), true])),
  );
  const bitsOf = (prefix: AddressPrefix | undefined): bigint => {
    const view = prefix && ofViews.find(prefix);
    const viewName = view === undefined ? undefined : views[view - 1].name;
    return lists.reduce((bits, one, i) => {
      const applies =
        (one.views.length === 0 && one.clients.length === 0) ||
        (viewName !== undefined && one.views.includes(viewName)) ||
        (prefix !== undefined && ofLists[i].find(prefix) === true);
      return applies ? bits | (1n << BigInt(i)) : bits;
    }, 0n);
  };
  const sets = [bitsOf(undefined)];
  if (lists.every(one => one.views.length === 0 && one.clients.length === 0)) return { sets, prefixes: [] };
  const numbers = new Map([[sets[0], 0]]);
  const prefixes = [ofViews, ...ofLists].flatMap(one => one.prefixes);
  const seen = new Set<string>();
  const numbered = prefixes.flatMap((prefix): [AddressPrefix, number][] => {
    const key = prefixKey(prefix);
    if (seen.has(key)) return [];
    seen.add(key);
    const bits = bitsOf(prefix);
    let number = numbers.get(bits);
    if (number === undefined) {
      number = sets.push(bits) - 1;
      numbers.set(bits, number);
    }
    return [[prefix, number]];
  });
  return { sets, prefixes: numbered };
}

const ERRORS = {
  blocked: ExtendedError.blocked,
  censored: ExtendedError.censored,
  filtered: ExtendedError.filtered,
  prohibited: ExtendedError.prohibited,
} as const;

/** How those who ask for a blocked name are told. */
export function blockedSaysOf({ lists, blocking }: { lists: readonly List[]; blocking: Blocking }) {
  return {
    ttlSeconds: blocking.ttlSeconds,
    errors: lists.map(one => ERRORS[one.extendedError]),
    names: blocking.explain ? lists.map(one => one.name) : [],
  };
}

/** What of the lists does not go with other options, the first. */
export function listAlone({
  lists,
  views,
  blocking,
}: Listing & { blocking: Blocking }): { path: (string | number)[]; message: string } | undefined {
  const at = lists.findIndex(({ source }) => !isAbsolute(source));
  if (at >= 0 && blocking.folder === undefined) {
    return { path: ['lists', at, 'source'], message: 'expected blocking.folder, where copies of URLs are kept' };
  }
  const names = new Set(views.map(({ name }) => name));
  for (const [i, one] of lists.entries()) {
    const j = one.views.findIndex(name => !names.has(name));
    if (j >= 0) return { path: ['lists', i, 'views', j], message: 'expected the name of a view' };
  }
  return undefined;
}
