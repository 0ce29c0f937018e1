// The steps of one question, in their order: what a server says of itself, local data, the hook, built-in zones, then
// recursion or upstreams. What it comes to is kept by Keep; stale answers and flights stand around it, in Resolver.
//
// Bound: 11 aliases of local data and hooks (as many as recursion follows).
import { ShardnsError, show } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Engine } from '../cache/engine.js';
import { checkTenant } from '../clients/tenants.js';
import { MARK_AUTHORITATIVE, NO_EXTENDED_ERROR } from '../native/binding.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { Upstream } from '../upstream/upstream.js';
import { Class, ExtendedError, Flag, Rcode, Type } from '../wire/iana.js';
import {
  buildResponseOrFailure,
  decodeMessage,
  encodeMessage,
  type Message,
  type ResourceRecord,
} from '../wire/message.js';
import { encodeName } from '../wire/name.js';
import { responseRcode } from '../wire/options.js';
import type { Query } from '../wire/query.js';
import { encodeRecord } from '../wire/record.js';
import { type Flyer, infoOf, isKept, type KnownAsker, variantOf, withName, withoutOptions, withType } from './asker.js';
import { answerChaos, type ServerIdentity } from './chaos.js';
import type { Flight } from './flights.js';
import { type Forwarder, Forwarding, isAnswer, type Landing } from './forwarding.js';
import { checkDecision, type Hooks, type QueryDecision } from './hooks.js';
import { withoutHints } from './hints.js';
import { anyOf, type DenialScope } from './denied-names.js';
import type { Keep, KeepOptions } from './keep.js';
import type { LocalAnswers } from './local-answers.js';
import type { Mistakes } from './mistakes.js';
import { failed, type Moved, type Outcome, type Resolution } from './outcome.js';
import { type AddressRules, messageWithoutPrivate } from './recurse/address-rules.js';
import { ResolutionError } from './recurse/job.js';
import { RECURSION_LIMITS } from './recurse/limits.js';
import type { Recursor } from './recurse/recursor.js';
import { answerWithoutRecursion, resolveFor, type Resolving } from './recursive-answers.js';
import { buildUpstreamQuery, responseScope } from './upstream-query.js';

export interface ChainOptions extends KeepOptions {
  local: LocalAnswers;
  identity: ServerIdentity;
  upstreamUdpSize: number;
  /** Which addresses upstreams' answers may have; a recursor has rules of its own. Undefined: all. */
  addressRules?: AddressRules;
}

/** What the chain reads of the resolver that it belongs to; much of it changes while it works. */
export interface ChainContext {
  readonly options: ChainOptions;
  readonly groups: ReadonlyMap<string, readonly Upstream[]>;
  readonly recursor: Recursor | undefined;
  /** Where other threads resolve in the recursor's place. */
  readonly pool: Resolving | undefined;
  /** Whether `onQuery` says whose client it is. */
  readonly sortsByHook: boolean;
  readonly stats: { rejectedResponses: number };
  /** A question that an alias of this one leads to. */
  follow(query: Query, asker: KnownAsker): Promise<Resolution | Moved>;
}

export class Chain implements Forwarder {
  constructor(
    private readonly context: ChainContext,
    private readonly engine: Engine,
    private readonly exchanger: Exchanger,
    private readonly hooks: Hooks,
    private readonly keep: Keep,
    readonly log: Logger,
    private readonly mistakes: Mistakes,
  ) {}

