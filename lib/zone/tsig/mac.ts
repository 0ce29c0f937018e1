// Messages signed and checked, one by one (RFC 8945 sections 4.3 and 5). Streams of them: stream.ts.
//
// The order of the checks is the one of section 5.2: key, MAC, time, truncation. A MAC is compared in constant time.
import { createHmac, type Hmac, timingSafeEqual } from 'node:crypto';
import { equalNames } from '../../wire/name.js';
import { word } from '../../wire/record-walk.js';
import type { TsigKey, TsigKeys } from './key.js';
import { appendTsig, readTsig, TsigError, type TsigRecord } from './record.js';

/** Seconds that clocks may differ by (RFC 8945 section 10). */
export const FUDGE_SECONDS = 300;
/** A MAC that is cut shorter is none (RFC 8945 section 5.2.2.1). */
const MIN_MAC_OCTETS = 10;
const NONE = new Uint8Array(0);

/** What is signed beside the message. */
type Variables = Omit<TsigRecord, 'mac' | 'originalId'>;

/** The record's fields, as they are signed with a request or a single response (RFC 8945 section 4.3.3). */
function addVariables(hmac: Hmac, { name, algorithm, timeSigned, fudge, error, other }: Variables): void {
  const fixed = Buffer.alloc(6);
  fixed.writeUInt16BE(255, 0); // class ANY, and a TTL of 0
  hmac.update(name).update(fixed).update(algorithm);
  addTimers(hmac, { timeSigned, fudge });
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(error, 0);
  tail.writeUInt16BE(other.length, 2);
  hmac.update(tail).update(other);
}

/** All that is signed of a record within a stream, behind its first message (RFC 8945 section 5.3.1). */
export function addTimers(hmac: Hmac, { timeSigned, fudge }: Pick<TsigRecord, 'timeSigned' | 'fudge'>): void {
  const timers = Buffer.alloc(8);
  timers.writeUIntBE(timeSigned, 0, 6);
  timers.writeUInt16BE(fudge, 6);
  hmac.update(timers);
}

/** What a response is signed with in front: the MAC of its request, or of the message before it. */
export function addPrior(hmac: Hmac, mac: Uint8Array): void {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(mac.length, 0);
  hmac.update(length).update(mac);
}

export const beginMac = ({ hash, secret }: TsigKey): Hmac => createHmac(hash.hash, secret);

/** @param prior MAC of the request, where it is a response */
function macOf(key: TsigKey, message: Uint8Array, variables: Variables, prior: Uint8Array | undefined): Buffer {
  const hmac = beginMac(key);
  if (prior !== undefined) addPrior(hmac, prior);
  hmac.update(message);
  addVariables(hmac, variables);
  return hmac.digest();
}

export interface SigningArgs {
  readonly key: TsigKey;
  /** Seconds since 1970. */
  readonly now: number;
  /** MAC of the request, where a response is signed. */
  readonly requestMac?: Uint8Array;
  /** For BADTIME and BADTRUNC: the request's record, whose time a response of BADTIME repeats. */
  readonly failed?: { readonly error: number; readonly request: TsigRecord };
}
export interface Signed {
  readonly message: Buffer;
  readonly mac: Buffer;
}

/** Signs a message. @returns undefined where the record has no room in it */
export function signMessage(message: Uint8Array, { key, now, requestMac, failed }: SigningArgs): Signed | undefined {
  const isBadTime = failed?.error === TsigError.BADTIME;
  const variables: Variables = {
    name: key.name,
    algorithm: key.algorithmName,
    timeSigned: isBadTime ? failed.request.timeSigned : now,
    fudge: isBadTime ? failed.request.fudge : FUDGE_SECONDS,
    error: failed?.error ?? TsigError.none,
    other: isBadTime ? time48(now) : NONE,
  };
  const mac = macOf(key, message, variables, requestMac);
  const signed = appendTsig(message, { ...variables, mac, originalId: word(message, 0) });
  return signed && { message: signed, mac };
}

/** A record without a MAC, for a request whose key or MAC is wrong (RFC 8945 section 5.3.2). */
export function appendBareTsig(
  message: Uint8Array,
  { name, algorithm, fudge }: TsigRecord,
  { error, now }: { error: number; now: number },
): Buffer | undefined {
  const originalId = word(message, 0);
  return appendTsig(message, { name, algorithm, timeSigned: now, fudge, mac: NONE, originalId, error, other: NONE });
}

export function time48(seconds: number): Buffer {
  const octets = Buffer.alloc(6);
  octets.writeUIntBE(seconds, 0, 6);
  return octets;
}

/** Whether a MAC has a length that one of the key's may have, cut or not (RFC 8945 section 5.2.2.1). */
export function isMacLength(key: TsigKey, length: number): boolean {
  return length <= key.hash.octets && length >= Math.max(MIN_MAC_OCTETS, key.hash.octets / 2);
}

export function isSameMac(made: Uint8Array, given: Uint8Array): boolean {
  return given.length > 0 && given.length <= made.length && timingSafeEqual(made.subarray(0, given.length), given);
}

export function isInTime({ timeSigned, fudge }: TsigRecord, now: number): boolean {
  return Math.abs(now - timeSigned) <= fudge;
}

