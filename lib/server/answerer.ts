// One query octets-in, reply octets-out, for listeners in JavaScript. The cache answers through the same native path
// as the UDP plane; everything else goes to the resolver. Whatever goes wrong inside is SERVFAIL for the client and a
// line in the log: nothing is thrown at a listener, and after close() nothing is answered. Replies are views of the engine's
// one buffer, so that a listener copies them once, or not at all.
//
// Bound: of replies that wait for one answer TURN_OCTETS a turn of the event loop; the others follow in the next ones.
import type { Clock } from '../base/clock.js';
import { Turns } from '../base/turns.js';
import { type Engine, FOR_AUTHORITY, type JudgedClient } from '../cache/engine.js';
import type { Gate } from '../clients/gate.js';
import { AnsweredBy, DURATION_BUCKETS, NO_EXTENDED_ERROR, TYPES_COUNTED, UNKNOWN_TENANT } from '../native/binding.js';
import { SERVFAIL } from '../resolve/outcome.js';
import { ASK_AGAIN, type Asker, type Resolution, type Resolver } from '../resolve/resolver.js';
import { Query } from '../wire/query.js';
import type { AuthorityRequests, MessageSource } from '../zone/authority/requests.js';
import { byProtocolFamily, type Protocol } from './listeners/protocols.js';
import { Answering, type Tap } from './tap/tap.js';

export type ListenerAsker = Asker & { protocol: Protocol; client: { address: string; port: number } };
/**
 * Takes the reply, which the next one overwrites; undefined when none is due.
 * @param why then: one of Silence
 * @param more messages that follow it, over streams only
 */
export type Reply = (octets: Uint8Array | undefined, why?: number, more?: MessageSource) => void;

/** Whom a reply is for. */
interface For {
  readonly udp: boolean;
  readonly client: JudgedClient | undefined;
  readonly asker: ListenerAsker;
  readonly tenant: number | undefined;
  /** For those who watch; undefined where nobody does. */
  readonly told: Answering | undefined;
}

/** What is known of one that an error is the end of. */
type Failing = Pick<For, 'udp'> & Partial<Pick<For, 'client' | 'told'>>;

const tenantOf = (tag: number): number | undefined => (tag === UNKNOWN_TENANT ? undefined : tag);

/** Of replies in one turn of the event loop: about a millisecond's work, however many wait for the same answer. */
const TURN_OCTETS = 2 ** 18;
/** What a reply costs beside its octets. */
const REPLY_OVERHEAD = 512;

export class Answerer {
  /** Bucket i counts durations below 2^i microseconds. */
  readonly durations = new Float64Array(DURATION_BUCKETS);
  durationSumUs = 0;
  readonly requests = byProtocolFamily(() => 0);
  /** The same by type: the last counts every type above 255. */
  readonly requestsByType = byProtocolFamily(() => new Float64Array(TYPES_COUNTED));
  readonly #turns = new Turns(TURN_OCTETS);
  /** Transfers, notifications, updates and whatever is signed, where zones are served. */
  authority: AuthorityRequests | undefined;
  /** Why none was due, of the last reply of which that is so. */
  #why = 0;
  #closed = false;

  constructor(
    private readonly engine: Engine,
    private readonly resolver: Resolver,
    private readonly clock: Clock,
    private readonly gate: Gate,
    private readonly tap?: Tap,
  ) {}

  /** The cache goes: what is still under way ends without a reply. */
  close(): void {
    this.#closed = true;
  }

  allows(address: string): boolean {
    return this.gate.allows(address);
  }

