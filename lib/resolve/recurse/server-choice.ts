// Which of a zone's servers is asked next: by where its address is from, by whether it was tried and served, and among
// equals by what is known of its speed.
//
// Bounds: RECURSION_LIMITS.triesPerServer for one question.
import type { Clock } from '../../base/clock.js';
import type { Random } from '../../base/random.js';
import { select } from '../../upstream/selection.js';
import type { Upstream } from '../../upstream/upstream.js';
import { hasUnknownAddresses } from './address-search.js';
import { type Delegation, type DirectAddress, Source } from './delegation.js';
import type { EncryptedWay, Infrastructure } from './infrastructure.js';
import { RECURSION_LIMITS as L } from './limits.js';
import type { Setting } from './options.js';
import { type Tries, triesAt } from './tries.js';

const NONE: ReadonlySet<Upstream> = new Set();

/** A server of a zone, for `RecursorOptions.passedOver`. @param zone the key of the zone's name */
export const passedOverKey = (server: Upstream, zone: string): string => `${server.label} ${zone}`;

function trusted(list: Upstream[], distrusted: ReadonlySet<string>): Upstream[] {
  return distrusted.size === 0 ? list : list.filter(one => !distrusted.has(one.at.address));
}

export class ServerChoice {
  /** Of the choice that is made: servers by the source of their addresses, and one that has not the zone. */
  readonly #candidates: Upstream[][] = [[], [], []];
  #lame: Upstream | undefined;
  /** Who is not asked. */
  #passedOver: ReadonlySet<string> | undefined;
  /** Of the choice made last: servers were left out that pass no signatures on. */
  passedOver = false;

  constructor(
    private readonly infrastructure: Infrastructure,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly setting: Setting,
  ) {}

  /**
   * @param mayWait whether other addresses may be looked for; undefined is returned where they should be
   * @param distrusted addresses that are asked where there are no others
   * @param passedOver servers that are not asked, by `passedOverKey`
   */
  pick(
    delegation: Delegation,
    tries: readonly Tries[],
    mayWait: boolean,
    distrusted: ReadonlySet<string>,
    passedOver?: ReadonlySet<string>,
  ): Upstream | undefined {
    const { options } = this.setting;
    const candidates = this.#candidates;
    for (const list of candidates) list.length = 0;
    this.#lame = undefined;
    this.passedOver = false;
    this.#passedOver = passedOver;
    const now = this.clock.nowMs();
    for (const one of delegation.direct) this.#add(delegation, tries, one, one.way, Source.own, now);
    for (const { addresses, way } of delegation.servers) {
      for (const one of addresses) this.#add(delegation, tries, one, way, one.source, now);
    }
    for (let source: number = Source.own; source <= Source.doubtful; source++) {
      // What is doubtful is believed when nothing else is left to look for.
      if (source === Source.doubtful && mayWait && hasUnknownAddresses(delegation, options)) return undefined;
      const list = candidates[source];
      const untried = tries.length === 0 ? list : list.filter(one => triesAt(tries, one) === undefined);
      if (untried.length === 0) continue;
      const believed = trusted(untried, distrusted);
      if (believed.length === 0 && mayWait && hasUnknownAddresses(delegation, options)) return undefined;
      return select(believed.length > 0 ? believed : untried, NONE, options, this.random);
    }
    // Before anybody is asked a second time, other addresses are looked for; lame ones come last.
    if (mayWait && hasUnknownAddresses(delegation, options)) return undefined;
    const all = candidates.flat();
    const believed = trusted(all, distrusted);
    return select(believed.length > 0 ? believed : all, NONE, options, this.random) ?? this.#lame;
  }

  #add(
    delegation: Delegation,
    tries: readonly Tries[],
    one: DirectAddress,
    way: EncryptedWay | undefined,
    source: number,
    nowMs: number,
  ): void {
    const { infrastructure } = this;
    const { options } = this.setting;
    const { upstream } = one;
    if (upstream === undefined) {
      if (one.family === 4 ? !options.ipv4 : !options.ipv6) return;
      if (delegation.configured === undefined && options.rules.forbidden(one.address)) return;
    }
    const port = way?.port ?? one.port ?? options.port;
    const server = upstream ?? infrastructure.serverAt(one, port, nowMs, way);
    if (this.#passedOver?.has(passedOverKey(server, delegation.key)) === true) {
      this.passedOver = true;
      return;
    }
    const before = triesAt(tries, server);
    if (before !== undefined && (before.useless || before.times >= L.triesPerServer)) return;
    if (infrastructure.isLame(server, delegation.key)) {
      this.#lame ??= server;
      return;
    }
    const list = this.#candidates[source];
    if (!list.includes(server)) list.push(server);
  }
}
