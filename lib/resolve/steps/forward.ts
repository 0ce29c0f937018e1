// Step, the last one: a question for upstreams; which of them, what their responses are worth, and what is kept of those.
import { ShardnsError, show } from '../../base/errors.js';
import type { Logger } from '../../base/log.js';
import { AnsweredBy, NO_EXTENDED_ERROR } from '../../native/binding.js';
import { NOT_FOUND_YET } from '../../upstream/upstream.js';
import { flagsOf, setFlags } from '../../wire/flags.js';
import { Class, ExtendedError, Flag, Rcode } from '../../wire/iana.js';
import { responseRcode } from '../../wire/opt.js';
import type { Query } from '../../wire/query.js';
import { type Flyer, isKept, withoutOptions } from '../asker.js';
import type { DenialScope } from '../denied-names.js';
import { type Forwarder, Forwarding, type Found, isAnswer, type Landing } from '../forwarding.js';
import { withoutBlockedHints } from '../hints.js';
import { failed, type Outcome } from '../outcome.js';
import { messageWithoutPrivate } from '../recurse/address-rules.js';
import { ResolutionError } from '../recurse/job.js';
import { buildUpstreamQuery, responseExtendedError, responseScope } from '../upstream-query.js';
import { bareAlias, followBareAlias } from './bare-alias.js';
import type { HookStep } from './hook.js';
import type { StepParts } from './step.js';
import { overZoneRate } from './zone-rate.js';

export class ForwardStep implements Forwarder {
  readonly log: Logger;

  constructor(
    private readonly parts: StepParts,
    private readonly hook: HookStep,
  ) {
    this.log = parts.log;
  }

  /**
   * @param group of upstreams that the hook named
   * @returns undefined where `landing` is told
   */
  run(query: Query, asker: Flyer, group: string | undefined, landing: Landing): Outcome | undefined {
    const { options, groups } = this.parts.context;
    const upstreams = groups.get(group ?? 'default');
    if (upstreams === undefined && group !== undefined) {
      throw new ShardnsError('ERR_SHARDNS_OPTION', `onQuery named a group that does not exist: ${show(group)}`);
    }
    if (upstreams === NOT_FOUND_YET) return failed(Rcode.SERVFAIL, ExtendedError.notReady, true);
    // What one group says of a name is not for the others to know.
    const believed = group === undefined || group === 'default' ? options.denials : 'type';
    if (asker.fresh !== true && this.parts.keep.deriveDenial(query, asker.tenant, believed)) {
      asker.flight.answeredBy = AnsweredBy.hit;
      return { kind: 'cached', tenant: asker.tenant };
    }
    const over = overZoneRate(query, asker, this.parts);
    if (over !== undefined) return over;
    asker.flight.answeredBy = AnsweredBy.upstream;
    const { exchanger } = this.parts;
    const octets = buildUpstreamQuery(query, options);
    exchanger.race(new Forwarding(exchanger, octets, upstreams ?? [], this, query, asker, believed, landing));
    return undefined;
  }

  mayDropSubnet(query: Query): boolean {
    return this.parts.context.options.clientSubnets?.sent(query) !== undefined;
  }

  /** RFC 7871 section 7.1.3: who is refused with a client's subnet asks once more without it, as everybody does. */
  async withoutSubnet(query: Query, asker: Flyer): Promise<Outcome> {
    const { flight, decided, tenant, client } = asker;
    const plain = { protocol: 'internal', client, tenant, decided, parent: flight, depth: asker.depth } as const;
    return this.parts.context.follow(withoutOptions(query), plain);
  }

  follow(
    query: Query,
    asker: Flyer,
    bare: Extract<Outcome, { kind: 'message' }>,
    target: Uint8Array,
  ): Promise<Outcome> {
    return followBareAlias(query, asker, { bare, target }, this.parts);
  }

  take(
    query: Query,
    response: Uint8Array,
    asker: Flyer,
    upstream: string,
    denials: DenialScope,
    found: Found,
  ): Uint8Array | undefined {
    if (!isAnswer(responseRcode(response))) return undefined;
    let scope: Uint8Array | undefined;
    const { options } = this.parts.context;
    const sent = options.clientSubnets?.sent(query);
    if (sent !== undefined) {
      const its = responseScope(sent, response);
      if (its === 'mismatch') return undefined;
      if (its !== 'none') scope = its;
    }
    const drop = isKept(query) && this.hook.drops(query, asker, response, upstream);
    const visible = this.#visible(query, this.#asJudged(response));
    const plain = visible && withoutBlockedHints(query, asker.tenant, visible, options.local);
    const how = { scope, denials, drop };
    if (asker.translation === undefined || plain === undefined) {
      const kept = this.#keep(query, asker, plain, how);
      // What one subnet, or nobody but these clients, is told is not put together with what others are.
      const mayFollow = kept !== undefined && sent === undefined && !drop && isKept(query);
      found.bareAlias = mayFollow ? bareAlias(query, kept) : undefined;
      return kept;
    }
    const message = asker.translation.shown(plain);
    const tell = (): Outcome => {
      const kept = this.#keep(query, asker, message, how);
      const extendedError = responseExtendedError(response) ?? NO_EXTENDED_ERROR;
      return kept ? { kind: 'message', message: kept, extendedError } : failed(Rcode.SERVFAIL, ExtendedError.other);
    };
    // What upstreams have validated is not for us to vouch for when it is made something else.
    const isHeld = message !== undefined && asker.translation.hold({ message, isJudged: false, tell }) !== undefined;
    return isHeld ? message : this.#keep(query, asker, message, how);
  }

  #keep(
    query: Query,
    asker: Flyer,
    message: Uint8Array | undefined,
    how: Parameters<StepParts['keep']['response']>[3],
  ): Uint8Array | undefined {
    const kept = message && this.parts.keep.response(query, asker, message, how);
    if (kept === undefined) this.parts.context.stats.rejectedResponses++;
    return kept;
  }

  /**
   * Where answers are validated, AD says that they were, and by whose anchors (RFC 4035 section 3.2.3). Nobody here has judged
   * what a group says that a hook has named: its servers' word on it is left out. Where nothing is validated it is passed on.
   */
  #asJudged(response: Uint8Array): Uint8Array {
    const flags = flagsOf(response);
    if ((flags & Flag.AD) === 0 || this.parts.context.recursor?.options.validation === undefined) return response;
    const told = Uint8Array.from(response);
    setFlags(told, flags & ~Flag.AD);
    return told;
  }

  /** Without private addresses, where the outside may have none; undefined when it cannot be read or told. */
  #visible(query: Query, message: Uint8Array): Uint8Array | undefined {
    const { addressRules } = this.parts.context.options;
    if (addressRules?.hidesAny !== true || query.dnsClass !== Class.IN) return message;
    try {
      return messageWithoutPrivate(message, addressRules);
    } catch (error) {
      if (error instanceof ResolutionError) throw error;
      return undefined;
    }
  }
}
