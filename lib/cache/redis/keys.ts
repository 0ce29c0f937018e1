// The keys of what is kept in Redis: a prefix, a namespace, and 16 octets of a keyed hash of what the value is of. Whoever
// reads Redis sees no names, and whoever knows no secret can neither aim at a key nor make two names share one. Another
// secret, or another epoch, is another set of keys: nothing is ever searched for or deleted by pattern.
//
//   sd1: namespace : 16 octets of SipHash-2-4 as 22 letters (RFC 4648 section 5)
//
// Letters and not octets as they are: a client writes a command of text alone in one piece, which of many keys costs half as
// much, and none of them has a meaning in a Cluster, as braces would.
import { binding } from '../../native/binding.js';

const HASH_OCTETS = 16;
const HASH_LETTERS = 22;
const LETTERS = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');

export class FleetKeys {
  /** What all its keys begin with; what else is kept for the namespace too. */
  readonly prefix: string;
  readonly #prefix: Buffer;
  readonly #hash = new Uint8Array(HASH_OCTETS);
  readonly #sipHash = binding().sipHash;

  /** @param secret 16 octets: Secrets.hashKey */
  constructor(
    namespace: string,
    private readonly secret: Uint8Array,
  ) {
    this.prefix = `sd1:${namespace}:`;
    this.#prefix = Buffer.from(this.prefix);
  }

  /** Of what the first `length` octets say: ASCII, in a buffer of its own. */
  of(octets: Uint8Array, length = octets.length): Buffer {
    const hash = this.#hash;
    this.#sipHash(this.secret, octets, length, hash);
    let at = this.#prefix.length;
    const key = Buffer.allocUnsafe(at + HASH_LETTERS);
    key.set(this.#prefix);
    let bits = 0;
    let have = 0;
    for (let i = 0; i < HASH_OCTETS; i++) {
      bits = (bits << 8) | hash[i];
      for (have += 8; have >= 6; have -= 6) key[at++] = LETTERS[(bits >>> (have - 6)) & 63];
      bits &= (1 << have) - 1;
    }
    key[at] = LETTERS[(bits << 4) & 63];
    return key;
  }
}
