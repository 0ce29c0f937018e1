// One check of a signature by node:crypto, on this thread or in libuv's pool. What the library refuses is a signature that
// is not good, never an exception.
//
// The pool is shared with files and getaddrinfo, whose work waits behind ours: at most 4 checks are in it, of 0.7 ms each at
// the worst (P-384). So many more wait as there are questions under way, up to 1024; beyond, this thread does its own.
import { type KeyObject, verify } from 'node:crypto';
import type { Algorithm } from './algorithms.js';

export interface Check {
  algorithm: Algorithm;
  key: KeyObject;
  octets: Uint8Array;
  signature: Uint8Array;
}

/** Arguments of `verify`; two of DSA's forms are told apart by their length. */
function argumentsOf({ algorithm, key, octets, signature }: Check): [string | null, Uint8Array, never, Uint8Array] {
  const { kind, hash } = algorithm;
  if (kind === 'rsa' || kind === 'okp') return [hash, octets, key as never, signature];
  if (kind === 'ec') return [hash, octets, { key, dsaEncoding: 'ieee-p1363' } as never, signature];
  // T, r and s (RFC 2536 section 3), or DER, as some signers of the time wrote it.
  const plain = signature.length === 41;
  const parts = plain ? signature.subarray(1) : signature;
  return [hash, octets, { key, dsaEncoding: plain ? 'ieee-p1363' : 'der' } as never, parts];
}

export function isGood(check: Check): boolean {
  try {
    return verify(...argumentsOf(check));
  } catch {
    return false;
  }
}

const MAX_IN_POOL = 4;
const MAX_WAITING = 1024;
let inPool = 0;
const waiting: (() => void)[] = [];

/** The same in the pool: this thread pays 8 us, where a check of P-384 takes 590. */
export function isGoodInPool(check: Check): boolean | Promise<boolean> {
  if (waiting.length >= MAX_WAITING) return isGood(check);
  return new Promise(resolve => {
    if (inPool < MAX_IN_POOL) begin(check, resolve);
    else waiting.push(() => begin(check, resolve));
  });
}

function begin(check: Check, resolve: (good: boolean) => void): void {
  inPool++;
  const end = (good: boolean): void => {
    inPool--;
    waiting.shift()?.();
    resolve(good);
  };
  try {
    verify(...argumentsOf(check), (error, good) => end(error === null && good));
  } catch {
    end(false);
  }
}
