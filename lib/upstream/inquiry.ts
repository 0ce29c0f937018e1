// One question put to one server, for all who ask it in this form: over UDP, up to three times while it is late, over TCP
// where UDP will not do, without EDNS or in plain letters where the server needs that. Ends with a response or an error,
// or when nobody wants to know any more; whichever query is answered first counts.
//
// What cannot be believed over UDP (see Doubt) ends nothing: the question is asked over TCP beside it, where nobody else
// can speak; where there is no TCP, once more over UDP from a socket of its own.
import { Canceller } from '../base/cancel.js';
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Doubt, ExchangeOptions, Transport } from '../transport/transport.js';
import { NO_SOCKET_ALONE } from '../transport/udp.js';
import { Rcode, rcodeName } from '../wire/iana.js';
import { isTruncated } from '../wire/options.js';
import { hasEdns, rcodeAndOpt, refusesEdns, withoutEdns } from './edns.js';
import { UPSTREAM_LIMITS } from './limits.js';
import type { Upstream } from './upstream.js';

/** `public`: names go out in random letters, but for servers on this machine and in private networks. */
export type LetterCase = 'public' | 'always' | 'never';

export interface InquiryTools {
  readonly udp: Transport;
  readonly tcp: Transport;
  readonly clock: Clock;
}

export interface Answered {
  readonly response: Uint8Array;
  /** Since the query that was answered was sent. */
  readonly latencyMs: number;
}

/** Who wants to know; told once. */
export interface Listener {
  answered(answered: Answered): void;
  failed(error: ShardnsError): void;
}

/** What an inquiry is made of. */
export interface InquiryShape {
  readonly query: Uint8Array;
  readonly upstream: Upstream;
  /** The question, as a key. */
  readonly key: string;
  readonly tcpOnly: boolean;
  readonly letterCase: LetterCase;
  /** The question and its options, as a key. */
  readonly form: string;
  readonly onEnd: (inquiry: Inquiry) => void;
}

interface Form {
  readonly edns: boolean;
  readonly letters: 'drawn' | 'kept';
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

export class Inquiry {
  /** Nearly always one, which costs no list. In the order in which they came. */
  #listener: Listener | undefined;
  #others: Listener[] | undefined;
  readonly #cancel = new Canceller();
  #doubts: readonly Doubt[] = NONE;
  #ended = false;
  /** Exchanges under way, over UDP and TCP. */
  #open = 0;
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

  constructor(
    readonly shape: InquiryShape,
    private readonly tools: InquiryTools,
  ) {
    const { query, upstream, letterCase } = shape;
    this.#edns = hasEdns(query) && !upstream.edns.granted;
    const plain = letterCase === 'never' || (letterCase === 'public' && upstream.scope !== 'public');
    this.#letters = plain || upstream.letters.granted ? 'kept' : 'drawn';
    // From outside nobody can send in the name of an address of this machine or network.
    this.#entropy = upstream.scope === 'public' ? 'guarded' : 'any';
  }

  start(now?: number): void {
    if (this.shape.tcpOnly) this.#askTcp();
    else this.#askUdp(now);
  }

