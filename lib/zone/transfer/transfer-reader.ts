// A zone transfer, fed by whole messages until it is complete: AXFR (RFC 5936) and IXFR (RFC 1995) as one state machine,
// since either may be the answer to a question for the other's kind. What it gives is what the messages say; whether that
// is a zone, or fits the one there is, is a question for whoever takes it.
//
// Bounds: `limits` in octets of messages and in records, which whoever asks sets; of differences MOST_OF_DIFFERENCES are held.
// Time is bounded by whoever reads the connection. A message without records ends it, unless it is padding, whose octets
// count.
import { ShardnsError } from '../../base/errors.js';
import { Rcode, Type } from '../../wire/iana.js';
import type { ResourceRecord } from '../../wire/message.js';
import { equalNames, foldedName, isAtOrBelow } from '../../wire/name.js';
import { sameOctets } from '../../base/octets.js';
import { findOption, OptionCode } from '../../wire/opt.js';
import { word } from '../../wire/record-walk.js';
import { isNewer } from '../serial.js';
import { serialOf } from '../soa.js';
import { type Difference, recordOctets } from './difference.js';
import { eachAnswer, judgeMessage, type TransferQuestion } from './transfer-message.js';

export interface TransferLimits {
  /** Of all messages together. */
  readonly octets: number;
  readonly records: number;
  /** Of differences, which are objects until they are applied; by default MOST_OF_DIFFERENCES. */
  readonly differences?: { readonly octets: number; readonly records: number };
}

/** Octets without compression. Of what is beyond that all of the zone is had: its records are packed as they come. */
export const MOST_OF_DIFFERENCES = { octets: 2 ** 26, records: 250_000 } as const;

/** Takes the records of a whole zone as they come, its SOA first, each in the letters that it came in. */
export interface ZoneSink {
  /** The transfer is a whole zone. Called once, before the first record. */
  begin(soa: ResourceRecord): void;
  /** @returns what is wrong with it, which ends the transfer */
  add(record: ResourceRecord): string | undefined;
}

export type TransferOutcome =
  /** The server has nothing newer than the serial that was told. */
  | { readonly kind: 'current'; readonly serial: number }
  /** The sink has all of it. */
  | { readonly kind: 'whole'; readonly soa: ResourceRecord; readonly records: number; readonly dropped: number }
  | { readonly kind: 'differences'; readonly list: readonly Difference[] };

export type TransferStep =
  | 'more'
  | { readonly done: TransferOutcome }
  /** `tryWhole`: what is wrong is this difference; a whole zone may still be had. */
  | { readonly failed: string; readonly tryWhole: boolean };

/** An IXFR that is not there, or not for this version: these are said by servers that have none. */
const NO_DIFFERENCES = new Set<number>([Rcode.FORMERR, Rcode.NOTIMP, Rcode.SERVFAIL, Rcode.REFUSED]);

export class TransferReader {
  octets = 0;
  records = 0;
  messages = 0;
  /** Records outside of the zone, which were passed over. */
  dropped = 0;
  #state: 'begins' | 'second' | 'whole' | 'deletions' | 'additions' | 'ended' = 'begins';
  /** Its SOA: first and last of the transfer. */
  #soa: ResourceRecord | undefined;
  readonly #differences: Difference[] = [];
  /** Of the difference under way. */
  #before: ResourceRecord | undefined;
  #after: ResourceRecord | undefined;
  #deleted: ResourceRecord[] = [];
  #added: ResourceRecord[] = [];
  /** Of all differences. */
  readonly #held = { octets: 0, records: 0 };
  #done: TransferOutcome | undefined;
  #tryWhole = false;

  /**
   * @param ours the serial that was told with a question for IXFR
   * @param sink of a whole zone
   */
  constructor(
    private readonly question: TransferQuestion,
    private readonly ours: number | undefined,
    private readonly sink: ZoneSink,
    private readonly limits: TransferLimits,
  ) {}

  /** Never throws for what a message holds. */
  push(message: Uint8Array): TransferStep {
    const isIxfr = this.question.type === Type.IXFR;
    if (this.#state === 'ended') return { failed: 'a message behind the end', tryWhole: false };
    this.octets += message.length;
    if (this.octets > this.limits.octets) return this.#fail(`more than the ${this.limits.octets} octets it may have`);
    const begun = judgeMessage(message, this.question, this.messages === 0);
    if (typeof begun !== 'number') {
      const isNone = this.messages === 0 && begun.rcode !== undefined && NO_DIFFERENCES.has(begun.rcode);
      return this.#fail(begun.reason, isIxfr && isNone);
    }
    this.messages++;
    if (word(message, 6) === 0 && (this.messages === 1 || findOption(message, OptionCode.padding) === undefined)) {
      return this.#fail('a message without records', isIxfr && this.messages === 1);
    }
    let wrong: string | undefined;
    try {
      wrong = eachAnswer(message, begun, record => this.#take(record));
    } catch (error) {
      if (!(error instanceof ShardnsError)) throw error;
      wrong = error.message;
    }
    if (wrong !== undefined) return this.#fail(wrong, this.#tryWhole);
    // Nothing but the SOA, of a serial that is no news: there is nothing more to come.
    if (this.#state === 'second' && this.ours !== undefined && !isNewer(serialOf(this.#soa!), this.ours)) {
      this.#end({ kind: 'current', serial: serialOf(this.#soa!) });
    }
    return this.#done === undefined ? 'more' : { done: this.#done };
  }

  #fail(reason: string, tryWhole = false): TransferStep {
    this.#state = 'ended';
    return { failed: reason, tryWhole };
  }
  #end(outcome: TransferOutcome): void {
    this.#state = 'ended';
    this.#done = outcome;
  }

