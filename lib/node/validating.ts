// What validates for a program: a recursor whose root is the program's name servers, as behind a forwarder of
// `dnssec.validate`. Loaded when the first question needs it: programs that do not want it do not wait for it.
//
// Bounds: the memory of its RRsets; RECURSION_LIMITS and a budget of signatures for each question, which may be resolved a
// second time where servers turned out to leave signatures out; those of SignatureWatch. Signatures that cost more than the
// way there are checked in libuv's pool: this thread has a program to run.
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { ByteCache } from '../cache/bytes/byte-cache.js';
import { RrsetCache } from '../cache/rrset-cache.js';
import { ROOT_ANCHORS, TrustAnchors } from '../dnssec/trust.js';
import { type AskedFrom, type Resolved, type Resolving, resolveFor } from '../resolve/recursive-answers.js';
import { AddressRules } from '../resolve/recurse/address-rules.js';
import { serverAsker } from '../resolve/recurse/ask-server.js';
import { RECURSION_LIMITS as L } from '../resolve/recurse/limits.js';
import type { RecursorOptions } from '../resolve/recurse/options.js';
import { Recursor } from '../resolve/recurse/recursor.js';
import { upstreamsZone } from '../resolve/recurse/zones.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { Upstream } from '../upstream/upstream.js';
import { ExtendedError } from '../wire/iana.js';
import type { Query } from '../wire/query.js';
import type { LookupSettings } from './options.js';
import type { Unproven } from './proof.js';
import { SignatureWatch } from './signature-watch.js';

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

/** Of answers that lack what proves them: their server may have left it out. */
const LACKING: ReadonlySet<number> = new Set([
  ExtendedError.dnskeyMissing,
  ExtendedError.rrsigsMissing,
  ExtendedError.nsecMissing,
]);

export class Validating implements Resolving {
  readonly recursor: Recursor;
  readonly #signatures: SignatureWatch;
  #closed = false;

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_MEMORY */
  constructor(private readonly parts: ValidatingParts) {
    const { clock, random, settings, udpSize, exchanger, upstreams } = parts;
    const { trustAnchors = ROOT_ANCHORS, negativeTrustAnchors } = settings;
    const anchors = new TrustAnchors(trustAnchors, negativeTrustAnchors);
    const options = optionsOf(parts, anchors);
    this.#signatures = new SignatureWatch({ clock, random, udpSize, anchors, upstreams, exchanger });
    const memory = ByteCache.create({ memory: settings.memory, averageEntryBytes: 192, shards: 1 });
    const ask = serverAsker(exchanger, () => this.recursor.options, udpSize);
    this.recursor = new Recursor(new RrsetCache(memory), ask, clock, random, options);
  }

  async answer(query: Query, from: AskedFrom): Promise<Resolved> {
    const resolved = await this.#resolved(query, from);
    this.parts.told(query, whyOf(resolved));
    return resolved;
  }
  async #resolved(query: Query, from: AskedFrom): Promise<Resolved> {
    const signatures = this.#signatures;
    if (signatures.whyLost !== undefined) await signatures.look();
    const asked = this.#closed ? '' : this.#passOver();
    const resolved = await resolveFor(query, this.recursor, from);
    if (resolved.kind === 'answer' || !LACKING.has(resolved.extendedError)) return resolved;
    await signatures.look();
    if (this.#closed) return resolved;
    const now = this.#passOver();
    const reason = signatures.whyLost;
    if (reason !== undefined) {
      // It is the servers' failure, and not the name's: nothing is remembered of it, so that it is over when they have healed.
      return { ...resolved, reason, extendedError: ExtendedError.rrsigsMissing, isBogus: true, ours: true };
    }
    return now === asked ? resolved : resolveFor(query, this.recursor, { fresh: true });
  }

  /**
   * Has servers passed over that leave signatures out. What was believed of others than those of now is forgotten: zones,
   * and names, that are bogus by their answers.
   * @returns who is passed over, as a text
   */
  #passOver(): string {
    const { options } = this.recursor;
    const { passedOver } = this.#signatures;
    const textOf = (keys: ReadonlySet<string> | undefined): string => [...(keys ?? [])].sort().join();
    const text = textOf(passedOver);
    if (text !== textOf(options.passedOver)) {
      this.recursor.options = { ...options, passedOver };
      this.recursor.clear();
    }
    return text;
  }

  /** What was learnt of other servers. */
  clear(): void {
    this.recursor.clear();
    this.#signatures.clear();
  }
  set deadlineMs(deadlineMs: number) {
    const { options } = this.recursor;
    if (options.deadlineMs !== deadlineMs) this.recursor.options = { ...options, deadlineMs };
  }
  close(): void {
    this.#closed = true;
    this.#signatures.close();
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

function optionsOf({ settings, upstreams, maxInFlight }: ValidatingParts, anchors: TrustAnchors): RecursorOptions {
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
