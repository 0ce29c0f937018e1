// Streams of messages that are one response, signed and checked (RFC 8945 section 5.3.1): the first MAC covers the one of
// the request, each later one that before it, all messages since, and the time.
import type { Hmac } from 'node:crypto';
import { word } from '../../wire/record-walk.js';
import type { TsigKey } from './key.js';
import {
  addPrior,
  addTimers,
  beginMac,
  checkResponse,
  FUDGE_SECONDS,
  isMacLength,
  isSameMac,
  judgeSigned,
  signMessage,
  wrongKey,
} from './mac.js';
import { appendTsig, readTsig, TsigError, tsigErrorName } from './record.js';

/** Messages without a signature between two that have one: a server may leave out so many (RFC 8945 section 5.3.1). */
const MAX_UNSIGNED = 99;
const NONE = new Uint8Array(0);

/** Signs each message of a response, as section 5.3.1 asks of new servers. */
export class TsigStreamSigner {
  #prior: Uint8Array;
  #isFirst = true;

  constructor(
    private readonly key: TsigKey,
    requestMac: Uint8Array,
  ) {
    this.#prior = requestMac;
  }

  /** @returns undefined where the record has no room */
  sign(message: Uint8Array, now: number): Buffer | undefined {
    const { key } = this;
    if (this.#isFirst) {
      const signed = signMessage(message, { key, now, requestMac: this.#prior });
      if (signed === undefined) return undefined;
      this.#isFirst = false;
      this.#prior = signed.mac;
      return signed.message;
    }
    const times = { timeSigned: now, fudge: FUDGE_SECONDS };
    const hmac = beginMac(key);
    addPrior(hmac, this.#prior);
    hmac.update(message);
    addTimers(hmac, times);
    const mac = hmac.digest();
    this.#prior = mac;
    return appendTsig(message, {
      ...times,
      name: key.name,
      algorithm: key.algorithmName,
      mac,
      originalId: word(message, 0),
      error: TsigError.none,
      other: NONE,
    });
  }
}

/** A message of the stream: without its signature. */
export type StreamVerdict =
  { readonly status: 'good'; readonly message: Uint8Array } | { readonly status: 'bad'; readonly reason: string };

/** Checks each message of a response. What has come is believed once `isSettled` says that a signature covers it. */
export class TsigStreamChecker {
  #prior: Uint8Array;
  #isFirst = true;
  #unsigned = 0;
  /** Over the last MAC and all messages since. */
  #hmac: Hmac | undefined;

  constructor(
    private readonly key: TsigKey,
    requestMac: Uint8Array,
  ) {
    this.#prior = requestMac;
  }

  /** Whether the last message was signed, as the last of a response has to be. */
  get isSettled(): boolean {
    return !this.#isFirst && this.#unsigned === 0;
  }

  check(message: Uint8Array, now: number): StreamVerdict {
    const { key } = this;
    if (this.#isFirst) {
      const verdict = checkResponse(message, { key, requestMac: this.#prior, now });
      if (verdict.status === 'bad') return verdict;
      this.#isFirst = false;
      this.#prior = verdict.tsig.mac;
      return { status: 'good', message: verdict.unsigned };
    }
    const read = readTsig(message);
    if (read === 'malformed') return bad('a message has a malformed TSIG record');
    const hmac = this.#begun();
    if (read === 'unsigned') {
      if (++this.#unsigned > MAX_UNSIGNED) return bad(`more than ${MAX_UNSIGNED} messages without a signature`);
      hmac.update(message);
      return { status: 'good', message };
    }
    const { tsig, unsigned } = read;
    const wrong = wrongKey(tsig, key);
    if (wrong !== undefined) return bad(wrong);
    if (!isMacLength(key, tsig.mac.length)) return bad(`a message has a MAC of ${tsig.mac.length} octets`);
    hmac.update(unsigned);
    addTimers(hmac, tsig);
    if (!isSameMac(hmac.digest(), tsig.mac)) return bad('a message has a wrong MAC');
    if (tsig.error !== TsigError.none) return bad(`the server says ${tsigErrorName(tsig.error)}`);
    const late = judgeSigned(tsig, key, now);
    if (late?.status === 'bad') return late;
    this.#prior = tsig.mac;
    this.#hmac = undefined;
    this.#unsigned = 0;
    return { status: 'good', message: unsigned };
  }

  #begun(): Hmac {
    if (this.#hmac === undefined) addPrior((this.#hmac = beginMac(this.key)), this.#prior);
    return this.#hmac;
  }
}

const bad = (reason: string): StreamVerdict => ({ status: 'bad', reason });
