// One question put to one server, for all who ask it in this form: over UDP, up to three times while it is late, over TCP
// where UDP will not do, without EDNS or in plain letters where the server needs that. Ends with a response or an error,
// or when nobody wants to know any more; whichever query is answered first counts.
//
// What cannot be believed over UDP (see Doubt) ends nothing: the question is asked over TCP beside it, where nobody else
// can speak; where there is no TCP, once more over UDP from a socket of its own.
import type { Chained } from '../base/chained-table.js';
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import {
  type Doubt,
  type ExchangeListener,
  type ExchangeOptions,
  type Exchanging,
  type Transport,
  NO_SOCKET_ALONE,
} from '../transport/transport.js';
import { HEADER_SIZE, Rcode, rcodeName } from '../wire/iana.js';
import { questionEnd } from '../wire/message.js';
import { foldedKey } from '../wire/name.js';
import { isTruncated } from '../wire/options.js';
import { hasEdns, rcodeAndOpt, refusesEdns, withoutEdns } from './edns.js';
import { UPSTREAM_LIMITS } from './limits.js';
import { type Answered, SharedOutcome } from './shared-outcome.js';
import type { Upstream } from './upstream.js';

/** `public`: names go out in random letters, but for servers on this machine and in private networks. */
export type LetterCase = 'public' | 'always' | 'never';

export interface InquiryTools {
  readonly udp: Transport;
  readonly tcp: Transport;
  readonly clock: Clock;
}

/** Whoever keeps those that are open. */
export interface InquiryKeeper {
  readonly tools: InquiryTools;
  ended(inquiry: Inquiry): void;
}

interface Form {
  readonly edns: boolean;
  readonly letters: 'drawn' | 'kept';
}

/** A query under way, and how it was asked. */
class Asked implements Form {
  exchange: Exchanging | undefined;
  constructor(
    readonly way: 'udp' | 'tcp',
    readonly beganMs: number,
    readonly edns: boolean,
    readonly letters: 'drawn' | 'kept',
  ) {}
}

/** Errors of the way that a socket takes, and not of the server: another socket may have another. */
const OF_THE_SOCKET = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EADDRNOTAVAIL',
  'ENETDOWN',
  'ENODEV',
  'EINVAL',
  'EPERM',
  'EACCES',
]);

const NONE: readonly Doubt[] = [];

export function lettersFor(upstream: Upstream, letterCase: LetterCase = 'public'): 'drawn' | 'kept' {
  const plain = letterCase === 'never' || (letterCase === 'public' && upstream.scope !== 'public');
  return plain || upstream.letters.granted ? 'kept' : 'drawn';
}
/** From outside nobody can send in the name of an address of this machine or network. */
export function entropyFor(upstream: Upstream): 'guarded' | 'any' {
  return upstream.scope === 'public' ? 'guarded' : 'any';
}

let begun = 0;

export class Inquiry extends SharedOutcome implements ExchangeListener, Chained<Inquiry> {
  next: Inquiry | undefined;
  /** Else it waits for its turn, which comes by its number. */
  started = false;
  readonly number = ++begun;
  /** By the keeper's fence. */
  askedAt = 0;
  #doubts: readonly Doubt[] = NONE;
  #over = false;
  /** Exchanges under way, over UDP and TCP; nearly always one, which costs no list. */
  #asked: Asked | undefined;
  #askedToo: Asked[] | undefined;
  #udpSent = 0;
  #tcpSent = 0;
  #late = 0;
  #edns: boolean;
  #letters: 'drawn' | 'kept';
  #entropy: ExchangeOptions['entropy'];
  #askedAsWritten = false;
  /** TCP was tried in the place of what UDP cannot do, and failed. */
  #tcpLost = false;
  #replaced = false;
  /** A response that another form of the query may better: FORMERR to EDNS, NXDOMAIN for random letters. */
  #spare: (Answered & { hasOpt: boolean }) | undefined;

  /** @param asked the question and the options of whoever began it; `query` may have more */
  constructor(
    private readonly keeper: InquiryKeeper,
    readonly hash: number,
    readonly asked: Uint8Array,
    readonly query: Uint8Array,
    readonly upstream: Upstream,
    readonly tcpOnly: boolean,
    letterCase: LetterCase,
  ) {
    super();
    this.#edns = hasEdns(query) && !upstream.edns.granted;
    this.#letters = lettersFor(upstream, letterCase);
    this.#entropy = entropyFor(upstream);
  }

