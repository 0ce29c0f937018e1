// Limits and defaults of asking upstreams, with their sources.

export const UPSTREAM_LIMITS = {
  /** First guess of a round trip; exploration finds out (RFC 6298 starts at 1 s, local resolvers are nearer). */
  initialRttMs: 100,
  /** Weight of a new sample in the smoothed RTT, and of its deviation (RFC 6298 section 2). */
  rttGain: 1 / 8,
  deviationGain: 1 / 4,
  /** The longest deadline: what took longer was slept through. */
  longestRttMs: 60_000,
  /** A try is given up after srtt + 4 deviations, inside these bounds. */
  tryTimeoutMs: { min: 200, max: 3000 },
  /** A second server is asked when the first is later than srtt + 2 deviations, inside these bounds. */
  hedgeMs: { min: 20, max: 600 },
  /** One query in this many goes to another server than the best, to learn its RTT. */
  explorationShare: 32,
  /** Consecutive failures after which a server rests, and for how long: doubling from first to last. */
  failuresBeforeBackoff: 3,
  backoffMs: { first: 500, last: 30_000 },
  /** Tries of one client query over all servers. */
  maxTries: 6,
} as const;
