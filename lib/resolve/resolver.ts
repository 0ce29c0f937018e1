// The slow path of one question: cache -> local zone -> hook -> coalesce -> upstream -> store. Serves stale answers
// after a failure or when the upstream is late (RFC 8767), and remembers failures (RFC 9520).
//
// Bounds: `maxFlights` questions under way; 10,000 remembered failures, and as many refreshes that failed.
import type { Clock } from '../base/clock.js';
import { EqualTimers } from '../base/equal-timers.js';
import { ShardnsError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { type Engine, MISS_WITH_STALE, type Variant } from '../cache/engine.js';
import { MARK_AUTHORITATIVE, NO_EXTENDED_ERROR, Status } from '../native/binding.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { Upstream } from '../upstream/upstream.js';
import { Class, ExtendedError, Flag, Rcode, Type, typeName } from '../wire/iana.js';
import { buildResponseOrFailure, decodeMessage, encodeMessage, type ResourceRecord } from '../wire/message.js';
import { encodeName, nameKey } from '../wire/name.js';
import { responseRcode } from '../wire/options.js';
import { Query } from '../wire/query.js';
import { encodeRecord } from '../wire/record.js';
import { isPlainType, scrubResponse, withoutDnssec } from '../wire/scrub.js';
import { answerChaos, type ServerIdentity } from './chaos.js';
import { checkTenant, type ClientTenants } from './client-tenants.js';
import { FailureHistory } from './failure-history.js';
import type { Hooks, QueryDecision, QueryInfo } from './hooks.js';
import type { LocalAnswers } from './local-answers.js';
import type { Recursor } from './recurse/recursor.js';
import type { Resolution } from './resolution.js';
import { answerWithoutRecursion, resolveFor, type Resolving, staleRrsets } from './recursive-answers.js';
import { buildUpstreamQuery, responseExtendedError, responseScope } from './upstream-query.js';

export interface ResolverOptions {
  local: LocalAnswers;
  /** Whether clients are sorted by where they ask from, and not by `onQuery`. */
  hasViews: boolean;
  identity: ServerIdentity;
  forwardClientSubnet: boolean;
  upstreamUdpSize: number;
  staleEnabled: boolean;
  staleClientTimeoutMs: number;
  staleTtlSeconds: number;
  staleRetrySeconds: number;
  failureFirstSeconds: number;
  failureMaxSeconds: number;
  prefetchPerSecond: number;
  maxFlights: number;
}

export type { Resolution };

export interface Asker {
  protocol: QueryInfo['protocol'];
  client?: { address: string; port: number };
  /** Undefined: not known yet, where there are tenants; else 0. */
  tenant?: number;
}

/** An asker whose tenant is known, and what `onQuery` said when it was asked for it. */
interface KnownAsker extends Asker {
  tenant: number;
  /** Ask anew although it is cached. */
  fresh?: boolean;
  decided?: { decision: QueryDecision | undefined };
}

/** Failed refreshes that wait for their next chance; of others the entry expires first. */
const PENDING_RETRIES = 10_000;

export interface ResolverStats {
  resolved: number;
  coalesced: number;
  prefetches: number;
  prefetchesDropped: number;
  failures: number;
  staleServed: number;
  overloaded: number;
  rejectedResponses: number;
}

export class Resolver {
  readonly #flights = new Map<string, Promise<Resolution>>();
  readonly #failures: FailureHistory;
  readonly stats: ResolverStats = {
    resolved: 0,
    coalesced: 0,
    prefetches: 0,
    prefetchesDropped: 0,
    failures: 0,
    staleServed: 0,
    overloaded: 0,
    rejectedResponses: 0,
  };
  /** Set where clients belong to tenants. */
  tenants: ClientTenants | undefined;
  /** Set where names are resolved from the root, or zones are configured. */
  recursor: Recursor | undefined;
  /** Set where other threads resolve in its place. */
  pool: Resolving | undefined;
  readonly #late: EqualTimers;
  #classifying = 0;
  #retries = 0;
  #closed = false;
  #prefetchSecond = 0;
  #prefetchesThisSecond = 0;

  constructor(
    private readonly engine: Engine,
    private readonly exchanger: Exchanger,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly hooks: Hooks,
    public groups: ReadonlyMap<string, readonly Upstream[]>,
    public options: ResolverOptions,
  ) {
    this.#failures = new FailureHistory(clock);
    this.#late = new EqualTimers(clock);
  }

  get inFlight(): number {
    return this.#flights.size + this.#classifying;
  }

  /** Never rejects: every outcome is something that clients can be told. */
  resolve(query: Query, asker: Asker): Promise<Resolution> {
    if (asker.tenant !== undefined) return this.#resolve(query, { ...asker, tenant: asker.tenant });
    if (this.tenants === undefined || asker.client === undefined) return this.#resolve(query, { ...asker, tenant: 0 });
    const view = this.tenants.viewOf(asker.client.address);
    if (view !== undefined) return this.#resolve(query, { ...asker, tenant: view });
    return this.#classify(query, asker, asker.client.address, this.tenants);
  }

  /** Asks the hook whose client this is, before anything may be answered. */
  async #classify(query: Query, asker: Asker, address: string, tenants: ClientTenants): Promise<Resolution> {
    const failed: Resolution = { kind: 'error', rcode: Rcode.SERVFAIL, extendedError: ExtendedError.other };
    if (this.inFlight >= this.options.maxFlights) {
      this.stats.overloaded++;
      return failed;
    }
    this.#classifying++;
    try {
      const decision = await this.hooks.onQuery?.(infoOf(query, asker));
      checkTenant(decision?.tenant, true);
      const tenant = decision?.tenant ?? 0;
      tenants.remember(address, tenant);
      return this.#resolve(query, { ...asker, tenant, decided: { decision } });
    } catch (error) {
      this.log.error({ err: error, name: query.nameText }, 'onQuery did not say whose client this is');
      return failed;
    } finally {
      this.#classifying--;
    }
  }

  #resolve(query: Query, asker: KnownAsker): Promise<Resolution> {
    const { tenant } = asker;
    const cached: Resolution = { kind: 'cached', tenant };
    const code = query.dnsClass === Class.IN ? this.engine.answer(query.message, { tenant }) : -1;
    if (code >= 0) return Promise.resolve(cached);
    const recursive = this.recursor?.serves(query.name, query.type) === true;
    // A recursor has the RRsets for it.
    if (!recursive && this.#derive(query, tenant)) return Promise.resolve(cached);
    let stale: Resolution | undefined = code === MISS_WITH_STALE && this.options.staleEnabled ? cached : undefined;
    const atOnce = !query.recursionDesired || this.options.staleClientTimeoutMs === 0;
    if (stale === undefined && recursive && atOnce) stale = this.#stale(query);
    if (stale === undefined) return this.#join(query, asker, undefined);
    if (!query.recursionDesired && recursive) {
      // Whoever asks without it gets what there is; it is made fresh for all.
      this.prefetch(query, tenant);
      return Promise.resolve(stale);
    }
    const flight = this.#join(query, asker, stale);
    // RFC 8767 section 5: the client gets the stale answer when the fresh one is late; the flight goes on.
    return new Promise(resolve => {
      const late = (): void => {
        this.stats.staleServed++;
        resolve(stale);
      };
      const { staleClientTimeoutMs } = this.options;
      if (staleClientTimeoutMs === 0) {
        // What needs no network is there by then.
        const immediate = setImmediate(late);
        void flight.then(resolution => {
          clearImmediate(immediate);
          resolve(resolution);
        });
        return;
      }
      const timer = this.clock.after(staleClientTimeoutMs, late);
      void flight.then(resolution => {
        timer.cancel();
        resolve(resolution);
      });
    });
  }

  /** An answer that others asked for with DO serves those who ask without it. */
  #derive(query: Query, tenant: number): boolean {
    if (query.dnssecOk || query.dnsClass !== Class.IN || !query.recursionDesired || !isPlainType(query.type))
      return false;
    if (this.options.forwardClientSubnet && query.clientSubnet !== undefined) return false;
    const signed = this.engine.peek(query.name, query.type, { ...variantOf(query, tenant), dnssecOk: true });
    if (signed === undefined || signed.remainingSeconds <= 0) return false;
    try {
      const message = withoutDnssec(signed.message);
      if (message === undefined) return false;
      return this.engine.insertOwn(message, variantOf(query, tenant), this.clock.wallSeconds()) > 0;
    } catch {
      return false; // the memory may be a stranger's
    }
  }

  #stale(query: Query): Resolution | undefined {
    const { recursor, options } = this;
    if (!options.staleEnabled || query.dnsClass !== Class.IN || recursor === undefined) return undefined;
    return staleRrsets(query, recursor, options.staleTtlSeconds);
  }

  /** The reply to one asker, in the engine's buffer. @returns its octets */
  finish(query: Query, resolution: Resolution, udp: boolean): number {
    const { engine } = this;
    let length = 0;
    if (resolution.kind === 'cached') {
      length = engine.answer(query.message, { udp, allowStale: true, tenant: resolution.tenant });
    } else if (resolution.kind === 'message') {
      const wall = this.clock.wallSeconds();
      length = engine.finish(query.message, resolution.message, udp, wall, resolution.extendedError);
    } else {
      length = engine.refuse(query.message, resolution.rcode, resolution.extendedError, udp);
    }
    return length > 0 ? length : engine.refuse(query.message, Rcode.SERVFAIL, ExtendedError.other, udp);
  }

  /** Asks anew for what is in the cache and will soon expire. False when the bound on prefetches says no. */
  prefetch(query: Query, tenant = 0): boolean {
    const second = Math.floor(this.clock.nowMs() / 1000);
    if (second !== this.#prefetchSecond) {
      this.#prefetchSecond = second;
      this.#prefetchesThisSecond = 0;
    }
    if (this.#prefetchesThisSecond >= this.options.prefetchPerSecond) {
      this.stats.prefetchesDropped++;
      return false;
    }
    this.#prefetchesThisSecond++;
    this.stats.prefetches++;
    void this.#join(asRefresh(query), { protocol: 'internal', tenant, fresh: true }, { kind: 'cached', tenant }).then(
      resolution => {
        if (resolution.kind !== 'message') this.#retryPrefetch(query, tenant);
      },
    );
    return true;
  }

  /** RFC 8767 section 5: not before so many seconds; then the next hit may ask for it again. */
  #retryPrefetch(query: Query, tenant: number): void {
    if (this.#retries >= PENDING_RETRIES) return;
    this.#retries++;
    this.clock.after(this.options.staleRetrySeconds * 1000, () => {
      this.#retries--;
      if (!this.#closed) this.engine.allowRefresh(query.name, query.type, variantOf(query, tenant));
    });
  }

  /** Nothing of its own touches the cache any more. */
  close(): void {
    this.#closed = true;
    this.#late.clear();
  }

  forgetFailures(): void {
    this.#failures.clear();
  }

  #join(query: Query, asker: KnownAsker, stale: Resolution | undefined): Promise<Resolution> {
    // What a recursor finds says the same to all of them.
    const asksUpstream = this.recursor?.serves(query.name, query.type) !== true;
    const key = flightKey(query, asker.tenant, asksUpstream && query.authenticData);
    const existing = this.#flights.get(key);
    if (existing !== undefined) {
      this.stats.coalesced++;
      return existing;
    }
    if (this.#flights.size >= this.options.maxFlights) {
      this.stats.overloaded++;
      const error: Resolution = { kind: 'error', rcode: Rcode.SERVFAIL, extendedError: ExtendedError.other };
      return Promise.resolve(stale ?? this.#stale(query) ?? error);
    }
    const run = this.#run(query, asker, key, stale).then(
      resolution => {
        this.#flights.delete(key);
        return resolution;
      },
      (error: unknown): Resolution => {
        this.#flights.delete(key);
        // What was under way finds its caches gone.
        if (!this.#closed)
          this.log.error({ err: error, name: query.nameText }, 'a query failed by a mistake of ours or of a hook');
        return { kind: 'error', rcode: Rcode.SERVFAIL, extendedError: ExtendedError.other };
      },
    );
    const { staleEnabled, staleClientTimeoutMs } = this.options;
    const mayBeLate = stale === undefined && !asksUpstream && staleEnabled && staleClientTimeoutMs > 0;
    const flight = mayBeLate ? this.#orStale(query, run) : run;
    this.#flights.set(key, flight);
    return flight;
  }

  /** RFC 8767 section 5: what takes too long is answered from expired RRsets, if there are any; the flight goes on. */
  #orStale(query: Query, flight: Promise<Resolution>): Promise<Resolution> {
    return new Promise(resolve => {
      const late = this.#late.after(this.options.staleClientTimeoutMs, () => {
        const stale = this.#stale(query);
        if (stale === undefined) return;
        this.stats.staleServed++;
        resolve(stale);
      });
      void flight.then(resolution => {
        late.cancel();
        resolve(resolution);
      });
    });
  }

  async #run(query: Query, asker: KnownAsker, key: string, stale: Resolution | undefined): Promise<Resolution> {
    this.stats.resolved++;
    if (query.dnsClass === Class.CH) {
      const message = answerChaos(query, this.options.identity);
      if (message !== undefined) return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR };
    }
    if (query.dnsClass === Class.IN) {
      const local = this.options.local.find(query, asker.tenant);
      if (local !== undefined) {
        if (local.kind === 'refused') {
          return { ...local, kind: 'message', extendedError: ExtendedError.blocked | MARK_AUTHORITATIVE };
        }
        if (local.kind === 'alias') return this.#rewrite(query, asker, local.target);
        return this.#keep(query, asker, local.message);
      }
    }
    let upstreams = this.groups.get('default') ?? [];
    let recurse = this.recursor?.serves(query.name, query.type) === true;
    if (this.hooks.onQuery !== undefined) {
      const decision = asker.decided ? asker.decided.decision : await this.#askHook(query, asker);
      if (decision?.answer !== undefined || decision?.refuse !== undefined || decision?.rewrite !== undefined) {
        return this.#decide(query, asker, decision);
      }
      if (decision?.group !== undefined) {
        const group = this.groups.get(decision.group);
        if (group === undefined)
          throw new ShardnsError(
            'ERR_SHARDNS_OPTION',
            `onQuery named a group that does not exist: ${JSON.stringify(decision.group)}`,
          );
        upstreams = group;
        recurse = false;
      }
    }
    if (recurse) return this.#recurse(query, asker, key, stale, this.recursor!);
    return this.#forward(query, asker, upstreams, key, stale);
  }

  async #askHook(query: Query, asker: KnownAsker): Promise<QueryDecision | undefined> {
    const decision = await this.hooks.onQuery?.(infoOf(query, asker));
    checkTenant(decision?.tenant, this.tenants !== undefined && !this.options.hasViews);
    if (decision?.tenant !== undefined && decision.tenant !== asker.tenant && asker.client !== undefined) {
      this.tenants?.remember(asker.client.address, decision.tenant);
    }
    return decision;
  }

  async #recurse(
    query: Query,
    asker: KnownAsker,
    key: string,
    stale: Resolution | undefined,
    recursor: Recursor,
  ): Promise<Resolution> {
    if (query.dnsClass !== Class.IN) {
      return { kind: 'error', rcode: Rcode.REFUSED, extendedError: ExtendedError.notAuthoritative };
    }
    if (!query.recursionDesired) return answerWithoutRecursion(query, recursor);
    const fresh = asker.fresh ?? false;
    const resolved = await (this.pool?.answer(query, fresh) ?? resolveFor(query, recursor, fresh));
    if (resolved.kind === 'answer') {
      const { message, noCache } = resolved;
      this.#failures.forget(key);
      if (noCache || this.#hookDrops(query, asker, message, 'recursion')) {
        return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR };
      }
      return this.#keep(query, asker, message);
    }
    const { extendedError, reason, message } = resolved;
    this.log.debug({ reason, name: query.nameText }, 'a name could not be resolved');
    const rcode = extendedError === ExtendedError.blocked ? Rcode.REFUSED : Rcode.SERVFAIL;
    const failure = this.#fail(query, asker, key, stale, { rcode, extendedError });
    // Those who wait are shown what led to it; it is remembered for others.
    return failure.kind === 'error' && message !== undefined ? { kind: 'message', message, extendedError } : failure;
  }

  async #forward(
    query: Query,
    asker: KnownAsker,
    upstreams: readonly Upstream[],
    key: string,
    stale: Resolution | undefined,
  ): Promise<Resolution> {
    const upstreamQuery = buildUpstreamQuery(query, {
      udpSize: this.options.upstreamUdpSize,
      forwardClientSubnet: this.options.forwardClientSubnet,
    });
    let kept: Uint8Array | undefined;
    try {
      const { response, upstream } = await this.exchanger.exchange(upstreamQuery, upstreams, (candidate, from) => {
        kept = this.#take(query, candidate, asker, from.label);
        return kept !== undefined;
      });
      if (kept !== undefined) {
        this.#failures.forget(key);
        return { kind: 'message', message: kept, extendedError: responseExtendedError(response) ?? NO_EXTENDED_ERROR };
      }
      this.log.debug(
        { upstream: upstream.label, rcode: responseRcode(response), name: query.nameText },
        'upstream failed',
      );
      return this.#fail(query, asker, key, stale, {
        rcode: failureRcode(response),
        extendedError: responseExtendedError(response) ?? ExtendedError.other,
      });
    } catch (error) {
      const { code, message } = error as ShardnsError;
      this.log.debug({ code, reason: message, name: query.nameText }, 'no upstream answered');
      const extendedError =
        code === 'ERR_SHARDNS_TIMEOUT' ? ExtendedError.noReachableAuthority : ExtendedError.networkError;
      return this.#fail(query, asker, key, stale, { rcode: Rcode.SERVFAIL, extendedError });
    }
  }

  /** Judges a response and stores it. Undefined: worthless, ask another server. */
  #take(query: Query, response: Uint8Array, asker: KnownAsker, upstream: string): Uint8Array | undefined {
    const rcode = responseRcode(response);
    if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN && rcode !== Rcode.YXDOMAIN) return undefined;
    let message = response;
    let scope: Uint8Array | undefined;
    if (this.options.forwardClientSubnet) {
      const found = responseScope(query, response);
      if (found === 'mismatch') return undefined;
      if (found !== 'none') scope = found;
    }
    if (!query.recursionDesired || query.dnsClass !== Class.IN || this.#hookDrops(query, asker, message, upstream))
      return message;
    const variant = variantOf(query, asker.tenant);
    const asked = { scope, adUnknown: !query.authenticData && !query.dnssecOk };
    let stored = this.engine.insert(message, variant, this.clock.wallSeconds(), asked);
    if (stored === Status.foreignRecords || stored === Status.toRewrite) {
      try {
        const scrubbed = scrubResponse(message);
        if (scrubbed === undefined) stored = Status.malformed;
        else {
          message = scrubbed;
          stored = this.engine.insert(message, variant, this.clock.wallSeconds(), asked);
        }
      } catch {
        stored = Status.malformed;
      }
    }
    if (stored === Status.malformed || stored === Status.notAResponse) {
      this.stats.rejectedResponses++;
      return undefined;
    }
    return message;
  }

  #hookDrops(query: Query, asker: Asker, message: Uint8Array, upstream: string): boolean {
    if (this.hooks.onResponse === undefined) return false;
    try {
      return this.hooks.onResponse({ ...infoOf(query, asker), rcode: message[3] & 0x0f, message, upstream }) === 'drop';
    } catch (error) {
      this.log.error(
        { err: error, name: query.nameText },
        'onResponse threw; its response is passed on and not stored',
      );
      return true;
    }
  }

  /** Stores a response of our own making and passes it on. */
  #keep(query: Query, asker: KnownAsker, message: Uint8Array): Resolution {
    const variant = variantOf(query, asker.tenant);
    const stored = this.engine.insertOwn(message, variant, this.clock.wallSeconds());
    // What may not be kept still puts an end to what was there before (RFC 8767 section 4).
    if (stored <= 0) this.engine.remove(query.name, query.type, variant);
    return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR | MARK_AUTHORITATIVE };
  }

  #fail(
    query: Query,
    asker: KnownAsker,
    key: string,
    stale: Resolution | undefined,
    failure: { rcode: number; extendedError: number },
  ): Resolution {
    this.stats.failures++;
    stale ??= this.#stale(query);
    const backoff = this.#failures.note(key, {
      first: this.options.failureFirstSeconds,
      most: this.options.failureMaxSeconds,
    });
    // With a stale answer at hand RFC 8767's 30 s.
    const seconds = stale !== undefined ? this.options.staleRetrySeconds : backoff;
    if (query.dnsClass === Class.IN && query.recursionDesired) {
      this.engine.insertFailure(query.name, query.type, variantOf(query, asker.tenant), seconds, failure.rcode);
    }
    if (stale !== undefined) {
      this.stats.staleServed++;
      return stale;
    }
    return { kind: 'error', ...failure };
  }

  async #decide(query: Query, asker: KnownAsker, decision: QueryDecision): Promise<Resolution> {
    if (decision.refuse !== undefined) {
      return { kind: 'error', rcode: Rcode[decision.refuse], extendedError: ExtendedError.prohibited };
    }
    if (decision.answer !== undefined) {
      const message = buildResponseOrFailure(query, {
        rcode: Rcode[decision.rcode ?? 'NOERROR'],
        answers: decision.answer.map(encodeRecord),
      });
      return decision.cache === false
        ? { kind: 'message', message, extendedError: NO_EXTENDED_ERROR }
        : this.#keep(query, asker, message);
    }
    return this.#rewrite(query, asker, encodeName(decision.rewrite!));
  }

  async #rewrite(query: Query, asker: KnownAsker, target: Uint8Array): Promise<Resolution> {
    const asked = new Query(replaceName(query, target));
    const { client, tenant } = asker;
    const resolution = await this.#resolve(asked, { protocol: 'internal', client, tenant });
    if (resolution.kind === 'error') return resolution;
    let octets: Uint8Array;
    if (resolution.kind === 'cached') {
      const length = this.engine.answer(asked.message, { allowStale: true, tenant });
      if (length <= 0) return { kind: 'error', rcode: Rcode.SERVFAIL, extendedError: ExtendedError.other };
      octets = this.engine.reply.slice(0, length);
    } else {
      octets = resolution.message;
    }
    const message = decodeMessage(octets);
    const alias: ResourceRecord = {
      name: query.name,
      type: Type.CNAME,
      dnsClass: Class.IN,
      ttl: message.answers.reduce((least, record) => Math.min(least, record.ttl), 300),
      data: target,
    };
    const rewritten = encodeMessage({
      ...message,
      flags: message.flags & ~Flag.AA,
      question: { name: query.name, type: query.type, dnsClass: query.dnsClass },
      answers: [alias, ...message.answers],
      additionals: [],
    });
    if (rewritten === undefined) return { kind: 'error', rcode: Rcode.SERVFAIL, extendedError: ExtendedError.other };
    return this.#keep(query, asker, rewritten);
  }
}

