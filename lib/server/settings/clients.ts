// How clients are told apart: tenants that a hook sorts them into, views by where they ask from, and what one of them may
// hold of all.
import { z } from 'zod';
import { parsePrefix } from '../../base/address.js';
import { DEFAULT_CLIENT_SHARE, shareOf } from '../../base/client-shares.js';
import { count } from '../../base/options.js';
import { prefixKey } from '../../base/prefix-table.js';
import type { GateRules } from '../../clients/gate.js';
import { firstTranslatedTag, taggedPrefixes, viewPrefixes } from '../../clients/views.js';
import type { FlightLimits } from '../../resolve/flights.js';
import type { View } from '../../resolve/local-answers.js';
import { LocalData } from '../../resolve/local-data.js';
import { translatedClientsOf } from './dns64.js';
import { localSection } from './local.js';
import { type Rows, section } from './row.js';
import { prefix } from './types.js';

const tenants = section({
  enabled: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Clients that `onQuery` sorts into tenants, which share no answers.',
  },
  clients: {
    schema: count(16, 1_048_576).default(65_536),
    change: 'live',
    why: 'Client addresses remembered; of others `onQuery` is asked again.',
  },
  seconds: {
    schema: count(1, 86_400).default(300),
    change: 'live',
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
      .default(DEFAULT_CLIENT_SHARE),
    change: 'relisten',
    why: 'The part of both that one client (an address, for IPv6 a /56) may hold in any case; more only while as much is free, so that a front proxy alone has half, and 16 clients that take all they can get leave a 17th. The same of the questions under way (`upstream.maxInFlight`, for a recursor `.maxTotal`). 1 means no bound for one client.',
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

interface Clients extends Tagged {
  allow: readonly string[];
  tenants: z.output<typeof tenants>;
}

type Tagged = { views: readonly z.output<typeof view>[] } & Parameters<typeof translatedClientsOf>[0];

/** The greatest tag of a client. */
export function greatestTagOf(settings: Tagged): number {
  const { length } = settings.views;
  return translatedClientsOf(settings).length === 0 ? length : firstTranslatedTag(length) + length;
}

/** Who may ask, and under which tag. */
export function gateRulesOf(settings: Clients): GateRules {
  const { allow, views, tenants } = settings;
  const translated = translatedClientsOf(settings).map((text, i) => parsePrefix(text, `dns64.clients[${i}]`));
  return {
    allow: allow.map((text, i) => parsePrefix(text, `allow[${i}]`)),
    views: taggedPrefixes(viewPrefixes(views), views.length, translated),
    clients: tenants.enabled ? tenants.clients : 0,
  };
}

/** What the clients of each view are told, in the order of their tags. */
export function viewsOf({ views }: Pick<Tagged, 'views'>): View[] {
  return views.map(({ local, inherit }) => ({ localData: new LocalData(local), inherit }));
}

interface Room {
  missRing: z.output<typeof missRing>;
  upstream: { maxTotal: number; maxInFlight: number };
}

/**
 * Questions under way, and what of them clients share out: where upstreams are asked, what one of them is asked at a time
 * (`upstream.maxInFlight`). All of a group may be silent about a name, so one more server is not more room.
 * @param forwards whether there are upstreams
 */
export function flightLimitsOf({ missRing, upstream }: Room, forwards: boolean): FlightLimits {
  const { maxTotal, maxInFlight } = upstream;
  const room = forwards ? Math.min(maxTotal, maxInFlight) : maxTotal;
  const { clientShare } = missRing;
  return { most: maxTotal, room, share: clientShare === 1 ? maxTotal : shareOf(room, clientShare) };
}
