// Keys that messages are signed with (TSIG, RFC 8945): a name, an algorithm and a secret that both ends know.
//
// The secret lies in a KeyObject, so that it is in no log, report or error.
import { createSecretKey, type KeyObject } from 'node:crypto';
import { optionError, ShardnsError } from '../../base/errors.js';
import { encodeName, foldName, nameKey } from '../../wire/name.js';

interface Hash {
  /** As OpenSSL calls it. */
  readonly hash: string;
  /** Octets of a whole MAC. */
  readonly octets: number;
}

/** RFC 8945 section 6; SHA-1 for old peers. MD5 is not taken (RFC 6151). */
const ALGORITHMS = {
  'hmac-sha256': { hash: 'sha256', octets: 32 },
  'hmac-sha384': { hash: 'sha384', octets: 48 },
  'hmac-sha512': { hash: 'sha512', octets: 64 },
  'hmac-sha224': { hash: 'sha224', octets: 28 },
  'hmac-sha1': { hash: 'sha1', octets: 20 },
} as const satisfies Record<string, Hash>;
export type TsigAlgorithm = keyof typeof ALGORITHMS;
export const TSIG_ALGORITHMS = Object.keys(ALGORITHMS) as readonly TsigAlgorithm[];

/** A secret of less is guessed sooner than a MAC. */
const MIN_SECRET_OCTETS = 8;
const MAX_SECRET_OCTETS = 512;

export interface TsigKey {
  /** Folded wire format. */
  readonly name: Uint8Array;
  readonly algorithm: TsigAlgorithm;
  /** The same in wire format, as it goes into what is signed. */
  readonly algorithmName: Uint8Array;
  readonly hash: Hash;
  readonly secret: KeyObject;
}

/** As options have it. */
export interface TsigKeyText {
  name: string;
  algorithm: TsigAlgorithm;
  /** Base64. */
  secret: string;
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION, which never shows the secret */
export function makeTsigKey({ name, algorithm, secret }: TsigKeyText): TsigKey {
  const octets = Buffer.from(secret, 'base64');
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(secret.replace(/\s+/g, ''));
  if (!isBase64 || octets.length < MIN_SECRET_OCTETS || octets.length > MAX_SECRET_OCTETS) {
    const got = isBase64 ? `${octets.length} octets` : 'other characters';
    const expected = `base64 of ${MIN_SECRET_OCTETS} to ${MAX_SECRET_OCTETS} octets`;
    throw new ShardnsError('ERR_SHARDNS_OPTION', `secret of the key ${name}: expected ${expected}, got ${got}`);
  }
  if (!Object.hasOwn(ALGORITHMS, algorithm)) throw optionError('algorithm', algorithm, TSIG_ALGORITHMS.join(', '));
  return {
    name: foldName(encodeName(name)),
    algorithm,
    algorithmName: encodeName(algorithm),
    hash: ALGORITHMS[algorithm],
    secret: createSecretKey(octets),
  };
}

/** The keys that a server knows, by their names. */
export class TsigKeys {
  readonly #keys = new Map<string, TsigKey>();

  constructor(keys: Iterable<TsigKey> = []) {
    for (const key of keys) this.#keys.set(nameKey(key.name), key);
  }

  /** @param name folded */
  find(name: Uint8Array): TsigKey | undefined {
    return this.#keys.get(nameKey(name));
  }
}
