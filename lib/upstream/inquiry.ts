// One question put to one server, for all who ask it in this form: by the datagrams of its route (UDP), up to three times
// while it is late, by its stream (TCP) where there are none or they will not do, without EDNS or in plain letters where the
// server needs that. Ends with a response or an error, or when nobody wants to know any more; whichever is answered first counts.
//
// What cannot be believed over UDP (see Doubt) ends nothing: the question is asked over TCP beside it, where nobody else
// can speak; where there is no TCP, once more over UDP from a socket of its own.
import type { Chained } from '../base/chained-table.js';
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import { isOfTheSocket } from '../transport/failures.js';
import {
  type Doubt,
  type ExchangeListener,
  type ExchangeOptions,
  type Exchanging,
  type Transport,
  NO_SOCKET_ALONE,
} from '../transport/transport.js';
import { isTruncated } from '../wire/flags.js';
import { HEADER_SIZE, Rcode, rcodeName } from '../wire/iana.js';
import { questionEnd } from '../wire/message.js';
import { foldedKey } from '../wire/name.js';
import { appendOption, OptionCode } from '../wire/opt.js';
import { type ServerCookie, wrongCookie } from './cookies.js';
import { hasEdns, rcodeAndOpt, refusesEdns, withoutEdns } from './edns.js';
import { entropyFor, type LetterCase, lettersFor } from './guards.js';
import { UPSTREAM_LIMITS } from './limits.js';
import type { Route } from './route.js';
import { type Answered, SharedOutcome } from './shared-outcome.js';
import { lostOverTcp, truncatedAgain, truncatedOverTcp } from './truncation.js';
import type { Upstream } from './upstream.js';

/** Whoever keeps those that are open. */
export interface InquiryKeeper {
  readonly clock: Clock;
  /** Responses over UDP without the cookie that they were to have. */
  foreignCookies: number;
  ended(inquiry: Inquiry): void;
}

/** A query under way, and how it was asked. */
class Asked {
  exchange: Exchanging | undefined;
  /** Asked since an earlier response came without the server's cookie. */
  isSecond = false;
  constructor(
    readonly way: 'datagram' | 'stream',
    readonly beganMs: number,
    readonly edns: boolean,
    readonly letters: 'drawn' | 'kept',
    /** As it was sent. */
    readonly cookie?: Uint8Array,
  ) {}
}

const NONE: readonly Doubt[] = [];
let begun = 0;

export class Inquiry extends SharedOutcome implements ExchangeListener, Chained<Inquiry> {
  next: Inquiry | undefined;
  /** Undefined where the server is sent none. */
  cookie: ServerCookie | undefined;
  /** Else it waits for its turn; of those with the same one the lowest number is first. */
  started = false;
  turn = 0;
  readonly number = ++begun;
  /** By the keeper's fence. */
  askedAt = 0;
  #doubts: readonly Doubt[] = NONE;
  #over = false;
  /** Exchanges under way, of both kinds; nearly always one, which costs no list. */
  #asked: Asked | undefined;
  #askedToo: Asked[] | undefined;
  #datagrams = 0;
  #streamed = 0;
  #late = 0;
  #edns: boolean;
  #letters: 'drawn' | 'kept';
  #entropy: ExchangeOptions['entropy'];
  #askedAsWritten = false;
  /** The stream was tried in the place of what datagrams cannot do, and failed. */
  #streamLost = false;
  #replaced = false;
  /** What came over UDP was cut short (TC), and there is no other response yet. */
  isCut = false;
  /** Of a datagram: `missed`: its response proves nothing; `bad`: the server wants its new one. */
  #cookieState: 'untried' | 'sent' | 'refused' | 'bad' | 'missed' = 'untried';
  /** A response that another form of the query may better: FORMERR to EDNS, NXDOMAIN for random letters. */
  #spare: (Answered & { hasOpt: boolean }) | undefined;

