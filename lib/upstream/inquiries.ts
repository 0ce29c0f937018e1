// Who asks the same of the same server at the same time asks once; and of the forms of one question (DO, CD and the
// client's subnet make forms) a few are asked at a time, since each query more that is under way is one more that a
// forger may hit (birthday attack, CVE-2002-2211; RFC 5452 section 5). The others wait, and their clients take turns: whose
// clients are in hundreds of subnets keeps nobody else waiting for more than one of them. Over streams nobody can forge, and
// all are asked at once.
// A server is the same by its address: what is known of it may be forgotten, and begun anew, while it is being asked.
//
// Bounds: UPSTREAM_LIMITS.formsPerQuestion forms of a question a server, each with queriesPerServer queries at most;
// formsWaiting that wait, of one client half as many as are left.
import { ChainedTable } from '../base/chained-table.js';
import { clientOf, DEFAULT_CLIENT_SHARE, shareOf } from '../base/client-shares.js';
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Fence } from '../base/fence.js';
import { type KeyedHash, keyedHash } from '../base/keyed-hash.js';
import type { PrefixTable } from '../base/prefix-table.js';
import type { Random } from '../base/random.js';
import { flagsOf } from '../wire/flags.js';
import { HEADER_SIZE } from '../wire/iana.js';
import { questionEnd } from '../wire/message.js';
import { foldedOctet } from '../wire/name.js';
import { appendOption } from '../wire/opt.js';
import { Cookies, type CookieUse, type ServerCookie } from './cookies.js';
import type { LetterCase } from './guards.js';
import { Inquiry, type InquiryKeeper } from './inquiry.js';
import { UPSTREAM_LIMITS } from './limits.js';
import type { Route } from './route.js';
import type { Listener } from './shared-outcome.js';
import type { Upstream } from './upstream.js';

export interface InquiryOptions {
  /** Toward whom names go out in random letters; default `public`. */
  letterCase?: LetterCase;
  /** Which servers are sent cookies (RFC 7873); default `never`. */
  cookies?: CookieUse;
  /** What some servers are told in an option of each query, by their addresses. */
  clientStrings?: { option: number; servers: PrefixTable<Uint8Array> };
}

/** What a question is hashed from: its letters in lower case. */
const folded = new Uint8Array(512);

export class Inquiries implements InquiryKeeper {
  readonly #open = new ChainedTable<Inquiry>();
  readonly #hash: KeyedHash;
  readonly #cookies: Cookies;
  foreignCookies = 0;

  constructor(
    readonly clock: Clock,
    random: Random,
    private readonly fence: Fence,
  ) {
    this.#hash = keyedHash(random);
    this.#cookies = new Cookies(clock, random);
  }

  /** Questions that the server is being asked. */
  openAt(upstream: Upstream): number {
    const questions: Inquiry[] = [];
    for (const one of this.#open.all()) {
      if (one.upstream.isSame(upstream) && !questions.some(other => isSameQuestion(one.form.asked, other.form.asked))) {
        questions.push(one);
      }
    }
    return questions.length;
  }

