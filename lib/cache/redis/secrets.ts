// What a fleet's secret becomes: keys for each use of it (HKDF, RFC 5869), so that none says anything of another. Without a
// secret there are no seals, and the keys of values can be found by whoever knows the namespace.
import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { BoundedMap } from '../../base/bounded-map.js';
import { optionError } from '../../base/errors.js';

export const MIN_SECRET_OCTETS = 16;
/** Of SHA-256. */
const BLOCK_OCTETS = 64;
/** Keys derived for others' values that are kept: one for each of their starts. */
const MAX_WRITERS = 1024;

/** One secret: the newest writes, and those before it are still read. */
export class Secret {
  /** Tells secrets apart in a frame; says nothing of them. */
  readonly id: number;
  /** HMAC's key for SHA-256, as both of its hashes begin with it (RFC 2104 section 2). */
  readonly innerPad: Uint8Array;
  readonly outerPad: Uint8Array;
  readonly #secret: KeyObject;
  readonly #byWriter = new BoundedMap<string, KeyObject>(MAX_WRITERS);

  constructor(octets: Uint8Array) {
    if (octets.length < MIN_SECRET_OCTETS) {
      throw optionError('secret', `${octets.length} octets`, `at least ${MIN_SECRET_OCTETS} octets`);
    }
    this.#secret = createSecretKey(octets);
    this.id = new Uint8Array(this.derive('id', 1))[0];
    const mac = Buffer.alloc(BLOCK_OCTETS);
    mac.set(this.derive('mac', 32));
    this.innerPad = mac.map(octet => octet ^ 0x36);
    this.outerPad = mac.map(octet => octet ^ 0x5c);
  }

  /** For the values of one writer: a key of its own lets it count its nonces (NIST SP 800-38D section 8.2.1). */
  encryptionKey(writer: Buffer): KeyObject {
    const name = writer.toString('latin1');
    let key = this.#byWriter.get(name);
    if (key === undefined) {
      key = createSecretKey(Buffer.from(hkdfSync('sha256', this.#secret, writer, 'shardns 1 encrypt', 32)));
      this.#byWriter.set(name, key);
    }
    return key;
  }

  derive(use: string, octets: number): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#secret, Buffer.alloc(0), `shardns 1 ${use}`, octets));
  }
}

export class Secrets {
  /** Those that values are read by, the first of which they are written by. */
  readonly all: readonly Secret[];

  /** @param given newest first; none: values are not sealed */
  constructor(given: readonly Uint8Array[]) {
    this.all = given.map(octets => new Secret(octets));
  }
  get newest(): Secret | undefined {
    return this.all[0];
  }

  /**
   * What keys are hashed by. Of the oldest secret, so that a rotation moves no key while both are accepted: values written
   * by either are found by all, and the keys move when the old one is taken out.
   */
  get hashKey(): Uint8Array {
    return this.all.at(-1)?.derive('keys', 16) ?? new Uint8Array(16);
  }
}