/** What is to be made of a request. */
export type RequestVerdict =
  | { readonly status: 'unsigned' }
  /** FORMERR. */
  | { readonly status: 'malformed' }
  | { readonly status: 'good'; readonly key: TsigKey; readonly tsig: TsigRecord; readonly unsigned: Buffer }
  /** NOTAUTH with this TSIG error; signed where there is a key: then its MAC was right. */
  | { readonly status: 'bad'; readonly error: number; readonly tsig: TsigRecord; readonly key?: TsigKey };

/**
 * Checks the signature of a request, in the order of RFC 8945 section 5.2. MACs that are cut are told BADTRUNC: no key of
 * ours asks for that.
 * @param now seconds since 1970
 */
export function checkRequest(message: Uint8Array, keys: TsigKeys, now: number): RequestVerdict {
  const read = readTsig(message);
  if (typeof read === 'string') return { status: read };
  const { tsig, unsigned } = read;
  const key = keys.find(tsig.name);
  if (key === undefined || !equalNames(key.algorithmName, tsig.algorithm)) {
    return { status: 'bad', error: TsigError.BADKEY, tsig };
  }
  if (!isMacLength(key, tsig.mac.length)) return { status: 'malformed' };
  if (!isSameMac(macOf(key, unsigned, tsig, undefined), tsig.mac)) {
    return { status: 'bad', error: TsigError.BADSIG, tsig };
  }
  if (!isInTime(tsig, now)) return { status: 'bad', error: TsigError.BADTIME, tsig, key };
  if (tsig.mac.length < key.hash.octets) return { status: 'bad', error: TsigError.BADTRUNC, tsig, key };
  return { status: 'good', key, tsig, unsigned };
}

/** The response to a request that was refused for its signature: `message` with the record that says why. */
export function answerBadRequest(
  message: Uint8Array,
  { error, tsig, key }: Extract<RequestVerdict, { status: 'bad' }>,
  now: number,
): Buffer | undefined {
  if (key === undefined) return appendBareTsig(message, tsig, { error, now });
  return signMessage(message, { key, now, requestMac: tsig.mac, failed: { error, request: tsig } })?.message;
}

/** What is to be made of a response. */
export type ResponseVerdict =
  | { readonly status: 'good'; readonly tsig: TsigRecord; readonly unsigned: Buffer }
  | { readonly status: 'bad'; readonly reason: string };

const bad = (reason: string): ResponseVerdict => ({ status: 'bad', reason });

/**
 * Checks a response to a request that was signed (RFC 8945 section 5.4): who asks with a key believes nothing that is not
 * signed with it.
 */
export function checkResponse(
  message: Uint8Array,
  { key, requestMac, now }: { key: TsigKey; requestMac: Uint8Array; now: number },
): ResponseVerdict {
  const read = readTsig(message);
  if (read === 'unsigned') return bad('the response is not signed');
  if (read === 'malformed') return bad('the response has a malformed TSIG record');
  const { tsig, unsigned } = read;
  const wrong = wrongKey(tsig, key);
  if (wrong !== undefined) return bad(wrong);
  if (tsig.mac.length === 0) return bad(saidError(tsig));
  if (!isMacLength(key, tsig.mac.length)) return bad(`the response has a MAC of ${tsig.mac.length} octets`);
  if (!isSameMac(macOf(key, unsigned, tsig, requestMac), tsig.mac)) return bad('the response has a wrong MAC');
  if (tsig.error !== TsigError.none) return bad(saidError(tsig));
  return judgeSigned(tsig, key, now) ?? { status: 'good', tsig, unsigned };
}

export function wrongKey(tsig: TsigRecord, key: TsigKey): string | undefined {
  const isOurs = equalNames(tsig.name, key.name) && equalNames(tsig.algorithm, key.algorithmName);
  return isOurs ? undefined : 'the response is signed with another key or algorithm';
}

/** Behind the MAC: time, then truncation. */
export function judgeSigned(tsig: TsigRecord, key: TsigKey, now: number): ResponseVerdict | undefined {
  if (!isInTime(tsig, now)) {
    return bad(`the response was signed ${Math.abs(now - tsig.timeSigned)} s away from the clock here`);
  }
  return tsig.mac.length < key.hash.octets ? bad('the response has a MAC that is cut') : undefined;
}

function saidError({ error, timeSigned, other }: TsigRecord): string {
  switch (error) {
    case TsigError.BADKEY:
      return 'the server does not know the key (BADKEY)';
    case TsigError.BADSIG:
      return 'the server has another secret for the key (BADSIG)';
    case TsigError.BADTIME: {
      const theirs = other.length === 6 ? Buffer.from(other).readUIntBE(0, 6) : undefined;
      const apart = theirs === undefined ? '' : `, by ${Math.abs(theirs - timeSigned)} s`;
      return `the clocks here and at the server differ too much (BADTIME${apart})`;
    }
    case TsigError.BADTRUNC:
      return 'the server wants a longer MAC (BADTRUNC)';
    default:
      return error === TsigError.none ? 'the response is not signed' : `the server says TSIG error ${error}`;
  }
}
