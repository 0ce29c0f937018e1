// The keys of what is kept in Redis: a prefix, a namespace, and 16 octets of a keyed hash of what the value is of. Whoever
// reads Redis sees no names, and whoever knows no secret can neither aim at a key nor make two names share one. Another
// secret, or another epoch, is another set of keys: nothing is ever searched for or deleted by pattern.
//
//   sd1: namespace : 16 octets of SipHash-2-4
import { binding } from '../../native/binding.js';

const HASH_OCTETS = 16;
const [OPEN_BRACE, CLOSE_BRACE] = [0x7b, 0x7d];

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

  /** Of what the first `length` octets say; a buffer of its own, since the client keeps it until it is sent. */
  of(octets: Uint8Array, length = octets.length): Buffer {
    this.#sipHash(this.secret, octets, length, this.#hash);
    const from = this.#prefix.length;
    const key = Buffer.allocUnsafe(from + HASH_OCTETS);
    key.set(this.#prefix);
    for (let i = 0; i < HASH_OCTETS; i++) {
      const octet = this.#hash[i];
      // Braces would have a meaning in a Cluster.
      key[from + i] = octet === OPEN_BRACE || octet === CLOSE_BRACE ? octet ^ 1 : octet;
    }
    return key;
  }
}

/** A key beside another one, in a Cluster on the same node: that of a lease. */
export function besideKey(key: Buffer, what: string): Buffer {
  return Buffer.concat([Buffer.from('{'), key, Buffer.from(`}:${what}`)]);
}
