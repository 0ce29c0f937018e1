// Asks anew for what is in the cache and will soon expire, so that its next clients find it fresh.
//
// Bounds: `prefetchPerSecond` refreshes; those of Refreshes.
import type { Engine } from '../cache/engine.js';
import type { Query } from '../wire/query.js';
import { asRefresh, type KnownAsker, variantOf } from './asker.js';
import type { Coalescer } from './coalescer.js';
import type { ResolverContext } from './context.js';
import { refreshKey } from './flight-key.js';
import { awaited } from './flights.js';
import type { Mistakes } from './mistakes.js';
import type { Resolution } from './outcome.js';
import type { Refreshes } from './refreshes.js';

export interface PrefetcherParts {
  readonly context: ResolverContext;
  readonly engine: Engine;
  readonly coalescer: Coalescer;
  readonly refreshes: Refreshes;
  readonly mistakes: Mistakes;
}

export class Prefetcher {
  #closed = false;

  constructor(private readonly parts: PrefetcherParts) {}

  close(): void {
    this.#closed = true;
  }

  /**
   * Never throws. False when the bound on prefetches says no.
   * @param known what there is meanwhile: beside what is not in the cache itself, a failure must not be there either
   */
  prefetch(query: Query, tenant: number, known: Resolution): boolean {
    const { context, coalescer, refreshes, mistakes } = this.parts;
    try {
      if (!refreshes.admit(context.options.prefetchPerSecond)) {
        context.stats.prefetchesDropped++;
        return false;
      }
      context.stats.prefetches++;
      const asked = asRefresh(query);
      const client = refreshes.clientOf(refreshKey(query, tenant, context.options.forwardClientSubnet), tenant);
      const asker: KnownAsker = { protocol: 'internal', client, tenant, fresh: true };
      void awaited(coalescer.join(asked, asker, known)).then(found => {
        if (found.kind !== 'message') this.#retry(query, tenant);
      });
      return true;
    } catch (error) {
      mistakes.ended(error, query);
      return false;
    }
  }

  /** RFC 8767 section 5: not before so many seconds; then the next hit may ask for it again. */
  #retry(query: Query, tenant: number): void {
    const { context, engine, refreshes, mistakes } = this.parts;
    try {
      refreshes.later(context.options.staleRetrySeconds, () => {
        try {
          if (!this.#closed) engine.allowRefresh(query.name, query.type, variantOf(query, tenant));
        } catch (error) {
          mistakes.ended(error, query); // its owner has closed the cache
        }
      });
    } catch (error) {
      mistakes.ended(error, query);
    }
  }
}
