// DNSSEC validation as a library without network or clock: `shardns/dnssec`.
export { algorithmOf, digestOf, verifiesSha1, type Algorithm, type AlgorithmPolicy } from './algorithms.js';
export { Budget, DEFAULT_LIMITS, type BudgetLimits } from './budget.js';
export { canonicalData, canonicalRrset, compareNames } from './canonical.js';
export { digestKey, matchDs, parseDs, usableDs, type DelegationSigner } from './ds.js';
export { KeyFlag, keyTag, parseKey, type DnsKey } from './key.js';
export { parseSignature, type Signature } from './signature.js';
export { verifyRrset, type Signed } from './verify.js';
export type { Judging, Status, ValidationPolicy, Verdict } from './verdict.js';
export { zoneOf } from './chain.js';
export type { ChainContext, CheckedRrset } from './delegation.js';
export { run, type Fetched, type FetchFailure, type FetchRecords } from './steps.js';
export { proofsOf, verdictOf } from './denial.js';
export { hashName } from './nsec3.js';
export { ROOT_ANCHORS, TrustAnchors, type Anchor, type NegativeAnchor } from './trust.js';
export { readResponse, wireName } from './messages.js';
export { validate } from './checked-arguments.js';
export type { Judged, RrsetVerdict, Validation, ValidationContext } from './validator.js';
export { ZoneKeys, type ZoneState } from './zone-keys.js';
export {
  anchorsOf,
  jittered,
  observeKeys,
  probeAfter,
  type AnchorState,
  type Observation,
  type TrackedKey,
} from './anchor-states.js';
export { anchorText, readAnchorText } from './anchor-text.js';
export {
  allAnchorLines,
  anchorLines,
  followConfigured,
  isLost,
  observeZone,
  type AnchorChange,
  type ConfiguredAnchor,
  type FollowedZone,
  type Observed,
} from './anchor-zone.js';
export { clockDoubt, clockDoubtText, type ClockDoubt } from './clock-doubt.js';
export { failsSentinel, signalName } from './sentinel.js';
export { digestZone, parseZonemd, verifyZonemd, type ZoneDigest, type ZoneDigestVerdict } from './zonemd.js';
export { faultOfZone } from './zone-check.js';