  #take(record: ResourceRecord): string | undefined {
    if (this.#state === 'ended') return 'a record behind the end';
    if (++this.records > this.limits.records) return `more than the ${this.limits.records} records it may have`;
    const { apex } = this.question;
    if (!isAtOrBelow(foldedName(record.name), apex)) {
      this.dropped++;
      return this.#soa === undefined ? 'no SOA record of the zone at the beginning' : undefined;
    }
    const tooMuch = this.#before === undefined ? undefined : this.#hold(record);
    if (tooMuch !== undefined) return tooMuch;
    const isSoa = record.type === Type.SOA;
    if (isSoa && !equalNames(record.name, apex)) return 'a SOA record below the apex';
    switch (this.#state) {
      case 'begins':
        if (!isSoa) return 'no SOA record at the beginning';
        this.#soa = record;
        this.#state = 'second';
        return undefined;
      case 'second':
        return this.#second(record, isSoa);
      case 'whole':
        return this.#ofWhole(record, isSoa);
      default:
        return isSoa ? this.#soaOfDifference(record) : this.#ofDifference(record);
    }
  }

  /** @returns why no more of differences is taken */
  #hold(record: ResourceRecord): string | undefined {
    const held = this.#held;
    const { octets, records } = this.limits.differences ?? MOST_OF_DIFFERENCES;
    held.records++;
    held.octets += recordOctets(record);
    if (held.records > records) return this.#wholeOnly(`differences of more than ${records} records`);
    return held.octets > octets ? this.#wholeOnly(`differences of more than ${octets} octets`) : undefined;
  }

  /** It tells what the transfer is (RFC 1995 section 4). */
  #second(record: ResourceRecord, isSoa: boolean): string | undefined {
    const { ours } = this;
    if (ours !== undefined && isSoa && serialOf(record) !== serialOf(this.#soa!)) {
      if (!isNewer(serialOf(this.#soa!), ours)) return this.#wholeOnly('a difference to a version that is no news');
      if (serialOf(record) !== ours)
        return this.#wholeOnly(`a difference from serial ${serialOf(record)}, not ${ours}`);
      this.#before = record;
      this.#state = 'deletions';
      return undefined;
    }
    this.#state = 'whole';
    this.sink.begin(this.#soa!);
    return this.sink.add(this.#soa!) ?? this.#ofWhole(record, isSoa);
  }

  #ofWhole(record: ResourceRecord, isSoa: boolean): string | undefined {
    if (!isSoa) return this.sink.add(record);
    // Between two serials there is no telling which record is of which version.
    if (!sameOctets(record.data, this.#soa!.data)) {
      return `a SOA record of serial ${serialOf(record)} at the end, ${serialOf(this.#soa!)} at the beginning`;
    }
    this.#end({ kind: 'whole', soa: this.#soa!, records: this.records - 1 - this.dropped, dropped: this.dropped });
    return undefined;
  }

  #ofDifference(record: ResourceRecord): undefined {
    (this.#state === 'deletions' ? this.#deleted : this.#added).push(record);
    return undefined;
  }

  #soaOfDifference(record: ResourceRecord): string | undefined {
    const serial = serialOf(record);
    const last = serialOf(this.#soa!);
    if (this.#state === 'deletions') {
      const before = serialOf(this.#before!);
      if (!isNewer(serial, before)) return this.#wholeOnly(`a difference from serial ${before} to ${serial}`);
      if (isNewer(serial, last)) return this.#wholeOnly(`a difference to serial ${serial}, beyond ${last}`);
      this.#after = record;
      this.#state = 'additions';
      return undefined;
    }
    const reached = serialOf(this.#after!);
    if (serial !== reached) return this.#wholeOnly(`a difference from serial ${serial} behind one to ${reached}`);
    const [deleted, added] = [this.#deleted, this.#added];
    this.#differences.push({ before: this.#before!, after: this.#after!, deleted, added });
    this.#deleted = [];
    this.#added = [];
    if (reached === last) {
      this.#end({ kind: 'differences', list: this.#differences });
      return undefined;
    }
    this.#before = record;
    this.#state = 'deletions';
    return undefined;
  }

  #wholeOnly(reason: string): string {
    this.#tryWhole = true;
    return reason;
  }
}
