// What a recursor is given: how to ask a server, what it may do, and where it counts.
import type { Canceller } from '../../base/cancel.js';
import type { BudgetLimits } from '../../dnssec/budget.js';
import type { TrustAnchors } from '../../dnssec/trust.js';
import type { ValidationPolicy } from '../../dnssec/verdict.js';
import type { Upstream } from '../../upstream/upstream.js';
import type { AddressRules } from './address-rules.js';
import type { ConfiguredZone } from './delegation.js';
import type { HeldZones } from './held-zones.js';

export interface ServerQuestion {
  /** Folded wire format. */
  name: Uint8Array;
  type: number;
  recursionDesired: boolean;
  tcp: boolean;
  /** Numeric address of the client whose share it counts to; undefined: nobody's. */
  client?: string | undefined;
}

/**
 * Puts one question to one server, with its retries for truncation and EDNS; resolves with the response's octets.
 * `onLate` is given what comes after the time is over.
 */
export type AskServer = (
  question: ServerQuestion,
  server: Upstream,
  timeoutMs: number,
  cancel: Canceller,
  onLate?: (response: Uint8Array) => void,
) => Promise<Uint8Array>;

export interface ValidationOptions {
  anchors: TrustAnchors;
  policy: ValidationPolicy;
  /** What was validated answers other questions too. */
  aggressive: boolean;
  /** Root servers are told of the anchors' key tags (RFC 8145). */
  signal: boolean;
  /** Key tags of the root's anchors. */
  rootTags: readonly number[];
  /** For one client's query. */
  budget: Partial<BudgetLimits>;
  /** Seconds for which what does not prove itself is remembered; RECURSION_LIMITS.bogusTtl by default, and at the most. */
  bogusTtl?: number;
}

export interface RecursorOptions {
  /** Names outside the configured zones are resolved from the root. */
  recursive: boolean;
  /** Numeric addresses of root servers. */
  rootHints: readonly string[];
  /** Where name servers listen: 53, but for tests and demonstrations. */
  port: number;
  ipv4: boolean;
  ipv6: boolean;
  qnameMinimisation: 'off' | 'relaxed' | 'strict';
  hardenGlue: boolean;
  /** Glue from beside the zone is looked up; where that fails, it is used. */
  verifyGlue: boolean;
  /** What answers have to prove themselves by; undefined: they have not to. */
  validation: ValidationOptions | undefined;
  /** DO in what name servers are asked. */
  dnssecOk: boolean;
  maxNameServers: number;
  /** RFC 8020: what lies below a name that does not exist does not exist either. */
  nothingBelowNxdomain: boolean;
  maxQueries: number;
  maxDepth: number;
  maxAliases: number;
  deadlineMs: number;
  /** Seconds. */
  negativeMinTtl: number;
  negativeMaxTtl: number;
  minTtl: number;
  maxTtl: number;
  /** Clients are shown TTLs as they came. */
  originalTtl: boolean;
  maxInFlight: number;
  rules: AddressRules;
  /** By the key of their names. */
  zones: ReadonlyMap<string, ConfiguredZone>;
  /**
   * A forwarder's upstreams, asked in place of the root for what configured zones need outside of themselves: targets of
   * aliases, host names of servers, `first`. It makes no name one that the recursor is to resolve: see `Recursor.serves`.
   */
  outside?: ConfiguredZone;
  /** Zones that are asked here in the place of their servers. */
  held?: HeldZones;
  /**
   * Servers that leave signatures out, by `passedOverKey`: not asked for what has to prove itself. What nobody else answers
   * fails.
   */
  passedOver?: ReadonlySet<string>;
}

export interface RecursorStats {
  resolutions: number;
  queries: number;
  coalesced: number;
  lame: number;
  /** Responses that are malformed, or of more records than are looked at. */
  rejectedResponses: number;
  nameServersFetched: number;
  primings: number;
  failures: number;
  /** Parts of answers by what validation said of them. */
  secure: number;
  insecure: number;
  indeterminate: number;
  bogus: number;
  /** Answers that followed from those to other questions. */
  synthesised: number;
  /** Questions that zones have answered which are held here, instead of their servers. */
  held: number;
}

/** What the parts of a recursor have in common; the options change while it works. */
export interface Setting {
  options: RecursorOptions;
  readonly stats: RecursorStats;
}
