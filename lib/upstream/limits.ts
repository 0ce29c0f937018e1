// Limits and defaults of asking upstreams, with their sources.

export const UPSTREAM_LIMITS = {
  /** First guess of a round trip; exploration finds out (RFC 6298 starts at 1 s, local resolvers are nearer). */
  initialRttMs: 100,
  /** Weight of a new sample in the smoothed RTT, and of its deviation (RFC 6298 section 2). */
  rttGain: 1 / 8,
  deviationGain: 1 / 4,
  /**
   * Another query is sent after srtt + 4 deviations, doubled with each in a row that was late (RFC 6298 section 5.5),
   * inside these bounds: RFC 1035 section 4.2.1 has 2 to 5 s, Unbound begins at 376 ms.
   */
  tryTimeoutMs: { min: 400, max: 3000 },
  /** The longest deadline: what took longer was slept through. */
  longestRttMs: 60_000,
  /** A second server is asked when the first is later than srtt + 2 deviations, inside these bounds. */
  hedgeMs: { min: 20, max: 600 },
  /** One query in this many goes to another server than the best, to learn its RTT. */
  explorationShare: 32,
  /** Consecutive failures after which a server rests, and for how long: doubling from first to last. */
  failuresBeforeBackoff: 3,
  backoffMs: { first: 500, last: 30_000 },
  /** Tries of one client query over all servers. */
  maxTries: 6,
  /** Queries over UDP to one server for one question (RFC 9520 section 3.1). */
  queriesPerServer: 3,
  /** Forms of one question (name, type, class) that one server is asked at a time (RFC 5452 section 5). */
  formsPerQuestion: 3,
  /** The same that wait for these to be answered. */
  formsWaiting: 1024,
  /** Questions that wait because a server, or all of them, have their fill; each is about 1 KiB. */
  maxWaiting: 16_384,
  /**
   * Something is given up for a server (EDNS, the random letters) after so many different names needed it within the
   * life of an infrastructure record (Unbound: 900 s), and for as long; not within a day of being shown.
   */
  concession: { names: 3, ms: 900_000, shownMs: 86_400_000 },
} as const;
