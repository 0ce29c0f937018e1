// What the steps of a question are made with: the resolver that they belong to, and the parts that they share.
import type { Logger } from '../../base/log.js';
import type { Engine } from '../../cache/engine.js';
import type { ListAliases } from '../../clients/list-aliases.js';
import type { ServedZones } from '../../clients/served-zones.js';
import type { Exchanger } from '../../upstream/exchange.js';
import type { Upstream } from '../../upstream/upstream.js';
import type { Query } from '../../wire/query.js';
import type { OwnZones } from '../own-zones.js';
import type { KnownAsker } from '../asker.js';
import type { ClientSubnets } from '../client-subnets.js';
import type { Dns64 } from '../dns64.js';
import type { Hooks } from '../hooks.js';
import type { Keep, KeepOptions } from '../keep.js';
import type { LocalAnswers } from '../local-answers.js';
import type { Designation } from '../local-zones.js';
import type { Mistakes } from '../mistakes.js';
import type { Moved, Resolution } from '../outcome.js';
import type { AddressRules } from '../recurse/address-rules.js';
import type { Recursor } from '../recurse/recursor.js';
import type { Resolving } from '../recursive-answers.js';
import type { FlightLimits } from '../flights.js';
import type { ZoneRate, ZoneRates } from '../zone-rates.js';
import type { ServerIdentity } from './chaos.js';

export interface StepOptions extends KeepOptions {
  local: LocalAnswers;
  /** What those who ask for ANY are told: whether there is something, or all of it. */
  any: 'one' | 'all';
  identity: ServerIdentity;
  upstreamUdpSize: number;
  /** What upstreams are told of clients' subnets; set where those are told apart (`forwardClientSubnet`). */
  clientSubnets?: ClientSubnets;
  /** What was validated and has expired may stand in for what does not prove itself. */
  staleForBogus: boolean;
  /** Which addresses upstreams' answers may have; a recursor has rules of its own. Undefined: all. */
  addressRules?: AddressRules;
  /** Set where clients with IPv6 alone are told translated addresses. */
  dns64?: Dns64;
  flights: FlightLimits;
  /** How many names of a zone may come to nothing; undefined: all. */
  zoneRate?: ZoneRate;
}

/** What steps read of the resolver that they belong to; much of it changes while they work. */
export interface StepContext {
  readonly options: StepOptions;
  readonly groups: ReadonlyMap<string, readonly Upstream[]>;
  readonly recursor: Recursor | undefined;
  /** Where other threads resolve in the recursor's place. */
  readonly pool: Resolving | undefined;
  /** Whether `onQuery` says whose client it is. */
  readonly sortsByHook: boolean;
  /** Aliases that lists put in place of names; undefined: there are none. */
  readonly listAliases: Pick<ListAliases, 'find' | 'kept' | 'keeps'> | undefined;
  /** Told who serves the zones of what is found; undefined: nobody wants to know. */
  readonly servedZones: Pick<ServedZones, 'wanted' | 'note'> | undefined;
  /** Zones that are served here; undefined: none. */
  readonly zones: OwnZones | undefined;
  /** How this server is asked encrypted; undefined: that is told nobody. */
  readonly designation: Designation | undefined;
  readonly stats: { rejectedResponses: number; zoneLimited: number; dns64Answers: number; dns64Pointers: number };
  /** Questions under way. */
  readonly inFlight: number;
  /** Told of each question whose answer does not prove itself. Must not throw. */
  readonly onBogus: (name: string, extendedError: number) => void;
  /** A question that an alias of this one leads to. */
  follow(query: Query, asker: KnownAsker): Promise<Resolution | Moved>;
}

export interface StepParts {
  readonly context: StepContext;
  readonly engine: Engine;
  readonly exchanger: Exchanger;
  readonly hooks: Hooks;
  readonly keep: Keep;
  readonly zoneRates: ZoneRates;
  /** One that does not throw. */
  readonly log: Logger;
  readonly mistakes: Mistakes;
}
