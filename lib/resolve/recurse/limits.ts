// Limits of the work for one client's query, with their sources.

export const RECURSION_LIMITS = {
  /** Queries to servers for one client's query, those for name servers' addresses included (Unbound: 200). */
  queries: 200,
  /** Resolutions inside resolutions: addresses of servers whose servers' addresses are not known. */
  depth: 30,
  /** Referrals on the way to one name; a name has at most 127 labels. */
  referrals: 30,
  /** Aliases followed for one query (Unbound: 11; CAMP, Duan et al. 2024). */
  aliases: 11,
  /** Name servers of one delegation whose addresses are looked for (NXNSAttack, CVE-2020-8616). */
  nameServers: 8,
  /** The same for one client's query in all. */
  nameServersInAll: 32,
  /** Name servers of one delegation that turn out to have no address (Unbound: 5), and for one client's query in all. */
  addressless: 5,
  addresslessInAll: 8,
  /** Records of one NS set that are looked at (Unbound: 20). */
  nsRecords: 20,
  /** Tries at one server for one question; the others come first. */
  triesPerServer: 3,
  /** Tries at all servers of a zone for one question. */
  triesPerZone: 16,
  /** Servers of a zone that answer without being of use, for one question (Unbound: 5 retries); silent ones do not count. */
  uselessServers: 5,
  /** Tries at a zone's servers that fail for want of our own room, after which there is none at the others either. */
  noRoom: 3,
  /** Minimised questions for one name, and how many go up by one label (RFC 9156 section 2.3). */
  minimised: 10,
  minimisedByOne: 4,
  /** The same for one client's query in all, so that long chains of long names cost a query a link (CAMP). */
  minimisedInAll: 40,
  /** Minimised questions that a zone's servers leave without a response, before the whole name is asked for (Unbound: 3). */
  minimisedTimeouts: 3,
  /** What is known of a server is forgotten after so many milliseconds, or beyond so many servers. */
  serverMs: 900_000,
  servers: 10_000,
  /** Seconds for which a denial without an SOA is believed (RFC 2308 section 5 advises none; Unbound and Knot: 5). */
  unprovenDenialTtl: 5,
  /** Seconds that stale data is shown with at the least, unless the operator wants less (RFC 8767 section 4). */
  staleTtl: 30,
  /** Times that what has not proved itself is asked for again, of other servers where there are any (Unbound: 5). */
  distrusted: 3,
  /** Seconds that it is remembered as such (Unbound: 60; RFC 9520 section 3.2: at most 300). */
  bogusTtl: 60,
  /**
   * While a zone's answers are bogus its parent is asked anew who serves it: after bogusTtl seconds at first, then twice as
   * seldom each time, as servers that fail are (RFC 9520 section 3.2), up to so many seconds; and so many zones a minute, a
   * quarter of which is kept for zones that were not doubted of late. Of one question so many are doubted, the deepest, so
   * that zones nested by somebody do not use up what others need.
   */
  doubtMaxTtl: 900,
  doubtsPerMinute: 64,
  doubtsAgainPerMinute: 48,
  doubtsPerQuestion: 3,
  /** After a failed priming the hints are used for so long. */
  primingRetryMs: 5000,
} as const;
