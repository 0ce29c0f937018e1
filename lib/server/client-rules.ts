// Access, views and tenants of the settings: put in force on every way in, and what was kept under other ones forgotten.
import { isDeepStrictEqual } from 'node:util';
import type { Gate } from '../clients/gate.js';
import { ClientTenants } from '../clients/tenants.js';
import type { Resolver } from '../resolve/resolver.js';
import type { Invalidation } from './invalidation.js';
import type { Listeners } from './listeners/listeners.js';
import { gateRulesOf } from './settings/clients.js';
import type { ServerSettings } from './settings/settings.js';

export class ClientRules {
  /** Whose rules are in force. */
  #applied: ServerSettings | undefined;

  constructor(
    private readonly gate: Gate,
    private readonly resolver: Resolver,
    private readonly listeners: Listeners,
    private readonly invalidation: Invalidation,
  ) {}

  /** Access, views and tenants, replaced whole: no query is judged by some of the old and some of the new. */
  apply(settings: ServerSettings): void {
    const before = this.#applied;
    const changed = (key: 'allow' | 'views' | 'tenants'): boolean =>
      before === undefined || !isDeepStrictEqual(settings[key], before[key]);
    const views = changed('views');
    const tenants = changed('tenants');
    if (!views && !tenants && !changed('allow')) return;
    // A tag is a view's number: it means another view from now on, perhaps, and clients are told by it at once.
    if (before !== undefined && views) this.invalidation.tags(Math.max(before.views.length, settings.views.length));
    this.gate.replace(gateRulesOf(settings));
    this.#applied = settings;
    // Nor is joined what began meanwhile under a tag of before.
    this.listeners.plane?.outdate();
    if (tenants) this.gate.forgetClients();
    this.resolver.views = settings.views.length > 0 ? this.gate : undefined;
    this.resolver.tenants = settings.tenants.enabled
      ? new ClientTenants(this.gate, settings.tenants.seconds)
      : undefined;
  }
}
