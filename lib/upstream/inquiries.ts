// Who asks the same of the same server at the same time asks once; and of the forms of one question (DO, CD and the
// client's subnet make forms) a few are asked at a time, since each query more that is under way is one more that a
// forger may hit (birthday attack, CVE-2002-2211; RFC 5452 section 5). The others wait in the order in which they came.
//
// Bound: UPSTREAM_LIMITS.formsPerQuestion forms of a question a server, each with queriesPerServer queries at most.
import type { PrefixTable } from '../base/prefix-table.js';
import { HEADER_SIZE } from '../wire/iana.js';
import { questionEnd } from '../wire/message.js';
import { foldedKey, nameKey } from '../wire/name.js';
import { appendOption } from '../wire/options.js';
import { Inquiry, type InquiryTools, type LetterCase, type Listener } from './inquiry.js';
import { UPSTREAM_LIMITS } from './limits.js';
import type { Upstream } from './upstream.js';

export interface InquiryOptions {
  /** Toward whom names go out in random letters; default `public`. */
  letterCase?: LetterCase;
  /** What some servers are told in an option of each query, by their addresses. */
  clientStrings?: { option: number; servers: PrefixTable<Uint8Array> };
}

/** A question that a server is being asked: in one form nearly always, which costs no table. */
class OpenQuestion {
  #asked = 1;
  #others: Map<string, Inquiry> | undefined;
  #waiting: Set<Inquiry> | undefined;

  constructor(
    readonly firstForm: string,
    public first: Inquiry | undefined,
  ) {}

  get empty(): boolean {
    return this.first === undefined && (this.#others === undefined || this.#others.size === 0);
  }
  get(form: string): Inquiry | undefined {
    return form === this.firstForm && this.first !== undefined ? this.first : this.#others?.get(form);
  }

  /** Starts it when its turn comes. */
  add(form: string, inquiry: Inquiry): void {
    (this.#others ??= new Map()).set(form, inquiry);
    if (this.#asked >= UPSTREAM_LIMITS.formsPerQuestion) {
      (this.#waiting ??= new Set()).add(inquiry);
    } else {
      this.#asked++;
      inquiry.start();
    }
  }

  delete(form: string, inquiry: Inquiry): void {
    if (this.first === inquiry) this.first = undefined;
    else this.#others?.delete(form);
    const waiting = this.#waiting;
    if (waiting?.delete(inquiry) === true) return;
    const next = waiting?.values().next().value;
    if (next === undefined) {
      this.#asked--;
      return;
    }
    waiting!.delete(next);
    next.start();
  }
}

export class Inquiries {
  /** By name, type and class. */
  readonly #questions = new WeakMap<Upstream, Map<string, OpenQuestion>>();

  readonly #forms = new Forms();

  constructor(private readonly tools: InquiryTools) {}

  /** One for all inquiries. */
  readonly #ended = (inquiry: Inquiry): void => {
    const { upstream, key, form } = inquiry.shape;
    const questions = this.#questions.get(upstream);
    const question = questions?.get(key);
    question?.delete(form, inquiry);
    if (question?.empty === true) questions!.delete(key);
  };

  /** Questions that the server is being asked. */
  openAt(upstream: Upstream): number {
    return this.#questions.get(upstream)?.size ?? 0;
  }

  /**
   * Begins one, or joins who asks the same.
   * @param now where the clock has just been read
   */
  join(
    query: Uint8Array,
    upstream: Upstream,
    tcpOnly: boolean,
    listener: Listener,
    options: InquiryOptions,
    now?: number,
  ): Inquiry {
    let questions = this.#questions.get(upstream);
    if (questions === undefined) this.#questions.set(upstream, (questions = new Map()));
    const end = questionEnd(query);
    const key = questionKey(query, end);
    const open = questions.get(key);
    const plainForm = this.#forms.keyOf(query, end);
    const form = tcpOnly ? `tcp ${plainForm}` : plainForm;
    const existing = open?.get(form);
    if (existing !== undefined) {
      existing.subscribe(listener);
      return existing;
    }
    const inquiry = new Inquiry(
      {
        query: withString(query, upstream, options),
        upstream,
        key,
        tcpOnly,
        letterCase: options.letterCase ?? 'public',
        form,
        onEnd: this.#ended,
      },
      this.tools,
    );
    inquiry.subscribe(listener);
    const question = open ?? new OpenQuestion(form, inquiry);
    if (open === undefined) {
      questions.set(key, question);
      inquiry.start(now);
    } else {
      open.add(form, inquiry);
    }
    return inquiry;
  }
}

/** The same for all forms of a question. */
function questionKey(query: Uint8Array, end: number): string {
  return foldedKey(query, HEADER_SIZE, end);
}

/**
 * Keys that are the same for two queries of one question that differ in nothing but id and letters. Queries have the same
 * flags and options most of the time, so the last key is not made again.
 */
class Forms {
  /** Flags, and what follows the question: 11 octets without options. */
  #last = new Uint8Array(64);
  #length = 0;
  #key = '';

  keyOf(query: Uint8Array, end: number): string {
    if (!this.#isLast(query, end)) {
      this.#length = 2 + query.length - end;
      if (this.#length > this.#last.length) this.#last = new Uint8Array(this.#length);
      this.#last[0] = query[2];
      this.#last[1] = query[3];
      for (let i = 2; i < this.#length; i++) this.#last[i] = query[end - 2 + i];
      this.#key = nameKey(this.#last, this.#length);
    }
    return this.#key;
  }

  #isLast(query: Uint8Array, end: number): boolean {
    const last = this.#last;
    if (this.#length !== 2 + query.length - end || last[0] !== query[2] || last[1] !== query[3]) return false;
    for (let i = 2; i < this.#length; i++) if (last[i] !== query[end - 2 + i]) return false;
    return true;
  }
}

function withString(query: Uint8Array, upstream: Upstream, { clientStrings }: InquiryOptions): Uint8Array {
  const text = clientStrings?.servers.find(upstream.at.address);
  return text === undefined ? query : appendOption(query, clientStrings!.option, text);
}
