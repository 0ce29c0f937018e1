// What is told of trust anchors: by the report, `shardns anchors` and metrics.
import { type FollowedZone, type ShownAnchor, shownAnchors } from '../dnssec/anchor-zone.js';
import type { NegativeAnchorReport } from './negative-anchors.js';

export interface ZoneReport {
  readonly zone: string;
  readonly anchors: readonly ShownAnchor[];
  /** Unix times in seconds; 0: none yet. Undefined for anchors that follow nothing. */
  readonly lastProbeSeconds?: number;
  readonly lastSuccessSeconds?: number;
  readonly nextProbeSeconds?: number;
  /** Why the last look came to nothing. */
  readonly problem?: string;
}

export interface AnchorsReport {
  /** Whether anything is validated by them. */
  readonly validates: boolean;
  /** Where their state is kept; undefined: they are fixed. */
  readonly file?: string;
  /** Why the file is not used, or not written. */
  readonly problem?: string;
  readonly zones: readonly ZoneReport[];
  /** Names at and below which nothing is validated (RFC 7646), with those whose end has come. */
  readonly negative: readonly NegativeAnchorReport[];
  /** Looks since the start, and those that came to nothing. */
  readonly probes: number;
  readonly failures: number;
}

/** What is known of a zone by its states alone. */
export const zoneReportOf = (zone: FollowedZone): ZoneReport => ({
  zone: zone.zone,
  anchors: shownAnchors(zone),
  lastProbeSeconds: zone.lastProbe,
  lastSuccessSeconds: zone.lastSuccess,
  nextProbeSeconds: zone.nextProbe,
});
