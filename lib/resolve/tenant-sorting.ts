// Questions of clients that belong to tenants as `onQuery` says: it is asked whose client this is before anything is
// answered, and may move the client to another tenant when it is asked about the question itself.
//
// Bound: MAX_MOVES; who waits for the hook takes the room of a flight.
import type { ClientTenants } from '../clients/tenants.js';
import type { Query } from '../wire/query.js';
import { type Asker, knownAsker, type KnownAsker } from './asker.js';
import type { Coalescer } from './coalescer.js';
import { awaited, type Found } from './flights.js';
import type { Mistakes } from './mistakes.js';
import { type Resolution, SERVFAIL } from './outcome.js';
import type { HookStep } from './steps/hook.js';

/** How often a question is begun anew because the hook moves its client, or the one whose flight it had joined. */
const MAX_MOVES = 4;

/** What it asks of the resolver that it belongs to. */
export interface SortingContext {
  readonly tenants: ClientTenants | undefined;
  /** A question whose client's tenant is known. */
  resolveKnown(query: Query, asker: KnownAsker): Found;
  find(query: Query, asker: KnownAsker, told: { own: boolean }): Found;
}

export class TenantSorting {
  constructor(
    private readonly context: SortingContext,
    private readonly coalescer: Coalescer,
    private readonly hook: HookStep,
    private readonly mistakes: Mistakes,
  ) {}

  /** Asks the hook whose client this is, before anything may be answered. */
  async classify(query: Query, asker: Asker): Promise<Resolution> {
    const client = asker.client?.address;
    try {
      if (!this.coalescer.take(client)) return SERVFAIL;
      let decision;
      try {
        decision = await this.hook.ask(query, asker);
      } finally {
        this.coalescer.release(client);
      }
      const tenant = decision?.tenant ?? 0;
      if (client !== undefined) this.context.tenants?.remember(client, tenant);
      return (await awaited(this.context.resolveKnown(query, knownAsker(asker, tenant, { decision })))) as Resolution;
    } catch (error) {
      this.mistakes.ended(error, query, 'onQuery did not say whose client this is');
      return SERVFAIL;
    }
  }

  /** For the tenant that the hook says in the end. Rejects for mistakes of ours only. */
  async resolve(query: Query, first: KnownAsker): Promise<Resolution> {
    let asker = first;
    for (let moves = 0; moves <= MAX_MOVES; moves++) {
      const flight = { own: false };
      const found = await awaited(this.context.find(query, asker, flight));
      if (found.kind !== 'moved') return found;
      // Whoever had joined another's flight is asked about for itself.
      if (!flight.own) continue;
      if (asker.client !== undefined) this.context.tenants?.remember(asker.client.address, found.tenant);
      if (asker.part?.() === false) return SERVFAIL;
      asker = { ...asker, tenant: found.tenant, decided: found.decided, part: undefined };
    }
    return SERVFAIL;
  }
}