  /** @param form as whoever began it asks; `query` may have more options than `asked` */
  constructor(
    private readonly keeper: InquiryKeeper,
    readonly hash: number,
    readonly form: { readonly asked: Uint8Array; readonly query: Uint8Array; readonly client: string | undefined },
    readonly upstream: Upstream,
    readonly route: Route,
    letterCase: LetterCase,
  ) {
    super();
    this.#edns = hasEdns(form.query) && !upstream.edns.granted;
    this.#letters = lettersFor(upstream, letterCase);
    this.#entropy = entropyFor(upstream);
  }

  start(now?: number): void {
    this.started = true;
    if (this.route.datagram === undefined) this.#askStream();
    else this.#askDatagram(now);
  }

  /**
   * The last query has had its time.
   * @param sent how many were sent when that began: where another has been sent since, this one is not late
   * @returns true once for each query, so that the server is blamed once
   */
  late(sent = this.sent): boolean {
    if (this.#over || this.#late >= this.sent || sent !== this.sent) return false;
    this.#late = this.sent;
    return true;
  }

  /** Sends another query if the last one is late, and not too many are sent. */
  again(): void {
    if (this.#over || this.sent === 0 || this.#late < this.sent) return;
    // What guards better is waited for, but not in vain: TCP may be dropped without a word.
    if (this.#streamed > 0 && this.#entropy === 'guarded' && !this.#streamLost && !this.#hasMissed) return;
    if (this.#maySendDatagram) this.#askDatagram();
    else if (this.#spare !== undefined) this.#settle(this.#spare);
  }

  /** Queries of both kinds. */
  get sent(): number {
    return this.#datagrams + this.#streamed;
  }
  get #maySendDatagram(): boolean {
    return this.route.datagram !== undefined && this.#datagrams < UPSTREAM_LIMITS.queriesPerServer;
  }

  /** There is a response, without the cookie that it was to have. */
  get #hasMissed(): boolean {
    return this.#cookieState === 'missed' && this.#spare !== undefined;
  }

  #askDatagram(began = this.keeper.clock.nowMs()): void {
    this.#datagrams++;
    const options = { beganMs: began, letters: this.#letters, entropy: this.#entropy };
    const cookie = this.#cookieForDatagram();
    const asked = new Asked('datagram', began, this.#edns, this.#letters, cookie);
    asked.isSecond = this.#hasMissed;
    this.#ask(this.route.datagram!, options, asked);
  }

  #askStream(): void {
    this.#streamed++;
    const beganMs = this.keeper.clock.nowMs();
    const { client } = this.form;
    // There the server says whether it knows cookies any more.
    const cookie = this.#cookieState === 'missed' && this.#edns ? this.cookie?.content() : undefined;
    this.#ask(this.route.stream, { beganMs, client }, new Asked('stream', beganMs, this.#edns, 'kept', cookie));
  }

  #ask(transport: Transport, options: ExchangeOptions, asked: Asked): void {
    const {
      form: { query },
      upstream,
    } = this;
    upstream.stats.queries++;
    if (this.#asked === undefined) this.#asked = asked;
    else (this.#askedToo ??= []).push(asked);
    let form = asked.edns ? query : withoutEdns(query);
    if (asked.cookie !== undefined) form = appendOption(form, OptionCode.cookie, asked.cookie);
    asked.exchange = transport.ask(form, upstream.at, options, this);
  }

  #cookieForDatagram(): Uint8Array | undefined {
    const { cookie } = this;
    if (cookie === undefined || !this.#edns || this.#cookieState === 'refused' || cookie.without.granted)
      return undefined;
    // Some drop what has options that they do not know, or servers behind them do.
    if (this.#datagrams > 1 && !cookie.isKnown) return undefined;
    if (this.#cookieState === 'untried') this.#cookieState = 'sent';
    return cookie.content();
  }

  /** Takes it out of those that are under way. */
  #ended(exchange: Exchanging): Asked | undefined {
    const first = this.#asked;
    if (first?.exchange === exchange) {
      this.#asked = this.#askedToo?.shift();
      return first;
    }
    const at = this.#askedToo?.findIndex(one => one.exchange === exchange) ?? -1;
    return at < 0 ? undefined : this.#askedToo!.splice(at, 1)[0];
  }
  get #isOpen(): boolean {
    return this.#asked !== undefined;
  }

  /** Called by the transports, as are the next two. */
  answered(response: Uint8Array, exchange: Exchanging): void {
    const asked = this.#ended(exchange);
    if (asked === undefined) return;
    this.#judge({ response, latencyMs: this.keeper.clock.nowMs() - asked.beganMs }, asked);
  }
  lost(error: ShardnsError, exchange: Exchanging): void {
    const asked = this.#ended(exchange);
    if (asked?.way === 'datagram') this.#lostDatagram(error);
    else if (asked !== undefined) this.#lostStream(error);
  }
  doubted(doubt: Doubt): void {
    this.#doubt(doubt);
  }

  #doubt(doubt: Doubt): void {
    if (this.#over) return;
    const first = !this.#doubts.includes(doubt);
    if (first) this.#doubts = [...this.#doubts, doubt];
    if (this.#streamed === 0) {
      this.#askStream();
    } else if (doubt === 'question' && !first && this.#streamLost && this.#edns && this.#maySendDatagram) {
      // There is no TCP, and it says so again: for this question alone, without EDNS.
      this.#edns = false;
      this.#askDatagram();
    }
  }

  #judge(answered: Answered, form: Asked): void {
    const { upstream } = this;
    if (isTruncated(answered.response)) {
      this.#truncated(form.way);
      return;
    }
    const { rcode, hasOpt } = rcodeAndOpt(answered.response);
    if (this.cookie !== undefined && this.#mindsCookie({ ...answered, hasOpt }, form, rcode)) return;
    if (refusesEdns(rcode)) {
      if (form.edns && this.#edns) {
        this.#spare = { ...answered, hasOpt };
        this.#edns = false;
        if (form.way === 'stream') this.#askStream();
        else if (this.#maySendDatagram) this.#askDatagram();
      }
      // The first of them says why; another may still have better.
      if (!this.#isOpen || !form.edns) this.answer(this.#spare ?? answered);
      return;
    }
    if (rcode > 0x0f) {
      const text = `${upstream.label} answered with rcode ${rcodeName(rcode)}`;
      this.fail(new ShardnsError('ERR_SHARDNS_UPSTREAM', text));
      return;
    }
    if (hasOpt && form.edns) upstream.edns.shown();
    // A FORMERR with OPT is no sign that the server knows none (RFC 6891 section 7).
    else if (!form.edns && this.#spare?.hasOpt === false) upstream.edns.needed(this.#key);
    if (rcode === Rcode.NXDOMAIN && form.letters === 'drawn' && upstream.scope !== 'public' && this.#maySendDatagram) {
      // Forwarders at home and in containers look names up letter for letter, some of them.
      this.#spare ??= { ...answered, hasOpt: true };
      if (!this.#askedAsWritten) this.#askAsWritten();
      return;
    }
    const minds = this.#askedAsWritten && rcode !== Rcode.NXDOMAIN;
    if (form.letters === 'kept' && (minds || this.#doubts.includes('letters'))) upstream.letters.needed(this.#key);
    this.answer(answered);
  }

  /** @returns true where the question goes on: the response is not the server's, or another will be better */
  #mindsCookie(answered: Answered & { hasOpt: boolean }, form: Asked, rcode: number): boolean {
    const cookie = this.cookie!;
    const wasKnown = cookie.isKnown;
    const verdict = form.cookie === undefined ? undefined : cookie.judge(answered.response, form.cookie);
    if (form.way === 'stream') {
      if (verdict === 'absent') cookie.forget();
      // It could not read the query with one.
      const minded = this.#cookieState === 'sent' && this.#doubts.includes('question');
      if (minded && !wasKnown && !refusesEdns(rcode)) cookie.without.needed(this.#key);
      return false;
    }
    if (verdict === 'foreign' || (verdict === 'absent' && wasKnown)) {
      this.keeper.foreignCookies++;
      this.#cookieState = 'missed';
      // One with a wrong cookie is thrown away (RFC 7873 section 5.3). One without is a forger's, or the server has changed:
      // where there is no TCP it has to do, once another query has got none either.
      if (verdict === 'absent') {
        if (form.isSecond) {
          cookie.missed();
          return false;
        }
        if (rcode <= 0x0f) this.#spare ??= answered;
      }
      // Nobody else can speak over TCP.
      if (!this.#askStreamInstead()) this.#askAnew(wrongCookie(this.upstream));
      return true;
    }
    if (rcode === Rcode.BADCOOKIE) {
      // With the cookie that has just been learned, and if that is none either, over TCP (RFC 7873 section 5.3).
      const again = verdict === 'good' && cookie.isKnown && this.#cookieState !== 'bad' && this.#maySendDatagram;
      if (!again) return this.#askStreamInstead();
      this.#cookieState = 'bad';
      this.#askDatagram();
      return true;
    }
    if (verdict === 'absent' && refusesEdns(rcode) && this.#maySendDatagram) {
      // It may be the cookie that it minds, and not EDNS.
      this.#spare ??= answered;
      this.#cookieState = 'refused';
      this.#askDatagram();
      return true;
    }
    const gaveUp = form.cookie === undefined && form.edns && this.#cookieState !== 'untried';
    if (gaveUp && !wasKnown && !refusesEdns(rcode)) cookie.without.needed(this.#key);
    return false;
  }

  /** @returns whether it goes on */
  #askStreamInstead(): boolean {
    if (this.#streamed === 0) this.#askStream();
    else if (!this.#isOpen) return false;
    return true;
  }

  /** There is no TCP: another query over UDP, which a forger has to hit anew, before less has to do. */
  #askAnew(error: ShardnsError): void {
    if (this.#maySendDatagram) this.#askDatagram();
    else this.#settleForLess(error);
  }

  /** The question as a key, the same for all its forms. */
  get #key(): string {
    return foldedKey(this.form.asked, HEADER_SIZE, questionEnd(this.form.asked));
  }

  #truncated(way: 'datagram' | 'stream'): void {
    if (way === 'stream') {
      this.fail(truncatedOverTcp(this.upstream));
    } else if (this.#streamed === 0) {
      this.upstream.stats.truncated++;
      this.isCut = true;
      this.#askStream();
    } else if (!this.#isOpen) {
      this.fail(truncatedAgain(this.upstream));
    }
  }

  #askAsWritten(): void {
    this.#askedAsWritten = true;
    this.#letters = 'kept';
    this.#askDatagram();
  }

  #lostDatagram(error: ShardnsError): void {
    if (error.cause === NO_SOCKET_ALONE) {
      // TCP needs no such socket; where there is none, a shared one is better than nothing.
      this.#datagrams--;
      this.#entropy = 'any';
      if (this.#streamed === 0) this.#askStream();
      else if (this.#streamLost) this.#askDatagram();
      return;
    }
    if (this.#isOpen) return;
    if (!this.#replaced && isOfTheSocket(error)) {
      this.#replaced = true;
      this.#datagrams--;
      this.#askDatagram();
      return;
    }
    this.#settleForLess(error);
  }

  #lostStream(error: ShardnsError): void {
    this.#streamLost = true;
    const relaxed = this.#entropy === 'any' && this.upstream.scope === 'public';
    if (this.#maySendDatagram && this.#doubts.includes('letters') && !this.#askedAsWritten) {
      this.#askAsWritten();
    } else if (this.#maySendDatagram && (relaxed || this.#doubts.includes('question'))) {
      this.#askDatagram();
    } else if (this.#cookieState === 'missed') {
      if (!this.#isOpen) this.#askAnew(error);
    } else if (this.#doubts.length === 0 || !this.#isOpen) {
      this.#settleForLess(this.isCut ? lostOverTcp(this.upstream, error) : error);
    }
  }

  #settleForLess(error: ShardnsError): void {
    if (this.#spare !== undefined) this.#settle(this.#spare);
    else this.fail(error);
  }
  #settle(spare: Answered): void {
    if (this.#hasMissed) this.cookie?.missed();
    this.answer(spare);
  }

  protected end(): void {
    if (this.#over) return;
    this.#over = true;
    this.keeper.ended(this);
    this.dropListeners();
    const first = this.#asked;
    const others = this.#askedToo;
    this.#asked = this.#askedToo = undefined;
    first?.exchange?.callOff();
    if (others !== undefined) for (const one of others) one.exchange?.callOff();
  }
}