function variantOf(query: Query, tenant: number): Variant {
  return { dnssecOk: query.dnssecOk, checkingDisabled: query.checkingDisabled, tenant };
}

/** What an upstream says of a question it will not or cannot answer is for the client to know. */
const PASSED_ON = new Set<number>([Rcode.FORMERR, Rcode.NOTIMP, Rcode.REFUSED, Rcode.NOTAUTH]);

function failureRcode(response: Uint8Array): number {
  const rcode = responseRcode(response);
  return PASSED_ON.has(rcode) ? rcode : Rcode.SERVFAIL;
}

function flightKey(query: Query, tenant: number, authenticData: boolean): string {
  const bits =
    (query.dnssecOk ? 1 : 0) |
    (query.checkingDisabled ? 2 : 0) |
    (query.recursionDesired ? 4 : 0) |
    (authenticData && !query.dnssecOk ? 8 : 0);
  const subnet = query.clientSubnet;
  const key = `${tenant} ${query.type} ${query.dnsClass} ${bits} ${nameKey(query.name)}`;
  return subnet === undefined ? key : `${key} ${subnet.family}/${subnet.sourcePrefix}/${subnet.address.join('.')}`;
}

function infoOf(query: Query, asker: Asker): QueryInfo {
  return {
    name: query.nameText,
    type: typeName(query.type),
    dnssecOk: query.dnssecOk,
    protocol: asker.protocol,
    client: asker.client,
    tenant: asker.tenant,
  };
}

/** The query as if its asker wanted recursion, and to know of validation: so its answer is good for all. */
function asRefresh(query: Query): Query {
  const message = query.message.slice();
  message[2] |= Flag.RD >> 8;
  message[3] |= Flag.AD;
  return new Query(message);
}

function replaceName(query: Query, name: Uint8Array): Uint8Array {
  const { message, questionEnd } = query;
  return Uint8Array.from([...message.subarray(0, 12), ...name, ...message.subarray(questionEnd - 4)]);
}