  /**
   * Throws or rejects for mistakes of ours or of a hook only. What needs no promise makes none.
   * @returns undefined where the flight is landed later, or was already
   */
  run(query: Query, asker: Flight): Outcome | Promise<Outcome> | undefined {
    const { options } = this.context;
    if (query.dnsClass === Class.CH) {
      const message = answerChaos(query, options.identity);
      if (message !== undefined) return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR };
    }
    if (query.dnsClass === Class.IN) {
      if (query.type === Type.ANY) return this.#any(query, asker);
      const local = options.local.find(query, asker.tenant);
      if (local?.kind === 'refused') {
        return { ...local, kind: 'message', extendedError: ExtendedError.blocked | MARK_AUTHORITATIVE };
      }
      if (local?.kind === 'alias') return this.#rewrite(query, asker, local.target);
      if (local !== undefined) return this.keep.own(query, asker, local.message);
    }
    return this.hooks.onQuery === undefined ? this.#pass(query, asker, undefined, asker) : this.#askHook(query, asker);
  }

  async #askHook(query: Query, asker: Flyer): Promise<Outcome> {
    const decision = asker.decided ? asker.decided.decision : await this.ask(query, asker);
    const tenant = this.#tenantOf(decision, asker);
    if (tenant !== asker.tenant) return { kind: 'moved', tenant, decided: { decision } };
    if (decision?.answer !== undefined || decision?.refuse !== undefined || decision?.rewrite !== undefined) {
      return this.#decide(query, asker, decision);
    }
    return new Promise((resolve, reject) => {
      const outcome = this.#pass(query, asker, decision?.group, { landed: resolve, crashed: reject });
      if (outcome !== undefined) resolve(outcome);
    });
  }

  /**
   * What neither local data nor the hook has decided.
   * @returns undefined where `landing` is told
   */
  #pass(
    query: Query,
    asker: Flyer,
    group: string | undefined,
    landing: Landing,
  ): Outcome | Promise<Outcome> | undefined {
    const { options, groups, recursor } = this.context;
    if (query.dnsClass === Class.IN) {
      // Not for a group of upstreams either: a hook that names one means the names of the outside.
      const builtIn = options.local.findBuiltIn(query, asker.tenant);
      if (builtIn !== undefined) return this.keep.own(query, asker, builtIn);
    }
    if (group === undefined && recursor?.serves(query.name, query.type) === true) {
      return this.#recurse(query, asker, recursor);
    }
    const upstreams = groups.get(group ?? 'default');
    if (upstreams === undefined && group !== undefined) {
      throw new ShardnsError('ERR_SHARDNS_OPTION', `onQuery named a group that does not exist: ${show(group)}`);
    }
    return this.#forward(query, asker, upstreams ?? [], group === undefined || group === 'default', landing);
  }

  /**
   * What `onQuery` says, within the deadline of a question to upstreams: one that never decided would keep its flight, and
   * its client's share, for ever.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION when that makes no sense, ERR_SHARDNS_TIMEOUT; whatever the hook throws
   */
  async ask(query: Query, asker: KnownAsker | Omit<KnownAsker, 'tenant'>): Promise<QueryDecision | undefined> {
    const said: unknown = this.hooks.onQuery?.(infoOf(query, asker));
    const decision = checkDecision(isPromised(said) ? await this.#inTime(said) : said);
    checkTenant(decision?.tenant, this.context.sortsByHook);
    return decision;
  }

  #inTime(said: PromiseLike<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { deadlineMs } = this.exchanger.options;
      const timer = this.exchanger.atDeadline(() =>
        reject(new ShardnsError('ERR_SHARDNS_TIMEOUT', `onQuery did not decide within ${deadlineMs} ms`)),
      );
      Promise.resolve(said)
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }

  /** For whom the hook has decided: an answer is kept for nobody else. */
  #tenantOf(decision: QueryDecision | undefined, { tenant, client }: Flyer): number {
    if (decision?.tenant !== undefined) return decision.tenant;
    // Without a client the hook could not know whose entry it is.
    return this.context.sortsByHook && client === undefined ? 0 : tenant;
  }

  async #recurse(query: Query, asker: Flyer, recursor: Recursor): Promise<Outcome> {
    asker.flight.recursive = true;
    if (query.dnsClass !== Class.IN) {
      return { kind: 'error', rcode: Rcode.REFUSED, extendedError: ExtendedError.notAuthoritative };
    }
    if (!query.recursionDesired) return answerWithoutRecursion(query, recursor);
    const fresh = asker.fresh ?? false;
    const resolved = await (this.context.pool?.answer(query, fresh) ?? resolveFor(query, recursor, fresh));
    if (resolved.kind === 'answer') {
      const message = this.#filtered(query, asker, resolved.message);
      if (message === undefined) return failed(Rcode.SERVFAIL, ExtendedError.other);
      const drop = this.#hookDrops(query, asker, message, 'recursion');
      if (!drop && !resolved.noCache) return this.keep.own(query, asker, message, resolved.livesMs);
      this.keep.end(query, asker);
      return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR };
    }
    const { extendedError, reason, message, ours } = resolved;
    this.log.debug({ reason, name: query.nameText }, 'a name could not be resolved');
    const rcode = extendedError === ExtendedError.blocked ? Rcode.REFUSED : Rcode.SERVFAIL;
    return { ...failed(rcode, extendedError, ours), message };
  }

  #forward(
    query: Query,
    asker: Flyer,
    upstreams: readonly Upstream[],
    isDefault: boolean,
    landing: Landing,
  ): Outcome | undefined {
    const { denials } = this.context.options;
    // What one group says of a name is not for the others to know.
    const believed = isDefault ? denials : 'type';
    if (asker.fresh !== true && this.keep.deriveDenial(query, asker.tenant, believed)) {
      return { kind: 'cached', tenant: asker.tenant };
    }
    const { exchanger } = this;
    const octets = buildUpstreamQuery(query, this.context.options);
    exchanger.race(new Forwarding(exchanger, octets, upstreams, this, query, asker, believed, landing));
    return undefined;
  }

  /** ANY says whether a name exists, and no more (RFC 8482 section 4): that is asked as of any other type. */
  async #any(query: Query, asker: Flyer): Promise<Outcome> {
    const { flight, tenant, client, depth, decided } = asker;
    const asked = withType(query, Type.A);
    const plain = { protocol: 'internal', client, tenant, decided, parent: flight, depth } as const;
    const found = await this.context.follow(asked, plain);
    if (found.kind === 'moved' || found.kind === 'error') return found;
    if (!flight.outdated && this.keep.deriveAny(query, tenant, Type.A)) return { kind: 'cached', tenant };
    let message;
    if (found.kind === 'message') {
      ({ message } = found);
    } else {
      const length = this.engine.answer(asked.message, { allowStale: true, tenant, counts: 'nothing' });
      if (length <= 0) return failed(Rcode.SERVFAIL, ExtendedError.other, true);
      message = this.engine.reply.slice(0, length);
    }
    const rcode = message[3] & 0x0f;
    if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN) {
      return { kind: 'error', rcode, extendedError: ExtendedError.other };
    }
    const any = anyOf(query, message);
    if (any === undefined) return failed(Rcode.SERVFAIL, ExtendedError.other);
    return { kind: 'message', message: any, extendedError: NO_EXTENDED_ERROR };
  }

  mayDropSubnet(query: Query): boolean {
    return this.context.options.forwardClientSubnet && query.clientSubnet !== undefined;
  }

  /** RFC 7871 section 7.1.3: who is refused with a client's subnet asks once more without it, as everybody does. */
  async withoutSubnet(query: Query, asker: Flyer): Promise<Outcome> {
    const { flight, decided, tenant, client } = asker;
    const plain = { protocol: 'internal', client, tenant, decided, parent: flight, depth: asker.depth } as const;
    return this.context.follow(withoutOptions(query), plain);
  }

  take(
    query: Query,
    response: Uint8Array,
    asker: Flyer,
    upstream: string,
    denials: DenialScope,
  ): Uint8Array | undefined {
    if (!isAnswer(responseRcode(response))) return undefined;
    let scope: Uint8Array | undefined;
    if (this.context.options.forwardClientSubnet) {
      const found = responseScope(query, response);
      if (found === 'mismatch') return undefined;
      if (found !== 'none') scope = found;
    }
    const drop = isKept(query) && this.#hookDrops(query, asker, response, upstream);
    const visible = this.#visible(query, response);
    const message = visible && this.#filtered(query, asker, visible);
    const kept = message && this.keep.response(query, asker, message, { scope, denials, drop });
    if (kept === undefined) this.context.stats.rejectedResponses++;
    return kept;
  }

  /** Without private addresses, where the outside may have none; undefined when it cannot be read or told. */
  #visible(query: Query, message: Uint8Array): Uint8Array | undefined {
    const { addressRules } = this.context.options;
    if (addressRules?.hidesAny !== true || query.dnsClass !== Class.IN) return message;
    try {
      return messageWithoutPrivate(message, addressRules);
    } catch (error) {
      if (error instanceof ResolutionError) throw error;
      return undefined;
    }
  }

  /** Without what local zones keep from their names; undefined when it cannot be read, or no message can hold that. */
  #filtered(query: Query, asker: Flyer, message: Uint8Array): Uint8Array | undefined {
    if (query.type !== Type.HTTPS && query.type !== Type.SVCB) return message;
    const family = this.context.options.local.blockedFamily(query.name, asker.tenant);
    if (family === undefined) return message;
    try {
      return withoutHints(message, family);
    } catch {
      return undefined;
    }
  }

  #hookDrops(query: Query, asker: Flyer, message: Uint8Array, upstream: string): boolean {
    if (this.hooks.onResponse === undefined) return false;
    const told = 'onResponse failed; its response is passed on and not stored';
    try {
      const said: unknown = this.hooks.onResponse({
        ...infoOf(query, asker),
        rcode: responseRcode(message),
        message,
        upstream,
      });
      if (typeof said !== 'object' || said === null) return said === 'drop';
      // It cannot be waited for: what it promises comes too late. That it fails must reach nobody else.
      void Promise.resolve(said).catch((error: unknown) => this.mistakes.note(error, told, query.nameText));
      throw new ShardnsError('ERR_SHARDNS_OPTION', 'onResponse returned an object: expected "drop" or nothing at once');
    } catch (error) {
      this.mistakes.note(error, told, query.nameText);
      return true;
    }
  }

  async #decide(query: Query, asker: Flyer, decision: QueryDecision): Promise<Outcome> {
    if (decision.refuse !== undefined) {
      return { kind: 'error', rcode: Rcode[decision.refuse], extendedError: ExtendedError.prohibited };
    }
    if (decision.answer !== undefined) {
      const message = buildResponseOrFailure(query, {
        rcode: Rcode[decision.rcode ?? 'NOERROR'],
        answers: decision.answer.map(encodeRecord),
      });
      if (decision.cache !== false) return this.keep.own(query, asker, message);
      this.keep.end(query, asker);
      return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR };
    }
    return this.#rewrite(query, asker, encodeName(decision.rewrite!));
  }

  async #rewrite(query: Query, asker: Flyer, target: Uint8Array): Promise<Outcome> {
    const { client, tenant, flight, depth = 0 } = asker;
    if (depth >= RECURSION_LIMITS.aliases) return failed(Rcode.SERVFAIL, ExtendedError.other, true);
    const asked = withName(query, target);
    const resolution = await this.context.follow(asked, {
      protocol: 'internal',
      client,
      tenant,
      depth: depth + 1,
      parent: flight,
    });
    // What the hook said of the other name holds for the client, and not for this question.
    if (resolution.kind === 'moved') return { kind: 'moved', tenant: resolution.tenant };
    if (resolution.kind === 'error') return resolution;
    let octets: Uint8Array;
    let isStale = false;
    if (resolution.kind === 'cached') {
      let length = this.engine.answer(asked.message, { tenant, counts: 'nothing' });
      isStale = length <= 0;
      if (isStale) length = this.engine.answer(asked.message, { allowStale: true, tenant, counts: 'nothing' });
      if (length <= 0) return failed(Rcode.SERVFAIL, ExtendedError.other, true);
      octets = this.engine.reply.slice(0, length);
    } else {
      octets = resolution.message;
      isStale = isStaleError(resolution.extendedError & 0xffff);
    }
    let message: Message;
    try {
      message = decodeMessage(octets);
    } catch {
      // What is not kept has not been read yet: a denial that is none.
      return failed(Rcode.SERVFAIL, ExtendedError.other);
    }
    const alias: ResourceRecord = {
      name: query.name,
      type: Type.CNAME,
      dnsClass: Class.IN,
      ttl: message.answers.reduce((least, record) => Math.min(least, record.ttl), 300),
      data: target,
    };
    const whole = encodeMessage({
      ...message,
      flags: message.flags & ~Flag.AA,
      question: { name: query.name, type: query.type, dnsClass: query.dnsClass },
      answers: [alias, ...message.answers],
      additionals: [],
    });
    if (whole === undefined) return failed(Rcode.SERVFAIL, ExtendedError.other);
    // What is stale of the target is no fresh answer to the alias.
    if (isStale) return { kind: 'message', message: whole, extendedError: ExtendedError.staleAnswer };
    const told = { kind: 'message', message: whole, extendedError: NO_EXTENDED_ERROR | MARK_AUTHORITATIVE } as const;
    // What the target is told one subnet only, or without recursion, is not the alias's for everybody.
    const scoped = this.context.options.forwardClientSubnet && query.clientSubnet !== undefined;
    if (scoped || !isKept(query)) return told;
    // Nor is what may not be kept of the target: a hook, its zone or its TTL say so.
    const known = this.engine.peek(asked.name, asked.type, variantOf(asked, tenant));
    if (known === undefined || known.remainingSeconds <= 0) {
      this.keep.end(query, asker);
      return told;
    }
    return this.keep.own(query, asker, whole, known.remainingSeconds * 1000);
  }
}

const isPromised = (said: unknown): said is PromiseLike<unknown> =>
  typeof (said as { then?: unknown } | null | undefined)?.then === 'function';

const isStaleError = (code: number): boolean =>
  code === ExtendedError.staleAnswer || code === ExtendedError.staleNxdomain;
