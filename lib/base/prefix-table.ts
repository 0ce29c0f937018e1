// What belongs to the longest prefix that an address, or another prefix, lies in: one look-up for each length that prefixes
// have.
import { type AddressPrefix, addressOctets, isMapped, maskedOctets } from './address.js';

export class PrefixTable<T> {
  readonly #values = new Map<string, T>();
  /** Longest first. */
  readonly #lengths: { family: 4 | 6; bits: number }[] = [];

  constructor(entries: Iterable<readonly [AddressPrefix, T]>) {
    for (const [prefix, value] of entries) {
      const { family, bits } = prefix;
      this.#values.set(prefixKey(prefix), value);
      if (!this.#lengths.some(one => one.family === family && one.bits === bits)) this.#lengths.push({ family, bits });
    }
    this.#lengths.sort((a, b) => b.bits - a.bits);
  }

  /** An IPv4 address in its IPv6-mapped form is looked for as both. */
  find(address: string): T | undefined {
    const octets = addressOctets(address);
    const found = this.#find(octets);
    return found === undefined && isMapped(octets) ? this.#find(octets.subarray(12)) : found;
  }

  #find(octets: Uint8Array): T | undefined {
    const family = octets.length === 4 ? 4 : 6;
    for (const length of this.#lengths) {
      const key = length.family === family ? keyOf(octets, length) : undefined;
      if (key !== undefined && this.#values.has(key)) return this.#values.get(key);
    }
    return undefined;
  }
}

/** The same for all ways to write a prefix. */
export const prefixKey = (prefix: AddressPrefix): string => keyOf(prefix.octets, prefix);

const keyOf = (octets: Uint8Array, { family, bits }: Pick<AddressPrefix, 'family' | 'bits'>): string =>
  `${family}/${bits}/${maskedOctets(octets, bits).join('.')}`;

/** Prefixes, of which the longest that holds the whole of another one is found. */
export class Covering<T> {
  readonly prefixes: AddressPrefix[];
  readonly #values: Map<string, T>;
  /** Longest first. */
  readonly #lengths: number[];

  constructor(entries: readonly (readonly [AddressPrefix, T])[]) {
    this.prefixes = entries.map(([prefix]) => prefix);
    this.#values = new Map(entries.map(([prefix, value]) => [prefixKey(prefix), value]));
    this.#lengths = [...new Set(this.prefixes.map(({ bits }) => bits))].sort((a, b) => b - a);
  }

  find({ family, bits, octets }: AddressPrefix): T | undefined {
    for (const length of this.#lengths) {
      if (length > bits) continue;
      const found = this.#values.get(prefixKey({ family, bits: length, octets: maskedOctets(octets, length) }));
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
