// Questions of this process of which nothing here decides anything but which upstream is asked: those are put to it without
// a flight, a chain of steps and a race, which cost most of what such a question costs. They count as flights and as
// questions to upstreams. For a cache that nobody else stores in, since other forms of an answer are not looked for, and
// for questions that it has nothing of, not even expired.
//
// A question that turns out not to be that plain goes on as a flight, which takes over its query or its response, so that
// nothing is asked twice: one that is late for a second server or a second try, whose response cannot simply be kept, that
// somebody asks as a flight too (RFC 5452 section 5), or that other settings overtake.
//
// Bounds: those of flights and of questions to upstreams.
import type { Clock } from '../base/clock.js';
import type { Doubt } from '../transport/transport.js';
import type { Forwarding, ForwardOwner } from '../transport/forwarded.js';
import { rcodeAndOpt } from '../upstream/edns.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { Upstream } from '../upstream/upstream.js';
import { isTruncated } from '../wire/flags.js';
import { HEADER_SIZE, Rcode } from '../wire/iana.js';
import { foldedKey } from '../wire/name.js';
import type { OwnZones } from './own-zones.js';
import { Query } from '../wire/query.js';
import type { Coalescer } from './coalescer.js';
import type { Hooks } from './hooks.js';
import type { Keep } from './keep.js';
import { isUpstreamsAlone, Unraced, type UnracedContext, UnracedQuestion } from './unraced.js';

export abstract class PlainQuestion extends UnracedQuestion {
  forwarding: Forwarding | undefined;

  /**
   * @param owner `mayAsk` of which has given the upstream
   * @param key `keyOf` its packet
   * @param packet class IN, with RD, and an OPT with nothing in it
   */
  constructor(
    upstream: Upstream,
    owner: PlainQuestions,
    readonly key: string,
    readonly packet: Uint8Array,
  ) {
    super(upstream, owner);
  }

  /** The cache has the response. One of these two is called, once. Must not throw. */
  abstract kept(response: Uint8Array): void;
  /** Asks the resolver the same before it returns. Must not throw. */
  abstract goOn(): void;
}

export interface PlainQuestionsParts {
  readonly context: UnracedContext;
  readonly hooks: Hooks;
  readonly exchanger: Exchanger;
  readonly keep: Keep;
  readonly coalescer: Coalescer;
  readonly clock: Clock;
}

export class PlainQuestions implements ForwardOwner<PlainQuestion> {
  readonly #asked = new Map<string, PlainQuestion>();
  readonly #unraced: Unraced<PlainQuestion>;

  constructor(private readonly parts: PlainQuestionsParts) {
    this.#unraced = new Unraced(parts.exchanger, parts.clock, one => this.#goOn(one));
  }

  get underWay(): number {
    return this.#unraced.size;
  }

  /** Name, type and class in lower case. @param end behind the question */
  static keyOf(packet: Uint8Array, end: number): string {
    return foldedKey(packet, HEADER_SIZE, end);
  }

  find(key: string): PlainQuestion | undefined {
    return this.#asked.get(key);
  }

  /** The server to put a question to that nobody asks yet, with room for it; undefined: it is for the resolver. */
  mayAsk(packet: Uint8Array): Upstream | undefined {
    const { context, hooks, exchanger, keep, coalescer } = this.parts;
    const { options } = context;
    if (exchanger.forwarding === undefined || !isUpstreamsAlone(context, hooks, exchanger)) return undefined;
    if (context.zones !== undefined && isOfZones(context.zones, packet)) return undefined;
    if (options.dns64 !== undefined || options.local.mayHaveSay(packet, HEADER_SIZE)) return undefined;
    if (coalescer.size > this.underWay || keep.knowsAny) {
      const query = new Query(packet);
      if (coalescer.asks(query, 0) || keep.knows(query, 0, options)) return undefined;
    }
    const upstream = this.#unraced.upstreamOf(context.groups.get('default') ?? []);
    return upstream !== undefined && coalescer.takePlain() ? upstream : undefined;
  }

  begin(one: PlainQuestion): void {
    const { context, exchanger } = this.parts;
    this.#asked.set(one.key, one);
    this.#unraced.begin(one, context.groups.get('default') ?? []);
    one.forwarding = exchanger.forwarding!;
    one.forwarding.put(one, one.packet);
  }

  /** Somebody asks it as a flight. */
  takeOver(query: Query): void {
    if (this.underWay === 0) return;
    const one = this.#asked.get(PlainQuestions.keyOf(query.message, query.questionEnd));
    if (one !== undefined) this.#goOn(one);
  }
  /** Before other settings are in force, or what servers have said so far is to be forgotten. */
  takeOverAll(): void {
    for (const one of [...this.#asked.values()]) this.#goOn(one);
  }

  answered(one: PlainQuestion, response: Uint8Array): void {
    if (this.#asked.get(one.key) !== one) return;
    if (this.parts.keep.forgetting.isBehind) {
      this.#askAnew(one);
      return;
    }
    if (!this.#keeps(one, response)) {
      this.#goOn(one, response);
      return;
    }
    this.#leave(one);
    this.parts.context.stats.resolved++;
    this.#unraced.answered(one);
    one.kept(response);
  }
  /** It is written here and not by a plane: that does not happen. */
  completed(one: PlainQuestion): void {
    this.#goOn(one);
  }
  lost(one: PlainQuestion, asked: boolean): void {
    if (asked) one.upstream.stats.queries++; // it is asked once more
    this.#goOn(one);
  }
  doubted(one: PlainQuestion, doubt: Doubt): void {
    this.#goOn(one, undefined, doubt);
  }

  #keeps({ upstream }: PlainQuestion, response: Uint8Array): boolean {
    if (isTruncated(response)) return false;
    const { rcode, hasOpt } = rcodeAndOpt(response);
    if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN) return false;
    if (!this.parts.keep.plain(response)) return false;
    if (hasOpt) upstream.edns.shown();
    return true;
  }

  /** What it has found may be what somebody has forgotten since. */
  #askAnew(one: PlainQuestion): void {
    this.#leave(one);
    this.#unraced.handOver({ one, forwarding: undefined, goOn: () => one.goOn() });
  }

  #goOn(one: PlainQuestion, response?: Uint8Array, doubt?: Doubt): void {
    if (this.#asked.get(one.key) !== one) return;
    this.#leave(one);
    this.#unraced.handOver({ one, forwarding: one.forwarding, goOn: () => one.goOn(), response, doubt });
  }

  #leave(one: PlainQuestion): void {
    this.#asked.delete(one.key);
    this.#unraced.leave(one);
    this.parts.coalescer.release(undefined);
  }
}

function isOfZones(zones: OwnZones, packet: Uint8Array): boolean {
  const { name, type } = new Query(packet);
  return zones.entryFor(name, type, 0) !== undefined;
}
