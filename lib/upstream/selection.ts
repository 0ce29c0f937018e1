// Which server to ask next: the fastest healthy one, now and then another, never one tried already while others are
// left; when all rest, the one that has rested longest comes back first. `spread`: any healthy one, by chance.
import { below, type Random } from '../base/random.js';
import { UPSTREAM_LIMITS } from './limits.js';
import type { Upstream } from './upstream.js';

export interface SelectionOptions {
  maxInFlight: number;
  spread?: boolean;
}

export function select(
  upstreams: readonly Upstream[],
  tried: ReadonlySet<Upstream>,
  { maxInFlight, spread = false }: SelectionOptions,
  random: Random,
): Upstream | undefined {
  if (upstreams.length === 1) return upstreams[0].inFlight < maxInFlight ? upstreams[0] : undefined;
  let candidates = upstreams.filter(one => !tried.has(one) && one.inFlight < maxInFlight);
  if (candidates.length === 0) candidates = upstreams.filter(one => one.inFlight < maxInFlight);
  if (candidates.length === 0) return undefined;
  const awake = candidates.filter(one => !one.resting);
  if (awake.length > 0) candidates = awake;
  if (candidates.length > 1 && (spread || below(random, UPSTREAM_LIMITS.explorationShare) === 0)) {
    return candidates[below(random, candidates.length)];
  }
  return candidates.reduce((best, one) => (one.srttMs < best.srttMs ? one : best));
}