  subscribe(listener: Listener): void {
    if (this.#listener === undefined) this.#listener = listener;
    else (this.#others ??= []).push(listener);
  }
  /** The last one to go takes the inquiry with him. */
  unsubscribe(listener: Listener): void {
    if (listener === this.#listener) {
      this.#listener = this.#others?.shift();
    } else {
      const at = this.#others?.indexOf(listener) ?? -1;
      if (at >= 0) this.#others!.splice(at, 1);
    }
    if (this.#listener === undefined) this.#end();
  }

  /**
   * The last query has had its time.
   * @param sent how many were sent when that began: where another has been sent since, this one is not late
   * @returns true once for each query, so that the server is blamed once
   */
  late(sent = this.sent): boolean {
    if (this.#ended || this.#late >= this.sent || sent !== this.sent) return false;
    this.#late = this.sent;
    return true;
  }

  /** Sends another query if the last one is late, and not too many are sent. */
  again(): void {
    if (this.#ended || this.sent === 0 || this.#late < this.sent) return;
    if (this.#tcpSent > 0 && this.#entropy === 'guarded' && !this.#tcpLost) return;
    if (this.#mayAskUdp) this.#askUdp();
    else if (this.#spare !== undefined) this.#answer(this.#spare);
  }

  /** Queries over UDP and TCP. */
  get sent(): number {
    return this.#udpSent + this.#tcpSent;
  }
  get #mayAskUdp(): boolean {
    return !this.shape.tcpOnly && this.#udpSent < UPSTREAM_LIMITS.queriesPerServer;
  }

  #askUdp(began = this.tools.clock.nowMs()): void {
    const { query, upstream } = this.shape;
    const { clock, udp } = this.tools;
    this.#open++;
    this.#udpSent++;
    upstream.stats.queries++;
    const form: Form = { edns: this.#edns, letters: this.#letters };
    const options: ExchangeOptions = {
      beganMs: began,
      cancel: this.#cancel,
      letters: form.letters,
      entropy: this.#entropy,
      onDoubt: doubt => this.#doubt(doubt),
    };
    udp.exchange(form.edns ? query.slice() : withoutEdns(query), upstream.at, options).then(
      response => {
        this.#open--;
        if (!this.#ended) this.#judge({ response, latencyMs: clock.nowMs() - began }, form, 'udp');
      },
      (error: ShardnsError) => {
        this.#open--;
        if (!this.#ended) this.#lostUdp(error);
      },
    );
  }

  #askTcp(): void {
    const { query, upstream } = this.shape;
    const { clock, tcp } = this.tools;
    this.#tcpSent++;
    upstream.stats.queries++;
    this.#open++;
    const form: Form = { edns: this.#edns, letters: 'kept' };
    const began = clock.nowMs();
    const octets = form.edns ? query.slice() : withoutEdns(query);
    tcp.exchange(octets, upstream.at, { cancel: this.#cancel }).then(
      response => {
        this.#open--;
        if (!this.#ended) this.#judge({ response, latencyMs: clock.nowMs() - began }, form, 'tcp');
      },
      (error: ShardnsError) => {
        this.#open--;
        if (!this.#ended) this.#lostTcp(error);
      },
    );
  }

  #doubt(doubt: Doubt): void {
    if (this.#ended) return;
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
    const { upstream, key } = this.shape;
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
      if (this.#open === 0 || !form.edns) this.#answer(this.#spare ?? answered);
      return;
    }
    if (rcode > 0x0f) {
      this.#fail(problem(`${upstream.label} answered with rcode ${rcodeName(rcode)}`));
      return;
    }
    if (hasOpt && form.edns) upstream.edns.shown();
    // A FORMERR with OPT is no sign that the server knows none (RFC 6891 section 7).
    else if (!form.edns && this.#spare?.hasOpt === false) upstream.edns.needed(key);
    if (rcode === Rcode.NXDOMAIN && form.letters === 'drawn' && upstream.scope !== 'public' && this.#mayAskUdp) {
      // Forwarders at home and in containers look names up letter for letter, some of them.
      this.#spare ??= { ...answered, hasOpt: true };
      if (!this.#askedAsWritten) this.#askAsWritten();
      return;
    }
    const minds = this.#askedAsWritten && rcode !== Rcode.NXDOMAIN;
    if (form.letters === 'kept' && (minds || this.#doubts.includes('letters'))) upstream.letters.needed(key);
    this.#answer(answered);
  }

  #truncated(way: 'udp' | 'tcp'): void {
    const { upstream } = this.shape;
    if (way === 'tcp') {
      // RFC 2181 section 9: it is not used, and there is no way to ask for the rest.
      this.#fail(problem(`${upstream.label} truncated its response over TCP`));
    } else if (this.#tcpSent === 0) {
      upstream.stats.truncated++;
      this.#askTcp();
    } else if (this.#open === 0) {
      this.#fail(problem(`${upstream.label} truncated its response, and TCP failed`));
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
    if (this.#open > 0) return;
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
    const relaxed = this.#entropy === 'any' && this.shape.upstream.scope === 'public';
    if (this.#mayAskUdp && this.#doubts.includes('letters') && !this.#askedAsWritten) {
      this.#askAsWritten();
    } else if (this.#mayAskUdp && (relaxed || this.#doubts.includes('question'))) {
      this.#askUdp();
    } else if (this.#doubts.length === 0 || this.#open === 0) {
      this.#settleForLess(error);
    }
  }

  #settleForLess(error: ShardnsError): void {
    if (this.#spare !== undefined) this.#answer(this.#spare);
    else this.#fail(error);
  }

  #answer(answered: Answered): void {
    const listener = this.#listener;
    const others = this.#others;
    this.#end();
    listener?.answered(answered);
    if (others !== undefined) for (const one of others) one.answered(answered);
  }

  #fail(error: ShardnsError): void {
    const listener = this.#listener;
    const others = this.#others;
    this.#end();
    listener?.failed(error);
    if (others !== undefined) for (const one of others) one.failed(error);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.shape.onEnd(this);
    this.#listener = this.#others = undefined;
    this.#cancel.cancel();
  }
}

function problem(text: string): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_UPSTREAM', text);
}
