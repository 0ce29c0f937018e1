// How clients are told apart: tenants that a hook sorts them into, views by where they ask from, and what one of them may
// hold of all.
import { z } from 'zod';
import { parsePrefix } from '../../base/address.js';
import { shareOf } from '../../base/client-shares.js';
import { count } from '../../base/options.js';
import { prefixKey } from '../../base/prefix-table.js';
import { Views } from '../../resolve/views.js';
import { localSection } from './local.js';
import { type Rows, section } from './row.js';
import { prefix } from './types.js';

const tenants = section({
  enabled: {
    schema: z.boolean().default(false),
    change: 'relisten',
    why: 'Clients that `onQuery` sorts into tenants, which share no answers.',
  },
  clients: {
    schema: count(16, 1_048_576).default(65_536),
    change: 'relisten',
    why: 'Client addresses remembered; of others `onQuery` is asked again.',
  },
  seconds: {
    schema: count(1, 86_400).default(300),
    change: 'relisten',
    why: "How long a client's tenant is remembered.",
  },
});

const view = section({
  name: { schema: z.string().min(1).max(64), change: 'live', why: 'A name that no other view has.' },
  clients: {
    schema: z.array(prefix).min(1).max(4096),
    change: 'live',
    why: 'Addresses and prefixes of its clients; the longest of all views decides.',
  },
  inherit: {
    schema: z.boolean().default(true),
    change: 'live',
    why: 'Look in `local` for names that the view says nothing of.',
  },
  local: { schema: localSection.prefault({}), change: 'live', why: 'As `local` itself, for these clients.' },
});

const missRing = section({
  flights: { schema: count(16, 65_536).default(4096), change: 'relisten', why: 'Names under way.' },
  waiters: {
    schema: count(16, 1_048_576).default(16_384),
    change: 'relisten',
    why: 'Queries waiting for them, a quarter of these for one name; about 600 octets each.',
  },
  clientShare: {
    schema: z
      .number()
      .gt(0, 'expected a share above 0, at most 1')
      .max(1, 'expected a share above 0, at most 1')
      .default(1 / 8),
    change: 'relisten',
    why: 'The part of both that one client (an address, for IPv6 a /56) may hold in any case; more only while as much is free, so that a front proxy alone has half, and of many clients each its share. Of the questions under way (`upstream.maxTotal`) it begins this part at most. 1 means no bound for one client.',
  },
});

/** No two views have one name, or the same clients, however their prefix is written. */
function oneViewEach(views: readonly { name: string; clients: string[] }[], context: z.RefinementCtx): void {
  const names = new Set<string>();
  const viewOf = new Map<string, number>();
  for (const [i, { name, clients }] of views.entries()) {
    if (names.has(name)) {
      context.addIssue({ code: 'custom', message: 'expected a name that no other view has', path: [i, 'name'] });
    }
    names.add(name);
    for (const [j, client] of clients.entries()) {
      let key: string;
      try {
        key = prefixKey(parsePrefix(client, ''));
      } catch {
        continue; // told already
      }
      if ((viewOf.get(key) ?? i) !== i) {
        const path = [i, 'clients', j];
        context.addIssue({ code: 'custom', message: 'expected clients of one view only', path });
      }
      viewOf.set(key, i);
    }
  }
}

export const clientRows = {
  tenants: { schema: tenants.prefault({}), change: 'live', why: 'Clients of different kinds, by `onQuery`.' },
  views: {
    schema: z.array(view).max(1024).default([]).superRefine(oneViewEach),
    change: 'live',
    why: 'Local data for some clients, by where they ask from; none where `tenants.enabled` is set.',
  },
  missRing: {
    schema: missRing.prefault({}),
    change: 'live',
    why: 'What waits for JavaScript, and how much of it one client may be.',
  },
} as const satisfies Rows;

interface Clients {
  tenants: z.output<typeof tenants>;
  views: z.output<typeof view>[];
}

/** Whether clients are told different things. */
export function sortsClients({ tenants, views }: Clients): boolean {
  return tenants.enabled || views.length > 0;
}

export function viewsOf({ views }: Pick<Clients, 'views'>): Views | undefined {
  return views.length > 0 ? new Views(views) : undefined;
}

/** So few that no share of them is worth the name. */
const LEAST_CLIENT_FLIGHTS = 64;

/** What one client may begin of all questions under way; by default half of what one server is asked at a time (`upstream.maxInFlight`), so that others are heard. */
export function clientFlightsOf(settings: {
  missRing: z.output<typeof missRing>;
  upstream: { maxTotal: number };
}): number {
  const { maxTotal } = settings.upstream;
  return Math.min(maxTotal, Math.max(LEAST_CLIENT_FLIGHTS, shareOf(maxTotal, settings.missRing.clientShare)));
}
