// Which endpoints of a service this client uses at all: by their metadata, by zone, and of many a subset of its own.
import { hostname } from 'node:os';
import type { Endpoint } from './endpoint.js';
import type { ServiceSettings } from './options.js';
import { mix, textHash } from './policies/rendezvous.js';
import type { FoundEndpoint } from './records/found.js';

/** @param failed told of a filter that throws: such an endpoint is not taken */
export function isWanted(
  found: FoundEndpoint,
  { where, filter }: Pick<ServiceSettings, 'where' | 'filter'>,
  failed: (error: unknown) => void,
): boolean {
  if (where.some(([key, value]) => found.metadata[key] !== value)) return false;
  if (filter === undefined) return true;
  try {
    return filter(found);
  } catch (error) {
    failed(error);
    return false;
  }
}

/** By their priorities, the lowest first. */
export function tiersOf(endpoints: Iterable<Endpoint>): Endpoint[][] {
  const tiers = new Map<number, Endpoint[]>();
  for (const one of endpoints) {
    const tier = tiers.get(one.priority);
    if (tier === undefined) tiers.set(one.priority, [one]);
    else tier.push(one);
  }
  return [...tiers].sort(([a], [b]) => a - b).map(([, tier]) => tier);
}

/** Of a priority's endpoints those that this client uses. */
export type Chooser = (tier: readonly Endpoint[]) => readonly Endpoint[];

/**
 * Of a priority's endpoints: those of the zone while one of them is well; of these, where only some are to be used, as many
 * that are well by their order for this client (rendezvous hashing, so that one that comes or goes changes one of them).
 * Those that are not well stay among them: they are to be tried again.
 */
export function chooser({ zone, subset, clientId }: Pick<ServiceSettings, 'zone' | 'subset' | 'clientId'>): Chooser {
  const client = textHash(clientId ?? `${hostname()}:${process.pid}`);
  return tier => {
    let chosen = tier;
    if (zone !== undefined) {
      const near = tier.filter(one => one.zone === zone);
      if (near.some(one => one.state === 'up')) chosen = near;
    }
    if (subset === undefined || chosen.length <= subset) return chosen;
    const ranked = chosen
      .map(one => ({ one, rank: mix(client, one.seed) }))
      .sort((a, b) => b.rank - a.rank || (a.one.id < b.one.id ? -1 : 1));
    const taken: Endpoint[] = [];
    let well = 0;
    for (const { one } of ranked) {
      if (well === subset) break;
      taken.push(one);
      if (one.state === 'up') well++;
    }
    return taken;
  };
}
