// Whom misses are asked of, and how.
import { z } from 'zod';
import { parsePrefix } from '../../base/address.js';
import { count } from '../../base/options.js';
import { PrefixTable } from '../../base/prefix-table.js';
import type { ExchangerOptions } from '../../upstream/exchange.js';
import { type Rows, section } from './row.js';
import { prefix, upstreamAddress } from './types.js';

const clientString = section({
  servers: { schema: prefix, change: 'live', why: 'An address or prefix of servers that are told it.' },
  text: { schema: z.string().min(1).max(255), change: 'live', why: 'The text.' },
});

const upstream = section({
  deadlineMs: {
    schema: count(50, 60_000).default(5000),
    change: 'live',
    why: 'How long a question may take, whoever is asked.',
  },
  hedge: {
    schema: z.boolean().default(true),
    change: 'live',
    why: 'Ask a second server early where the first is late.',
  },
  maxInFlight: {
    schema: count(1, 65_536).default(2048),
    change: 'live',
    why: 'Questions one server is asked at a time; up to 16,384 more wait for room until their deadline.',
  },
  maxTotal: { schema: count(1, 65_536).default(8192), change: 'live', why: 'Questions under way in all.' },
  udpSize: {
    schema: count(512, 4096).default(1232),
    change: 'live',
    why: 'Greatest response over UDP, as told to servers (RFC 9715 section 3.1).',
  },
  clientSubnet: {
    schema: z.enum(['strip', 'forward']).default('strip'),
    change: 'live',
    why: "Whether a client's subnet goes upstream (RFC 7871); answers are kept by subnet then.",
  },
  letterCase: {
    schema: z.enum(['public', 'always', 'never']).default('public'),
    change: 'live',
    why: 'Whose names go out in random letters, so that responses are hard to forge (0x20): servers with `public` addresses, `always`, `never`. Servers on this machine and in private networks may mind the letters and are asked as written; who changes them is asked over TCP, or as written.',
  },
  clientStrings: {
    schema: z.array(clientString).max(4096).default([]),
    change: 'live',
    why: 'Who asks, told to some servers in an EDNS option of each query, where they tell customers apart by it.',
  },
  clientStringOption: {
    schema: count(1, 65_535).default(65_001),
    change: 'live',
    why: 'Code of that option; RFC 6891 section 9 keeps 65001 to 65534 for local use.',
  },
});

export const upstreamRows = {
  upstreams: {
    schema: z
      .union([
        z.array(upstreamAddress).max(64),
        z
          .record(z.string().min(1), z.array(upstreamAddress).min(1).max(64))
          .refine(groups => 'default' in groups, 'expected a group named "default"'),
      ])
      .default([]),
    change: 'live',
    why: 'Where misses go: addresses, or named groups for `onQuery` with one called `default`. `shardns serve` without them asks whom `/etc/resolv.conf` names, follows it as it changes, and leaves itself out.',
  },
  upstream: { schema: upstream.prefault({}), change: 'live', why: 'How upstreams and name servers are asked.' },
} as const satisfies Rows;

type Groups = Record<string, string[]>;

/** The upstream groups in one form. */
export function groupsOf({ upstreams }: { upstreams: string[] | Groups }): Groups {
  return Array.isArray(upstreams) ? { default: upstreams } : upstreams;
}

export function exchangerOptionsOf(settings: { upstream: z.output<typeof upstream> }): ExchangerOptions {
  const { clientStrings, clientStringOption: option } = settings.upstream;
  if (clientStrings.length === 0) return { ...settings.upstream, clientStrings: undefined };
  const servers = new PrefixTable(
    clientStrings.map(({ servers, text }, i) => [
      parsePrefix(servers, `upstream.clientStrings[${i}].servers`),
      Buffer.from(text),
    ]),
  );
  return { ...settings.upstream, clientStrings: { option, servers } };
}