  /**
   * Begins one, or joins who asks the same and has begun since something was forgotten last.
   * @param now where the clock has just been read
   */
  join(
    { query, client }: { query: Uint8Array; client: string | undefined },
    upstream: Upstream,
    route: Route,
    listener: Listener,
    options: InquiryOptions,
    now?: number,
  ): Inquiry {
    const hash = (this.#hashOf(query) ^ upstream.hash) >>> 0;
    const { now: askedAt } = this.fence;
    const waiting = new Forms(client);
    let asked = 0;
    for (let one = this.#open.first(hash); one !== undefined; one = one.next) {
      if (one.hash !== hash || !one.upstream.isSame(upstream) || !isSameQuestion(one.form.asked, query)) continue;
      if (one.askedAt === askedAt && one.route === route && isSameForm(one.form.asked, query)) {
        one.subscribe(listener);
        return one;
      }
      if (one.started) asked++;
      else waiting.count(one);
    }
    const { letterCase = 'public' } = options;
    const form = { asked: query, query: withString(query, upstream, options), client };
    const inquiry = new Inquiry(this, hash, form, upstream, route, letterCase);
    inquiry.askedAt = askedAt;
    if (route.datagram !== undefined) inquiry.cookie = this.#cookies.of(upstream, options.cookies);
    inquiry.subscribe(listener);
    this.#open.add(inquiry);
    if (route.datagram === undefined || asked < UPSTREAM_LIMITS.formsPerQuestion) inquiry.start(now);
    else if (waiting.hasRoom) inquiry.turn = waiting.nextTurn;
    else inquiry.refuse(tooManyForms(upstream));
    return inquiry;
  }

  /** What is sent to it as a cookie; undefined: nothing ever, or not now. */
  cookieOf(upstream: Upstream, use: CookieUse | undefined): ServerCookie | undefined {
    const its = this.#cookies.of(upstream, use);
    return its?.isUseless === true ? undefined : its;
  }

  /** Called by each: the next form of its question has its turn. */
  ended(inquiry: Inquiry): void {
    this.#open.delete(inquiry);
    if (!inquiry.started) return;
    let next: Inquiry | undefined;
    for (let one = this.#open.first(inquiry.hash); one !== undefined; one = one.next) {
      if (one.started || one.hash !== inquiry.hash || !one.upstream.isSame(inquiry.upstream)) continue;
      if (isSameQuestion(one.form.asked, inquiry.form.asked) && (next === undefined || isBefore(one, next))) next = one;
    }
    next?.start();
  }

  /** Of name, type and class. */
  #hashOf(query: Uint8Array): number {
    const end = questionEnd(query);
    for (let at = HEADER_SIZE; at < end; at++) folded[at] = foldedOctet(query[at]);
    return this.#hash(folded, HEADER_SIZE, end);
  }
}

const isBefore = (one: Inquiry, other: Inquiry): boolean =>
  one.turn === other.turn ? one.number < other.number : one.turn < other.turn;

const tooManyForms = ({ label }: Upstream): ShardnsError =>
  new ShardnsError('ERR_SHARDNS_OVERLOAD', `${label}: too many forms of one question wait to be asked`);

/** Forms of one question that wait for their turn, as a client sees them that brings another. */
class Forms {
  #count = 0;
  #own = 0;
  #earliest = Infinity;
  readonly #client: string | undefined;

  constructor(address: string | undefined) {
    this.#client = address && clientOf(address);
  }
  count({ form: { client }, turn }: Inquiry): void {
    this.#count++;
    if ((client && clientOf(client)) === this.#client) this.#own++;
    if (turn < this.#earliest) this.#earliest = turn;
  }
  get hasRoom(): boolean {
    const free = UPSTREAM_LIMITS.formsWaiting - this.#count;
    return free > 0 && this.#own < Math.max(shareOf(UPSTREAM_LIMITS.formsWaiting, DEFAULT_CLIENT_SHARE), free);
  }
  /** That of the client's next: one behind another, beside those of others. */
  get nextTurn(): number {
    return (this.#count === 0 ? 0 : this.#earliest) + this.#own;
  }
}

/** Whether name, type and class are the same. Types and classes that differ in one bit only are no letters. */
function isSameQuestion(one: Uint8Array, other: Uint8Array): boolean {
  const end = questionEnd(one);
  if (end !== questionEnd(other)) return false;
  for (let at = HEADER_SIZE; at < end - 4; at++) {
    if (one[at] !== other[at] && foldedOctet(one[at]) !== foldedOctet(other[at])) return false;
  }
  for (let at = end - 4; at < end; at++) if (one[at] !== other[at]) return false;
  return true;
}

/** Whether two queries of one question differ in nothing but id and letters. */
function isSameForm(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length || flagsOf(one) !== flagsOf(other)) return false;
  for (let at = questionEnd(one); at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

function withString(query: Uint8Array, upstream: Upstream, { clientStrings }: InquiryOptions): Uint8Array {
  if (clientStrings === undefined) return query;
  const text = clientStrings.servers.find(upstream.at.address);
  return text === undefined ? query : appendOption(query, clientStrings.option, text);
}
