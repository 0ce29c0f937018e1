// What validates for a program: a recursor whose root is the program's name servers, as behind a forwarder of
// `dnssec.validate`. Loaded when the first question needs it: programs that do not want it do not wait for it.
//
// Bounds: the memory of its RRsets; RECURSION_LIMITS and a budget of signatures for each question. Signatures that cost
// more than the way there are checked in libuv's pool: this thread has a program to run.
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { ByteCache } from '../cache/byte-cache.js';
import { RrsetCache } from '../cache/rrset-cache.js';
import { ROOT_ANCHORS, TrustAnchors } from '../dnssec/trust.js';
import { type Resolved, type Resolving, resolveFor } from '../resolve/recursive-answers.js';
import { AddressRules } from '../resolve/recurse/address-rules.js';
import { serverAsker } from '../resolve/recurse/ask-server.js';
import { RECURSION_LIMITS as L } from '../resolve/recurse/limits.js';
import type { RecursorOptions } from '../resolve/recurse/options.js';
import { Recursor } from '../resolve/recurse/recursor.js';
import { upstreamsZone } from '../resolve/recurse/zones.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { Upstream } from '../upstream/upstream.js';
import type { Query } from '../wire/query.js';
import type { LookupSettings } from './options.js';
import type { Unproven } from './proof.js';

export interface ValidatingParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: LookupSettings;
  readonly udpSize: number;
  /** Questions under way to one server. */
  readonly maxInFlight: number;
  /** Those of the moment. */
  readonly upstreams: () => readonly Upstream[];
  readonly exchanger: () => Exchanger;
  /** Told why an answer is not secure; undefined: it is, or there is none for another reason. */
  readonly told: (query: Query, why: Unproven | undefined) => void;
}

export class Validating implements Resolving {
  readonly recursor: Recursor;

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_MEMORY */
  constructor(private readonly parts: ValidatingParts) {
    const { clock, random, settings, udpSize, exchanger } = parts;
    const options = optionsOf(parts);
    const memory = ByteCache.create({ memory: settings.memory, averageEntryBytes: 192, shards: 1 });
    const ask = serverAsker(exchanger, () => this.recursor.options, udpSize);
    this.recursor = new Recursor(new RrsetCache(memory), ask, clock, random, options);
  }

  async answer(query: Query, fresh: boolean): Promise<Resolved> {
    const resolved = await resolveFor(query, this.recursor, fresh);
    this.parts.told(query, whyOf(resolved));
    return resolved;
  }

  /** What was learnt of other servers. */
  clear(): void {
    this.recursor.clear();
  }
  set deadlineMs(deadlineMs: number) {
    const { options } = this.recursor;
    if (options.deadlineMs !== deadlineMs) this.recursor.options = { ...options, deadlineMs };
  }
  close(): void {
    this.recursor.rrsets.close();
  }
}

/** Where it is secure, what is said here is asked for by nobody. */
function whyOf(resolved: Resolved): Unproven | undefined {
  const { extendedError, reason } = resolved;
  if (resolved.kind === 'answer') {
    return reason === undefined ? undefined : { reason: reason || 'not signed', extendedError };
  }
  return { reason: reason ?? '', extendedError, isBogus: resolved.isBogus === true };
}

function optionsOf({ settings, upstreams, maxInFlight }: ValidatingParts): RecursorOptions {
  const { trustAnchors = ROOT_ANCHORS, negativeTrustAnchors } = settings;
  const anchors = new TrustAnchors(trustAnchors, negativeTrustAnchors);
  return {
    recursive: false,
    rootHints: [],
    port: 53,
    ipv4: true,
    ipv6: true,
    qnameMinimisation: 'off',
    hardenGlue: true,
    verifyGlue: false,
    validation: {
      anchors,
      policy: { verify: 'pool' },
      aggressive: true,
      signal: false,
      rootTags: anchors.rootTags,
      budget: {},
    },
    dnssecOk: true,
    maxNameServers: L.nsRecords,
    nothingBelowNxdomain: true,
    maxQueries: L.queries,
    maxDepth: L.depth,
    maxAliases: L.aliases,
    deadlineMs: 5000,
    negativeMinTtl: 0,
    negativeMaxTtl: settings.negativeMaxTtlSeconds,
    minTtl: settings.minTtlSeconds,
    maxTtl: settings.maxTtlSeconds,
    originalTtl: false,
    maxInFlight,
    rules: new AddressRules([], [], []),
    zones: new Map(),
    outside: upstreamsZone(upstreams),
  };
}
