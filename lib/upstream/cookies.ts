// The client's side of DNS cookies (RFC 7873 section 5, RFC 9018): eight octets that a server sends back, which nobody off the
// path can know, and what the server wants to see again to know us by. State only: inquiry.ts asks and judges.
//
// A server that knows no cookies, chokes on them or drops queries that have some is asked without: see Concession.
//
// Bound: one of some 100 octets for each server that something is known of.
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { findOption, OptionCode } from '../wire/opt.js';
import { Concession } from './concession.js';
import type { Upstream } from './upstream.js';

/** Which servers are sent cookies: those with `public` addresses, in whose name others may send. */
export type CookieUse = 'public' | 'always' | 'never';

const CLIENT_OCTETS = 8;
/** With the server's part (RFC 7873 section 4). */
const WHOLE_OCTETS = { min: 16, max: 40 };
/** RFC 7873 section 7.1 has 36 days as the most, and recommends a day. */
const RENEWED_MS = 86_400_000;
/** How long a server that has sent none is believed to know none. */
const NONE_MS = 3_600_000;
/** Questions in a row that were answered without its cookie, after which a server is taken to have none any more. */
const MISSES = 3;

/** `foreign`: another client's, or none that there can be. */
export type CookieVerdict = 'good' | 'absent' | 'foreign';

export class ServerCookie {
  /** Whether none is sent: the server answers those without. */
  readonly without: Concession;
  #client = new Uint8Array(CLIENT_OCTETS);
  #server: Uint8Array | undefined;
  /** Of both, as they are. */
  #content: Uint8Array | undefined;
  /** In a row. */
  #misses = 0;
  #drawnMs = -Infinity;
  #noneUntilMs = -Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
  ) {
    this.without = new Concession(clock);
  }

  /** It has sent cookies: its responses over UDP have some. */
  get isKnown(): boolean {
    return this.#server !== undefined;
  }
  /** There is nothing to be gained from cookies. */
  get isUseless(): boolean {
    return !this.isKnown && (this.without.granted || this.clock.nowMs() < this.#noneUntilMs);
  }

  /** The option's content for the next query; not to be changed. */
  content(): Uint8Array {
    const now = this.clock.nowMs();
    if (now - this.#drawnMs >= RENEWED_MS) {
      this.#drawnMs = now;
      this.#client = new Uint8Array(Uint32Array.of(this.random.uint32(), this.random.uint32()).buffer);
      this.#server = this.#content = undefined;
    }
    this.#content ??= Uint8Array.from([...this.#client, ...(this.#server ?? [])]);
    return this.#content;
  }
  /**
   * The same where a response with just that is all that is expected: the server has sent its own part before. Undefined: the
   * next query, or what comes back, is to be judged.
   */
  expected(): Uint8Array | undefined {
    if (this.without.granted) return undefined;
    const content = this.content();
    return this.isKnown ? content : undefined;
  }
  /** A response has had it. */
  echoed(): void {
    this.#misses = 0;
  }

  /** @param sent with the query. What the server's cookie is from now on is learned, from errors too (section 5.3) */
  judge(response: Uint8Array, sent: Uint8Array): CookieVerdict {
    const got = findOption(response, OptionCode.cookie);
    if (got === undefined) {
      if (!this.isKnown) this.#noneUntilMs = this.clock.nowMs() + NONE_MS;
      return 'absent';
    }
    const isHalf = got.length === CLIENT_OCTETS;
    if (!isHalf && (got.length < WHOLE_OCTETS.min || got.length > WHOLE_OCTETS.max)) return 'foreign';
    for (let i = 0; i < CLIENT_OCTETS; i++) if (got[i] !== sent[i]) return 'foreign';
    // Our half alone is what servers send back that know nothing of cookies. What belongs to a former one teaches nothing.
    if (isHalf) {
      if (!this.isKnown) this.#noneUntilMs = this.clock.nowMs() + NONE_MS;
    } else if (this.#client.every((octet, i) => octet === sent[i])) {
      this.#server = got.slice(CLIENT_OCTETS);
      this.#content = undefined;
      this.#misses = 0;
      this.without.shown();
    }
    return 'good';
  }

  /** Two of its responses to a question had none, and there was no TCP to ask. */
  missed(): void {
    if (++this.#misses >= MISSES) this.forget();
  }

  /** It says itself, over TCP, that it knows none any more. */
  forget(): void {
    this.#server = this.#content = undefined;
    this.#misses = 0;
    this.#noneUntilMs = this.clock.nowMs() + NONE_MS;
  }
}

export class Cookies {
  readonly #of = new WeakMap<Upstream, ServerCookie>();

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** Undefined where the server is sent none. */
  of(upstream: Upstream, use: CookieUse = 'never'): ServerCookie | undefined {
    if (use === 'never' || upstream.scheme !== 'udp') return undefined;
    if (use === 'public' && upstream.scope !== 'public') return undefined;
    let its = this.#of.get(upstream);
    if (its === undefined) this.#of.set(upstream, (its = new ServerCookie(this.clock, this.random)));
    return its;
  }
}

/** Over UDP, and TCP was of no use before. */
export const wrongCookie = ({ label }: Upstream): ShardnsError =>
  new ShardnsError('ERR_SHARDNS_UPSTREAM', `${label} answered with another client's cookie, and TCP failed`);
