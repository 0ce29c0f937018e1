// How a service is: numbers for metrics and for people.
import type { Endpoint, EndpointState } from './endpoint.js';
import type { Category } from './failures.js';
import type { LiveSet } from './live-set.js';
import { type Ignored, nothingIgnored, type RecordKind } from './records/found.js';

export interface EndpointReport {
  readonly id: string;
  readonly state: EndpointState;
  readonly priority: number;
  readonly weight: number;
  readonly inFlight: number;
  readonly requests: number;
  readonly latencyMs: number | undefined;
}

export interface ServiceReport {
  readonly name: string;
  /** In metrics, in the place of its name; '' where none was given. */
  readonly label: string;
  readonly version: number;
  readonly records: RecordKind | undefined;
  readonly stale: boolean;
  readonly secure: boolean;
  readonly problem: Category | undefined;
  /** Seconds since servers could tell; undefined: never yet. */
  readonly ageSeconds: number | undefined;
  readonly states: Readonly<Record<'up' | 'out' | 'trial', number>>;
  readonly refreshes: { readonly good: number; readonly failed: number };
  readonly picks: number;
  readonly ejections: number;
  readonly retries: { readonly made: number; readonly denied: number };
  /** Records of the last answer that are no endpoints. */
  readonly ignored: Readonly<Ignored>;
  readonly endpoints: readonly EndpointReport[];
}

const NOTHING: Ignored = nothingIgnored();

const describe = ({ id, state, priority, weight, inFlight, requests, total, latencyMs }: Endpoint): EndpointReport => ({
  id,
  state,
  priority,
  weight,
  inFlight,
  requests: requests + total,
  latencyMs,
});

export function reportOf(set: LiveSet): ServiceReport {
  const states = { up: 0, out: 0, trial: 0 };
  const endpoints = [...set.endpoints()];
  for (const { state } of endpoints) if (state !== 'gone') states[state]++;
  const { last, settings, health, roster, retries } = set;
  return {
    name: settings.name,
    label: settings.label ?? '',
    version: set.version,
    records: last?.records,
    stale: set.isStale,
    secure: last?.secure ?? false,
    problem: set.problem?.category,
    ageSeconds: set.ageMs === undefined ? undefined : set.ageMs / 1000,
    states,
    refreshes: { ...set.refreshes },
    picks: roster.picks,
    ejections: health.ejections,
    retries: { made: retries.retried, denied: retries.denied },
    ignored: last?.ignored ?? NOTHING,
    endpoints: endpoints.map(describe),
  };
}
