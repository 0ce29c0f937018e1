// What is decided of a query before anything is looked up: cookies, rates, lists of names.
import { z } from 'zod';
import { parsePrefix } from '../../base/address.js';
import { count } from '../../base/options.js';
import type { CookieRules, RateClass, RateLimit, RateRules } from '../../clients/edge.js';
import type { GateRules } from '../../clients/gate.js';
import { type Rows, section } from './row.js';
import { prefix } from './types.js';

const secret = z.string().regex(/^[0-9a-f]{32}$/i, 'expected 32 hexadecimal digits');

const cookies = section({
  enabled: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Answer the cookies of those who send one (RFC 7873, RFC 9018): who shows ours has proven its address.',
  },
  secret: {
    secret: true,
    schema: secret.optional(),
    change: 'live',
    why: 'What cookies are made with, as 32 hexadecimal digits, the same on all servers of one address. By default one of its own, drawn at the start and every day.',
  },
  alsoAccepted: {
    secret: true,
    schema: z.array(secret).max(2).default([]),
    change: 'live',
    why: 'Secrets whose cookies are good too: the next one while it is not on all servers yet, the last one for 65 minutes after its end.',
  },
  required: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Over UDP nothing is answered without a good cookie: BADCOOKIE with a fresh one, and for those who send none TC, so that they come back over TCP.',
  },
});

const perSecond = z.number().min(0.001).max(1_000_000);

const rateLimit = section({
  enabled: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Limit how often the clients of a prefix may ask.',
  },
  queriesPerSecond: {
    schema: perSecond.default(200),
    change: 'live',
    why: 'Queries of all kinds, hits too, from 0.001 to 1,000,000.',
  },
  missesPerSecond: {
    schema: perSecond.optional(),
    change: 'live',
    why: 'Beside that, those that the cache does not answer.',
  },
  nxdomainPerSecond: {
    schema: perSecond.optional(),
    change: 'live',
    why: 'Beside that, those that come to NXDOMAIN, as random names of an attack do.',
  },
  errorsPerSecond: {
    schema: perSecond.optional(),
    change: 'live',
    why: 'Beside that, those that come to an error: SERVFAIL, REFUSED, FORMERR.',
  },
  burst: {
    schema: z.number().min(0).max(10_000).default(2),
    change: 'live',
    why: 'How many seconds of each may come at once; one query in any case.',
  },
  ipv4Prefix: {
    schema: count(0, 32).default(24),
    change: 'live',
    why: 'Bits of an IPv4 address that are counted as one client.',
  },
  ipv6Prefix: { schema: count(0, 128).default(56), change: 'live', why: 'The same of an IPv6 address.' },
  action: {
    schema: z.enum(['slip', 'drop', 'truncate', 'refuse']).default('slip'),
    change: 'live',
    why: 'What becomes of queries that are over: dropped, truncated so that real clients come back over TCP, one in `slip` truncated and the others dropped, or REFUSED. Over TCP, and with a good cookie, it is REFUSED always.',
  },
  slip: {
    schema: count(1, 1000).default(2),
    change: 'live',
    why: 'Of `action: slip`: one in so many is truncated.',
  },
  provenTimes: {
    schema: z.number().min(0).max(1000).default(10),
    change: 'live',
    why: 'How many times as much clients may ask that have proven their address: over TCP, or by a good cookie (`cookies.enabled`). 0 means no limit for them.',
  },
  exempt: {
    schema: z.array(prefix).max(4096).default([]),
    change: 'live',
    why: 'Addresses and prefixes that are not limited.',
  },
  dryRun: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Count what would be over, and answer it.',
  },
  counters: {
    schema: count(1024, 2 ** 26).default(524_288),
    change: 'live',
    why: 'Counters of 8 octets, which are all the memory it takes; 1.4 for each prefix that asks within the time of a burst keep all of them. With another number counting begins anew.',
  },
});

export const policyRows = {
  cookies: { schema: cookies.prefault({}), change: 'live', why: 'DNS cookies (RFC 7873).' },
  rateLimit: { schema: rateLimit.prefault({}), change: 'live', why: 'How often clients may ask.' },
} as const satisfies Rows;

/** @param drawn secrets of one's own, for where none is given */
export function cookieRulesOf(
  { enabled, secret, alsoAccepted, required }: z.output<typeof cookies>,
  drawn: () => readonly Uint8Array[],
): CookieRules | undefined {
  if (!enabled) return undefined;
  const given = alsoAccepted.map(octetsOf);
  const own = secret === undefined ? drawn() : [octetsOf(secret)];
  return { secrets: [...own, ...given].slice(0, 3), required };
}

const octetsOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

/** Classes of the native table, in this order. */
const OTHERS = 0;
const PROVEN = 1;
const EXEMPT = 2;
/** The longest window that the native table has (native/gate/rate_table.h). */
const MAX_WINDOW_SECONDS = 10_800;

export function rateRulesOf(settings: z.output<typeof rateLimit>): RateRules | undefined {
  const { enabled, action, slip, dryRun, provenTimes, ipv4Prefix, ipv6Prefix, counters } = settings;
  if (!enabled) return undefined;
  const common = { slip, dryRun, proven: PROVEN, ipv4Prefix, ipv6Prefix };
  const classes: RateClass[] = [];
  classes[OTHERS] = { ...common, action, limits: limitsOf(settings, 1) };
  classes[PROVEN] = { ...common, action: 'refuse', limits: provenTimes === 0 ? [] : limitsOf(settings, provenTimes) };
  classes[EXEMPT] = { ...common, action, proven: EXEMPT, limits: [] };
  return { classes, counters };
}

function limitsOf(settings: z.output<typeof rateLimit>, times: number): RateLimit[] {
  const { queriesPerSecond, missesPerSecond, nxdomainPerSecond, errorsPerSecond, burst } = settings;
  const kinds = { query: queriesPerSecond, miss: missesPerSecond, nxdomain: nxdomainPerSecond, error: errorsPerSecond };
  return (Object.entries(kinds) as [RateLimit['kind'], number | undefined][]).flatMap(([kind, rate]) => {
    if (rate === undefined) return [];
    const perSecond = Math.min(Math.max(rate * times, 0.001), 1_000_000);
    const most = Math.floor(perSecond * MAX_WINDOW_SECONDS);
    return [{ kind, perSecond, burst: Math.max(1, Math.min(Math.round(perSecond * burst), most)) }];
  });
}

/** The class of each prefix that has one; all others are in the first. */
export function rateClassesOf({ enabled, exempt }: z.output<typeof rateLimit>): GateRules['rateClasses'] {
  return enabled ? exempt.map((text, i) => [parsePrefix(text, `rateLimit.exempt[${i}]`), EXEMPT] as const) : [];
}
