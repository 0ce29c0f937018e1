// One check of a signature by node:crypto; what the library refuses is a signature that is not good, never an exception.
import { type KeyObject, verify } from 'node:crypto';
import type { Algorithm } from './algorithms.js';

export interface Check {
  algorithm: Algorithm;
  key: KeyObject;
  octets: Uint8Array;
  signature: Uint8Array;
}

export function isGood({ algorithm, key, octets, signature }: Check): boolean {
  try {
    switch (algorithm.kind) {
      case 'rsa':
      case 'okp':
        return verify(algorithm.hash, octets, key, signature);
      case 'ec':
        return verify(algorithm.hash, octets, { key, dsaEncoding: 'ieee-p1363' }, signature);
      case 'dsa': {
        // T, r and s (RFC 2536 section 3), or DER, as some signers of the time wrote it.
        const plain = signature.length === 41;
        const parts = plain ? signature.subarray(1) : signature;
        return verify(algorithm.hash, octets, { key, dsaEncoding: plain ? 'ieee-p1363' : 'der' }, parts);
      }
    }
  } catch {
    return false;
  }
}
