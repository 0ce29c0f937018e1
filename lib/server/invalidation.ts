// What is forgotten, by whom it is asked for and when settings change: in the cache, of what recursion knows, and of what
// is under way, which is told to those who wait and not kept.
import type { Forgotten } from '../cache/forgotten.js';
import type { Resolver } from '../resolve/resolver.js';
import { encodeName, foldName } from '../wire/name.js';
import type { Recursion } from './recursion.js';
import { greatestTagOf } from './settings/clients.js';
import { differInRules } from './settings/configuration.js';
import { changedLocalNames } from './settings/local.js';
import { changedZones } from './settings/recursion.js';
import type { ServerSettings } from './settings/settings.js';

export class Invalidation {
  constructor(
    private readonly resolver: Resolver,
    private readonly recursion: Recursion,
  ) {}

  /** At once and in O(1). */
  forget(what: Forgotten): void {
    this.#forget(what);
    // RRsets have no order by suffix, and no tenants.
    if (what === 'all' || 'suffix' in what) this.recursion.forget();
    else if ('name' in what) this.recursion.forget(what.name);
  }

  /** What was told by other settings, for as long as its TTLs last, is told no more. */
  changed(before: ServerSettings | undefined, settings: ServerSettings): void {
    if (before === undefined) this.tags(greatestTagOf(settings));
    const zones = before === undefined ? [] : changedZones(before, settings);
    const local = changedLocalNames(before, settings);
    const rules = before !== undefined && differInRules(before, settings);
    // What recursion knows has no order by suffix, and was judged by the rules too.
    if (rules || zones.length > 0) this.recursion.forget();
    if (rules || local === 'all') this.#forget('all');
    else for (const name of [...local, ...zones]) this.#forget({ suffix: foldName(encodeName(name)) });
  }

  /** What is kept for views, and what is under way for them, is nobody's from now on. */
  tags(tags: number): void {
    for (let tag = 1; tag <= tags; tag++) this.#forget({ tenant: tag });
  }

  #forget(what: Forgotten): void {
    this.resolver.forget(what);
  }
}
