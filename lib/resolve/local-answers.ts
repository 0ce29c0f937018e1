// What is answered without asking anybody: by the client's view, by what everybody is told, by built-in zones.
import { viewWithTag } from '../clients/views.js';
import { Type } from '../wire/iana.js';
import { type LocalAnswer, type LocalData, type LocalQuery, NO_LOCAL_DATA } from './local-data.js';
import type { Designation, LocalZones } from './local-zones.js';
import type { ConfiguredZone } from './recurse/delegation.js';
import { zoneOf } from './recurse/zones.js';

/** What some clients are told by where they ask from. */
export interface View {
  localData: LocalData;
  /** Names that the view says nothing of are looked for in everybody's local data. */
  inherit: boolean;
}

export class LocalAnswers {
  /** @param zones the built-in ones; a zone of the same name in local data takes the place of one */
  constructor(
    private readonly zones: LocalZones,
    private readonly data: LocalData,
    /** In the order of their tags. */
    private readonly views: readonly View[],
    /** Zones whose servers the operator names: at or below a built-in one they take its place for their names. */
    private readonly served: ReadonlyMap<string, ConfiguredZone> = new Map(),
  ) {}

  /** @param tag the client's view; 0 = none */
  find(query: LocalQuery, tag: number): LocalAnswer | undefined {
    const view = viewWithTag(this.views, tag);
    const own = view?.localData.find(query);
    return own !== undefined || view?.inherit === false ? own : this.data.find(query);
  }

  /** What a built-in zone says, where neither local data nor a hook had an answer. */
  findBuiltIn(query: LocalQuery, tag: number, designation?: Designation): Uint8Array | undefined {
    const view = viewWithTag(this.views, tag);
    const overridden = {
      has: (zone: Uint8Array): boolean =>
        this.data.has(zone) ||
        view?.localData.has(zone) === true ||
        (zoneOf(this.served, query.name, query.type)?.name.length ?? 0) >= zone.length,
    };
    return this.zones.answer(query, overridden, designation);
  }

  /**
   * Whether it may be so of the name at `at` in a message, in any letters, without a look at all of it; false: `hasSay` is
   * false for every type.
   */
  mayHaveSay(message: Uint8Array, at: number): boolean {
    return this.data !== NO_LOCAL_DATA || this.views.length > 0 || this.zones.mayAnswer(message, at);
  }

  /** Whether what the outside says is not, or not all of it, what the client is to be told. */
  hasSay(query: LocalQuery, tag: number): boolean {
    if (this.find(query, tag) !== undefined || this.findBuiltIn(query, tag) !== undefined) return true;
    const service = query.type === Type.HTTPS || query.type === Type.SVCB;
    return service && this.blockedFamily(query.name, tag) !== undefined;
  }

  /** Whose addresses are kept from the name: 4 and 6 are families. */
  blockedFamily(name: Uint8Array, tag: number): 4 | 6 | undefined {
    const view = viewWithTag(this.views, tag);
    const own = view?.localData.blockedFamily(name);
    return own !== undefined || view?.inherit === false ? own : this.data.blockedFamily(name);
  }
}
