// Access, views, tenants, cookies, rates and lists of the settings: put in force on every way in, and what was kept under other
// ones forgotten.
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { PrefixTable } from '../base/prefix-table.js';
import type { Random } from '../base/random.js';
import { nativeEdge } from '../clients/edge.js';
import type { Gate } from '../clients/gate.js';
import { ClientTenants } from '../clients/tenants.js';
import type { Resolver } from '../resolve/resolver.js';
import { type NativeEdge, readEdgeStats, REFUSED, UNKNOWN_TENANT } from '../native/binding.js';
import { BlockLists, type ListVerdict } from './block-lists.js';
import { CookieSecrets } from './cookie-secrets.js';
import type { Invalidation } from './invalidation.js';
import { ListHits } from './list-hits.js';
import type { Listeners } from './listeners/listeners.js';
import { gateRulesOf, greatestTagOf } from './settings/clients.js';
import { translationPrefixOf } from './settings/dns64.js';
import { listSetsOf } from './settings/lists.js';
import { nsidOctets } from './settings/local.js';
import { cookieRulesOf, rateClassesOf, rateRulesOf } from './settings/policy.js';
import type { ServerSettings } from './settings/settings.js';

/** An address that nobody has (RFC 5737). */
const NOBODY = '192.0.2.0';

type Applied = 'allow' | 'views' | 'dns64' | 'nsid' | 'tenants' | 'cookies' | 'rateLimit' | 'lists' | 'blocking';

export class ClientRules {
  /** Whose rules are in force. */
  #applied: ServerSettings | undefined;
  readonly #secrets: CookieSecrets;
  /** Names that are blocked or allowed. */
  readonly lists: BlockLists;
  readonly #hits = new ListHits();
  /** Nobody else has the cache, now or in a file. */
  readonly #ownCache: boolean;

  constructor(
    private readonly gate: Gate,
    private readonly resolver: Resolver,
    private readonly listeners: Listeners,
    private readonly invalidation: Invalidation,
    { random, clock, log, ownCache }: { random: Random; clock: Clock; log: Logger; ownCache: boolean },
  ) {
    this.#ownCache = ownCache;
    this.#secrets = new CookieSecrets(random, clock, () => this.publish());
    this.lists = new BlockLists(random, clock, log, () => this.publish());
    resolver.listAliases = this.lists.aliases;
    resolver.servedZones = this.lists.servedZones;
  }

  /** Cookies, rates and lists as they are now. */
  publish(): void {
    this.listHits();
    this.gate.replaceEdge(this.#edge());
    this.#letGo();
  }

  /** What goes with lists that were in force before: also what was kept behind their aliases, or those of views. */
  #letGo(): void {
    this.lists.published();
    const used = this.lists.aliases.takeUsed();
    if (used === 'all') this.invalidation.forget('all');
    else for (const tenant of used) this.invalidation.forget({ tenant });
  }

  /** Queries that each list has decided, by its name. */
  listHits(): Record<string, number> {
    return this.#hits.of(this.lists.names, readEdgeStats(this.gate.native).byList);
  }

  close(): void {
    this.#secrets.close();
    this.lists.close();
  }

  /** The rule that decides of a name, for a client at that address; by default for everybody. */
  why(name: Uint8Array, client = NOBODY): ListVerdict | undefined {
    return this.lists.why(name, client, this.#listsOf(client));
  }
  /** One that would, at other times. */
  whyAtTimes(name: Uint8Array, client = NOBODY): (ListVerdict & { times: string }) | undefined {
    return this.lists.whyAtTimes(name, client, this.#listsOf(client));
  }
  /** What lists say of an answer to a client. @param answer a whole response */
  whyOfAnswer(answer: Uint8Array, client = NOBODY): (ListVerdict & { kept: number }) | undefined {
    return this.lists.whyOfAnswer(answer, this.#listsOf(client));
  }
  /** Whose answers a client at that address is told; undefined where a hook says so, or it may not ask. */
  tagOf(client = NOBODY): number | undefined {
    if (client === NOBODY) return 0;
    const tag = this.gate.judge(client);
    return tag === REFUSED || tag === UNKNOWN_TENANT ? undefined : tag;
  }

  #listsOf(client: string): bigint {
    const sets = this.#applied && listSetsOf(this.#applied);
    const set = sets && new PrefixTable(sets.prefixes).find(client);
    return sets?.sets[set ?? 0] ?? 0n;
  }

  #edge(): NativeEdge | undefined {
    if (this.#applied === undefined) return undefined;
    const { cookies, rateLimit, nsid, dns64 } = this.#applied;
    this.lists.aliases.translation = translationPrefixOf(dns64);
    return nativeEdge({
      cookies: cookieRulesOf(cookies, () => this.#secrets.all),
      rates: rateRulesOf(rateLimit),
      lists: this.lists.rules,
      nsid: nsidOctets(nsid),
      translation: this.lists.aliases.translation,
    });
  }

  /** Access, views and tenants, replaced whole: no query is judged by some of the old and some of the new. */
  apply(settings: ServerSettings): void {
    const { aliases } = this.lists;
    const kept = aliases.keeps;
    aliases.keeps = this.#ownCache && settings.snapshot === undefined;
    if (kept && !aliases.keeps) this.#letGo();
    const before = this.#applied;
    const changed = (key: Applied): boolean => before === undefined || !isDeepStrictEqual(settings[key], before[key]);
    const views = changed('views') || changed('dns64');
    const tenants = changed('tenants');
    const others = (['allow', 'cookies', 'rateLimit', 'lists', 'blocking', 'nsid'] as const).some(changed);
    if (!views && !tenants && !others) return;
    // A tag is a view's number: it means another view from now on, perhaps, and clients are told by it at once.
    if (before !== undefined && views) this.invalidation.tags(Math.max(greatestTagOf(before), greatestTagOf(settings)));
    this.#applied = settings;
    this.listHits();
    this.gate.replace({
      ...gateRulesOf(settings),
      rateClasses: rateClassesOf(settings.rateLimit),
      listSets: listSetsOf(settings).prefixes,
      edge: this.#edge(),
    });
    this.#letGo();
    // Nor is joined what began meanwhile under a tag of before.
    this.listeners.plane?.outdate();
    if (tenants) this.gate.forgetClients();
    this.resolver.views = greatestTagOf(settings) > 0 ? this.gate : undefined;
    this.resolver.tenants = settings.tenants.enabled
      ? new ClientTenants(this.gate, settings.tenants.seconds)
      : undefined;
  }
}
