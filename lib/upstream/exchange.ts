// One question to a group of upstreams: tries, hedging, truncation to TCP, EDNS fallback, one deadline over all.
//
// Bounds: `maxInFlight` exchanges a server, `maxTotal` in all; UPSTREAM_LIMITS.maxTries tries a question.
import { Canceller } from '../base/cancel.js';
import type { Clock, Timer } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import type { PrefixTable } from '../base/prefix-table.js';
import type { Transport } from '../transport/transport.js';
import { CASE_CHANGED } from '../transport/udp.js';
import { HEADER_SIZE, Rcode } from '../wire/iana.js';
import { questionEnd } from '../wire/message.js';
import { appendOption } from '../wire/options.js';
import { UPSTREAM_LIMITS } from './limits.js';
import { select } from './selection.js';
import type { Upstream } from './upstream.js';

/** How long a server is asked without EDNS after it choked on it (the life of an infrastructure record). */
const PLAIN_MS = 900_000;

export interface ExchangerOptions {
  deadlineMs: number;
  maxInFlight: number;
  maxTotal: number;
  hedge: boolean;
  /** Load over all servers instead of on the fastest. */
  spread?: boolean;
  /** What some servers are told in an option of each query, by their addresses. */
  clientStrings?: { option: number; servers: PrefixTable<Uint8Array> };
}

export interface Exchanged {
  response: Uint8Array;
  upstream: Upstream;
}

export class Exchanger {
  inFlight = 0;
  /** Refused at once because `maxTotal` was reached. */
  overloaded = 0;

  constructor(
    private readonly udp: Transport,
    private readonly tcp: Transport,
    private readonly clock: Clock,
    private readonly random: Random,
    public options: ExchangerOptions,
  ) {}

  /**
   * @param query wire format without id; the letter case of its name is drawn anew for each try
   * @param accept whether a matching response is worth having; a refused one counts as a failure of its server
   * @throws {ShardnsError} ERR_SHARDNS_TIMEOUT, ERR_SHARDNS_UPSTREAM or ERR_SHARDNS_OVERLOAD when no server had one
   */
  exchange(
    query: Uint8Array,
    upstreams: readonly Upstream[],
    accept: (response: Uint8Array, upstream: Upstream) => boolean,
  ): Promise<Exchanged> {
    if (upstreams.length === 0) {
      return Promise.reject(new ShardnsError('ERR_SHARDNS_UPSTREAM', 'no upstream is configured for this query'));
    }
    if (this.inFlight >= this.options.maxTotal) {
      this.overloaded++;
      return Promise.reject(
        new ShardnsError('ERR_SHARDNS_OVERLOAD', `${this.options.maxTotal} upstream queries are under way already`),
      );
    }
    this.inFlight++;
    return new Promise((resolve, reject) => {
      new Race(this, query, upstreams, accept, resolve, reject).start();
    });
  }

  /** One try at one server: UDP, then TCP when the answer did not fit. */
  async ask(bare: Uint8Array, upstream: Upstream, timeoutMs: number, cancel: Canceller): Promise<Uint8Array> {
    const { at } = upstream;
    const query = this.#withString(bare, upstream);
    const until = this.clock.nowMs() + timeoutMs;
    const left = (): { timeoutMs: number; cancel: Canceller } => ({ timeoutMs: until - this.clock.nowMs(), cancel });
    const plain = upstream.plainUntil > this.clock.nowMs();
    let response: Uint8Array;
    try {
      response = await this.udp.exchange(plain ? withoutEdns(query) : query.slice(), at, { timeoutMs, cancel });
    } catch (error) {
      if ((error as ShardnsError).cause !== CASE_CHANGED) throw error;
      return this.tcp.exchange(query.slice(), at, left());
    }
    const rcode = response[3] & 0x0f;
    // RFC 6891 section 7: a server that does not know EDNS answers FORMERR or NOTIMP. Ask once without.
    if (!plain && (rcode === Rcode.FORMERR || rcode === Rcode.NOTIMP) && hasEdns(query)) {
      response = await this.udp.exchange(withoutEdns(query), at, left());
      if ((response[3] & 0x0f) !== rcode) upstream.plainUntil = this.clock.nowMs() + PLAIN_MS;
    }
    if (response[2] & 0x02) {
      upstream.stats.truncated++;
      // TCP takes a round trip more: it gets the rest of the try, and as much again.
      return this.tcp.exchange(plain ? withoutEdns(query) : query.slice(), at, { timeoutMs, cancel });
    }
    return response;
  }

  /** The same over TCP only. */
  askTcp(query: Uint8Array, upstream: Upstream, timeoutMs: number, cancel: Canceller): Promise<Uint8Array> {
    return this.tcp.exchange(this.#withString(query, upstream).slice(), upstream.at, { timeoutMs, cancel });
  }

  #withString(query: Uint8Array, upstream: Upstream): Uint8Array {
    const { clientStrings } = this.options;
    const text = clientStrings?.servers.find(upstream.at.address);
    return text === undefined ? query : appendOption(query, clientStrings!.option, text);
  }