  /** Calls `reply` once, at once for a hit; with undefined when no reply is due. Never throws. */
  answer(message: Uint8Array, asker: ListenerAsker, reply: Reply): void {
    const udp = asker.protocol === 'udp';
    const told = this.#watched(asker);
    const done = this.#timed(reply, told);
    let waiting: Promise<Resolution> | undefined;
    let query: Query | undefined;
    let octets: Uint8Array | undefined;
    let client: JudgedClient | undefined;
    let tenant: number | undefined;
    try {
      client = this.gate.clientOf(asker.client.address);
      const length = this.engine.answer(message, { udp, client, authority: this.authority !== undefined });
      tenant = tenantOf(this.engine.tag);
      this.#countRequest(asker);
      if (told !== undefined) told.by = length === FOR_AUTHORITY ? AnsweredBy.zone : this.engine.answeredBy;
      if (length === FOR_AUTHORITY) {
        this.authority!.handle(Uint8Array.from(message), asker, (octets, more) => done(octets, undefined, more));
        return;
      }
      if (length < 0) {
        // Kept beyond this call, so out of the listener's buffer.
        query = new Query(Uint8Array.from(message));
        waiting = this.resolver.resolve(query, { ...asker, tenant }, told);
      } else if (this.engine.refreshDue) {
        octets = this.#reply(length)?.slice();
        this.resolver.prefetch(new Query(Uint8Array.from(message)), tenant);
      } else octets = this.#reply(length);
    } catch (error) {
      octets ??= this.#failed(error, message, { udp, client, told });
    }
    if (waiting === undefined || query === undefined) done(octets);
    else this.#answerLater(waiting, query, { udp, client, asker, tenant, told }, done);
  }

