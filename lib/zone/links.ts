// A zone and the servers that it is had from, sent to and changed by: what requests for it go by.
import type { AccessClient, AccessRule } from './access.js';
import type { Difference } from './transfer/difference.js';
import type { Journal } from './transfer/journal.js';
import type { Zone } from './zone.js';

/** Who may change what of a zone by an update (RFC 2136): the names and types are all where none is given. */
export interface UpdateRule {
  /** Name of the key, folded. */
  readonly key: Uint8Array;
  /** Folded: these, and what lies below them. */
  readonly names: readonly Uint8Array[];
  readonly types: readonly number[];
}

/** Where a secondary's zone is had from. */
export interface ZoneSource {
  mayNotify(client: AccessClient): boolean;
  /** @param serial that was told: a hint */
  notified(by: AccessClient, serial: number | undefined): void;
}

export interface ZoneLink {
  /** For logs. */
  readonly name: string;
  /** Undefined: it is not there yet, or has expired. */
  readonly zone: Zone | undefined;
  /** Seconds that it lives without word of a primary (RFC 7314 section 3): of a zone of one's own what its SOA says. */
  readonly expireSeconds: number;
  readonly journal: Journal | undefined;
  readonly allowTransfer: readonly AccessRule[];
  readonly allowUpdate: readonly UpdateRule[];
  readonly takesUpdates: boolean;
  readonly source: ZoneSource | undefined;
  /** Resolves when the zone is the one that updates follow. */
  readonly restored: Promise<void>;
  /**
   * Changes it, and keeps what has changed.
   * @throws where that cannot be kept, or does not fit; then nothing has changed
   */
  change(difference: Difference): Promise<void>;
}