  get now(): number {
    return this.clock.nowMs();
  }
  after(ms: number, run: () => void): Timer {
    return this.clock.after(ms, run);
  }
  pick(upstreams: readonly Upstream[], tried: ReadonlySet<Upstream>): Upstream | undefined {
    return select(upstreams, tried, this.options, this.random);
  }
}

/** The tries for one question. The first acceptable response wins; the others are aborted. */
class Race {
  readonly #tried = new Set<Upstream>();
  readonly #cancel = new Canceller();
  readonly #deadlineAt: number;
  #tries = 0;
  #running = 0;
  #done = false;
  #hedge: Timer | undefined;
  #deadline: Timer | undefined;
  #lastError: unknown;
  #lastResort: Exchanged | undefined;

  constructor(
    private readonly owner: Exchanger,
    private readonly query: Uint8Array,
    private readonly upstreams: readonly Upstream[],
    private readonly accept: (response: Uint8Array, upstream: Upstream) => boolean,
    private readonly resolve: (value: Exchanged) => void,
    private readonly reject: (error: unknown) => void,
  ) {
    this.#deadlineAt = owner.now + owner.options.deadlineMs;
  }

  start(): void {
    this.#deadline = this.owner.after(this.owner.options.deadlineMs, () => {
      this.#lastError ??= new ShardnsError(
        'ERR_SHARDNS_TIMEOUT',
        `no upstream answered in ${this.owner.options.deadlineMs} ms`,
      );
      this.#finish();
    });
    this.#try();
  }

  #try(): void {
    const upstream = this.owner.pick(this.upstreams, this.#tried);
    if (upstream === undefined) {
      this.#lastError ??= new ShardnsError(
        'ERR_SHARDNS_OVERLOAD',
        `every upstream has ${this.owner.options.maxInFlight} queries under way`,
      );
      if (this.#running === 0) this.#finish();
      return;
    }
    this.#tries++;
    this.#running++;
    const again = this.#tried.has(upstream);
    this.#tried.add(upstream);
    upstream.inFlight++;
    upstream.stats.queries++;
    const started = this.owner.now;
    const timeoutMs = Math.min(upstream.tryTimeoutMs * (again ? 2 : 1), this.#deadlineAt - started);
    if (this.owner.options.hedge && this.upstreams.length > 1 && this.#tries === 1) {
      this.#hedge = this.owner.after(upstream.hedgeMs, () => {
        if (this.#done || this.#tries >= UPSTREAM_LIMITS.maxTries) return;
        upstream.stats.hedges++;
        this.#try();
      });
    }
    this.owner.ask(this.query, upstream, timeoutMs, this.#cancel).then(
      response => {
        upstream.inFlight--;
        this.#running--;
        if (this.#done) return;
        if (this.accept(response, upstream)) {
          upstream.succeeded(this.owner.now - started);
          this.#finish({ response, upstream });
          return;
        }
        upstream.failed('failure');
        // SERVFAIL and REFUSED are answers too, if nobody has a better one.
        this.#lastResort ??= { response, upstream };
        this.#next();
      },
      (error: ShardnsError) => {
        upstream.inFlight--;
        this.#running--;
        if (this.#done) return;
        if (error.code === 'ERR_SHARDNS_TIMEOUT') upstream.failed('timeout');
        else if (error.code !== 'ERR_SHARDNS_OVERLOAD') upstream.failed('failure');
        this.#lastError = error;
        this.#next();
      },
    );
  }

  #next(): void {
    const exhausted =
      this.#tries >= UPSTREAM_LIMITS.maxTries ||
      (this.#lastResort !== undefined && this.#tried.size >= this.upstreams.length) ||
      this.owner.now >= this.#deadlineAt;
    if (!exhausted) this.#try();
    else if (this.#running === 0) this.#finish();
  }

  #finish(value: Exchanged | undefined = this.#lastResort): void {
    if (this.#done) return;
    this.#done = true;
    this.owner.inFlight--;
    this.#hedge?.cancel();
    this.#deadline?.cancel();
    if (this.#running > 0) this.#cancel.cancel();
    if (value !== undefined) this.resolve(value);
    else this.reject(this.#lastError);
  }
}

function hasEdns(query: Uint8Array): boolean {
  return query[11] !== 0;
}

/** The query cut behind its question: what shardns itself adds there is OPT and nothing else. */
function withoutEdns(query: Uint8Array): Uint8Array {
  const plain = query.slice(0, questionEnd(query));
  plain.fill(0, 10, HEADER_SIZE);
  return plain;
}