  start(now?: number): void {
    this.started = true;
    if (this.tcpOnly) this.#askTcp();
    else this.#askUdp(now);
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
    if (this.#tcpSent > 0 && this.#entropy === 'guarded' && !this.#tcpLost) return;
    if (this.#mayAskUdp) this.#askUdp();
    else if (this.#spare !== undefined) this.answer(this.#spare);
  }

  /** Queries over UDP and TCP. */
  get sent(): number {
    return this.#udpSent + this.#tcpSent;
  }
  get #mayAskUdp(): boolean {
    return !this.tcpOnly && this.#udpSent < UPSTREAM_LIMITS.queriesPerServer;
  }

  #askUdp(began = this.keeper.tools.clock.nowMs()): void {
    this.#udpSent++;
    const options = { beganMs: began, letters: this.#letters, entropy: this.#entropy };
    this.#ask(this.keeper.tools.udp, options, new Asked('udp', began, this.#edns, this.#letters));
  }

  #askTcp(): void {
    this.#tcpSent++;
    const began = this.keeper.tools.clock.nowMs();
    this.#ask(this.keeper.tools.tcp, { beganMs: began }, new Asked('tcp', began, this.#edns, 'kept'));
  }

  #ask(transport: Transport, options: ExchangeOptions, asked: Asked): void {
    const { query, upstream } = this;
    upstream.stats.queries++;
    if (this.#asked === undefined) this.#asked = asked;
    else (this.#askedToo ??= []).push(asked);
    asked.exchange = transport.ask(asked.edns ? query : withoutEdns(query), upstream.at, options, this);
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
    this.#judge({ response, latencyMs: this.keeper.tools.clock.nowMs() - asked.beganMs }, asked, asked.way);
  }
  lost(error: ShardnsError, exchange: Exchanging): void {
    const asked = this.#ended(exchange);
    if (asked?.way === 'udp') this.#lostUdp(error);
    else if (asked !== undefined) this.#lostTcp(error);
  }
  doubted(doubt: Doubt): void {
    this.#doubt(doubt);
  }

  #doubt(doubt: Doubt): void {
    if (this.#over) return;
    const first = !this.#doubts.includes(doubt);
    if (first) this.#doubts = [...this.#doubts, doubt];
    if (this.#tcpSent === 0) {
      this.#askTcp();
    } else if (doubt === 'question' && !first && this.#tcpLost && this.#edns && this.#mayAskUdp) {
      // There is no TCP, and it says so again: for this question alone, without EDNS.
      this.#edns = false;
      this.#askUdp();
    }
  }

  #judge(answered: Answered, form: Form, way: 'udp' | 'tcp'): void {
    const { upstream } = this;
    const { response } = answered;
    if (isTruncated(response)) {
      this.#truncated(way);
      return;
    }
    const { rcode, hasOpt } = rcodeAndOpt(response);
    if (refusesEdns(rcode)) {
      if (form.edns && this.#edns) {
        this.#spare = { ...answered, hasOpt };
        this.#edns = false;
        if (way === 'tcp') this.#askTcp();
        else if (this.#mayAskUdp) this.#askUdp();
      }
      // The first of them says why; another may still have better.
      if (!this.#isOpen || !form.edns) this.answer(this.#spare ?? answered);
      return;
    }
    if (rcode > 0x0f) {
      this.fail(problem(`${upstream.label} answered with rcode ${rcodeName(rcode)}`));
      return;
    }
    if (hasOpt && form.edns) upstream.edns.shown();
    // A FORMERR with OPT is no sign that the server knows none (RFC 6891 section 7).
    else if (!form.edns && this.#spare?.hasOpt === false) upstream.edns.needed(this.#key);
    if (rcode === Rcode.NXDOMAIN && form.letters === 'drawn' && upstream.scope !== 'public' && this.#mayAskUdp) {
      // Forwarders at home and in containers look names up letter for letter, some of them.
      this.#spare ??= { ...answered, hasOpt: true };
      if (!this.#askedAsWritten) this.#askAsWritten();
      return;
    }
    const minds = this.#askedAsWritten && rcode !== Rcode.NXDOMAIN;
    if (form.letters === 'kept' && (minds || this.#doubts.includes('letters'))) upstream.letters.needed(this.#key);
    this.answer(answered);
  }

  /** The question as a key, the same for all its forms. */
  get #key(): string {
    return foldedKey(this.asked, HEADER_SIZE, questionEnd(this.asked));
  }

  #truncated(way: 'udp' | 'tcp'): void {
    const { upstream } = this;
    if (way === 'tcp') {
      // RFC 2181 section 9: it is not used, and there is no way to ask for the rest.
      this.fail(problem(`${upstream.label} truncated its response over TCP`));
    } else if (this.#tcpSent === 0) {
      upstream.stats.truncated++;
      this.#askTcp();
    } else if (!this.#isOpen) {
      this.fail(problem(`${upstream.label} truncated its response, and TCP failed`));
    }
  }

  #askAsWritten(): void {
    this.#askedAsWritten = true;
    this.#letters = 'kept';
    this.#askUdp();
  }

  #lostUdp(error: ShardnsError): void {
    if (error.cause === NO_SOCKET_ALONE) {
      // TCP needs no such socket; where there is none, a shared one is better than nothing.
      this.#udpSent--;
      this.#entropy = 'any';
      if (this.#tcpSent === 0) this.#askTcp();
      else if (this.#tcpLost) this.#askUdp();
      return;
    }
    if (this.#isOpen) return;
    const { code = '' } = (error.cause ?? {}) as NodeJS.ErrnoException;
    if (!this.#replaced && OF_THE_SOCKET.has(code)) {
      this.#replaced = true;
      this.#udpSent--;
      this.#askUdp();
      return;
    }
    this.#settleForLess(error);
  }

  #lostTcp(error: ShardnsError): void {
    this.#tcpLost = true;
    const relaxed = this.#entropy === 'any' && this.upstream.scope === 'public';
    if (this.#mayAskUdp && this.#doubts.includes('letters') && !this.#askedAsWritten) {
      this.#askAsWritten();
    } else if (this.#mayAskUdp && (relaxed || this.#doubts.includes('question'))) {
      this.#askUdp();
    } else if (this.#doubts.length === 0 || !this.#isOpen) {
      this.#settleForLess(error);
    }
  }

  #settleForLess(error: ShardnsError): void {
    if (this.#spare !== undefined) this.answer(this.#spare);
    else this.fail(error);
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

function problem(text: string): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_UPSTREAM', text);
}
