// How a client is told in what is kept of queries: as much of its address as the operator wants to know.
import type { Random } from '../../base/random.js';
import { formatAddress, maskedOctets } from '../../base/address.js';
import { binding } from '../../native/binding.js';
import type { ClientLevel } from '../settings/observation.js';

const DAY_MS = 86_400_000;
/** 64 bits: two clients of a day are the same once in 10^10 pairs of them. */
const HASH_OCTETS = 8;

export class ClientNames {
  readonly #key = new Uint8Array(16);
  readonly #hash = new Uint8Array(16);
  #day = Number.NaN;

  constructor(private readonly random: Random) {}

  /** '' where it is not told, or has no address. @param atMs of Unix time */
  nameOf(client: Uint8Array, level: ClientLevel, atMs: number): string {
    if (client.length === 0 || level === 'off') return '';
    if (level === 'full') return formatAddress(client);
    if (level === 'truncated') {
      const bits = client.length === 4 ? 24 : 56;
      return `${formatAddress(maskedOctets(client, bits))}/${bits}`;
    }
    this.#drawKey(Math.floor(atMs / DAY_MS));
    binding().sipHash(this.#key, client, client.length, this.#hash);
    return Buffer.from(this.#hash.subarray(0, HASH_OCTETS)).toString('hex');
  }

  /** Yesterday's is forgotten: nobody can tell whose hashes those were. */
  #drawKey(day: number): void {
    if (day === this.#day) return;
    this.#day = day;
    const words = new DataView(this.#key.buffer);
    for (let at = 0; at < this.#key.length; at += 4) words.setUint32(at, this.random.uint32());
  }
}