  /** A query of the plane's that is for who serves zones, and kept. Calls `reply` once. Never throws. */
  answerForAuthority(message: Uint8Array, asker: ListenerAsker, reply: Reply): void {
    if (this.authority === undefined || this.#closed) reply(undefined);
    else this.authority.handle(message, asker, octets => reply(octets));
  }

  /** Before queries that are looked up natively: for this client. */
  answersFor(address: string): void {
    this.engine.answersFor(this.gate.clientOf(address));
  }
  /** Counts queries that were looked up natively, and how long those took that were answered. */
  countNative({ protocol, client }: ListenerAsker, types: readonly number[], answered: number, tookMs: number): void {
    const way = `${protocol}${client.address.includes(':') ? 6 : 4}` as const;
    this.requests[way] += types.length;
    for (const type of types) this.requestsByType[way][Math.min(type, TYPES_COUNTED - 1)]++;
    if (answered > 0) this.#count((tookMs * 1000) / answered, answered);
  }
  /** The same as `answer` for a query that was looked up natively, under `tag`, and is a miss; `message` is kept. */
  answerMiss(message: Uint8Array, asker: ListenerAsker, tag: number, reply: Reply): void {
    const told = this.#watched(asker);
    const done = this.#timed(reply, told);
    try {
      const client = this.gate.clientOf(asker.client.address);
      const query = new Query(message);
      const tenant = tenantOf(tag);
      const waiting = this.resolver.resolve(query, { ...asker, tenant }, told);
      this.#answerLater(waiting, query, { udp: false, client, asker, tenant, told }, done);
    } catch (error) {
      done(this.#failed(error, message, { udp: false, told }));
    }
  }
  /** A hit that was found natively is the one chosen to refresh its entry; `message` is kept. Never throws. */
  refresh(message: Uint8Array, tag: number): void {
    try {
      this.resolver.prefetch(new Query(message), tenantOf(tag));
    } catch (error) {
      this.resolver.broke(error);
    }
  }

  /** Keeps the query's own copy, and not what the listener has read it with. */
  #answerLater(waiting: Promise<Resolution>, query: Query, from: For, done: Reply): void {
    const { message } = query;
    const { udp, client, tenant, told } = from;
    const inTurn = (make: () => Uint8Array | undefined | 'later'): void =>
      this.#turns.run(() => {
        let length = 0;
        try {
          const octets = make();
          if (octets === 'later') return REPLY_OVERHEAD;
          length = octets?.length ?? 0;
          done(octets);
        } catch (error) {
          this.#failed(error, message, from);
        }
        return length + REPLY_OVERHEAD;
      });
    waiting.then(
      resolution =>
        inTurn(() => {
          let again = false;
          const octets = this.#guarded(message, from, () => {
            const length = this.resolver.finish(query, resolution, udp, client, tenant);
            told?.cameTo(resolution, this.engine.answeredBy);
            again = length === ASK_AGAIN;
            return again ? 0 : length;
          });
          return again ? this.#answerAgain(query, { ...from, tenant: this.engine.tag }, done) : octets;
        }),
      (error: unknown) => inTurn(() => this.#failed(error, message, from)),
    );
  }

  /** Under the tag of a list's alias, once: what stands behind that is not judged by lists. By rates it is, as at first. */
  #answerAgain(query: Query, from: For, done: Reply): Uint8Array | undefined | 'later' {
    const { message } = query;
    const { udp, client, asker, tenant, told } = from;
    const length = this.engine.answer(message, { udp, client, tenant, counts: 'reply', isOtherTag: true });
    if (told !== undefined) told.by = AnsweredBy.blocked;
    if (length >= 0) {
      if (!this.engine.refreshDue) return this.#reply(length);
      const octets = this.#reply(length)?.slice();
      this.resolver.prefetch(query, tenant);
      return octets;
    }
    this.#answerLater(this.resolver.resolve(query, { ...asker, tenant }, told), query, from, done);
    return 'later';
  }

  /** Without an answer: what is wrong with the query. */
  refuse(message: Uint8Array, rcode: number, udp: boolean): Uint8Array | undefined {
    return this.#guarded(message, { udp }, () =>
      this.engine.refuse(message, { rcode, extendedError: NO_EXTENDED_ERROR }, { udp }),
    );
  }

  /** Where there is no room to wait: from the cache, stale allowed, else SERVFAIL. For those only who may ask. */
  answerAtOnce(message: Uint8Array, asker: ListenerAsker): Uint8Array | undefined {
    const udp = asker.protocol === 'udp';
    let octets: Uint8Array | undefined;
    const told = this.#watched(asker);
    this.#timed(
      reply => (octets = reply),
      told,
    )(
      this.#guarded(message, { udp, told }, () => {
        const client = this.gate.clientOf(asker.client.address);
        const length = this.engine.answer(message, { udp, allowStale: true, client });
        this.#countRequest(asker);
        if (told !== undefined && length >= 0) told.by = this.engine.answeredBy;
        // Under the tag that it was looked up under: what a list tells in its place is not found anew.
        return length >= 0 ? length : this.engine.refuse(message, SERVFAIL, { udp, client, tenant: this.engine.tag });
      }),
    );
    return octets;
  }

  finish(query: Query, resolution: Resolution, udp: boolean): Uint8Array | undefined {
    return this.#reply(this.resolver.finish(query, resolution, udp));
  }

  #guarded(message: Uint8Array, { udp, told }: Failing, answer: () => number): Uint8Array | undefined {
    try {
      return this.#closed ? undefined : this.#reply(answer());
    } catch (error) {
      return this.#failed(error, message, { udp, told });
    }
  }

  #failed(error: unknown, message: Uint8Array, { udp, client, told }: Failing): Uint8Array | undefined {
    if (this.#closed) return undefined;
    this.resolver.broke(error);
    if (told !== undefined) told.by = AnsweredBy.failed;
    try {
      return this.#reply(this.engine.refuse(message, SERVFAIL, { udp, client }));
    } catch {
      return undefined;
    }
  }

  #reply(length: number): Uint8Array | undefined {
    if (length > 0) return this.engine.reply.subarray(0, length);
    this.#why = this.engine.silence;
    return undefined;
  }

  /** What is known of a query while it is answered, where somebody wants to know. */
  #watched({ protocol, client }: ListenerAsker): Answering | undefined {
    return this.tap?.on === true ? new Answering(protocol, client) : undefined;
  }

  /** Counts how long a query takes from here, and tells those who watch. */
  #timed(reply: Reply, told: Answering | undefined): Reply {
    const began = this.clock.nowMs();
    return (octets, _, more) => {
      const us = (this.clock.nowMs() - began) * 1000;
      this.#count(us);
      if (told !== undefined && octets !== undefined) this.tap?.answered(told, us, octets);
      reply(octets, octets === undefined ? this.#why : undefined, more);
    };
  }

  /** Of the query that was answered or refused last. */
  #countRequest({ protocol, client }: ListenerAsker): void {
    const way = `${protocol}${client.address.includes(':') ? 6 : 4}` as const;
    this.requests[way]++;
    this.requestsByType[way][Math.min(this.engine.queryType, TYPES_COUNTED - 1)]++;
  }

  #count(us: number, times = 1): void {
    const bucket = us < 1 ? 0 : Math.min(DURATION_BUCKETS - 1, Math.floor(Math.log2(us)) + 1);
    this.durations[bucket] += times;
    this.durationSumUs += us * times;
  }
}
