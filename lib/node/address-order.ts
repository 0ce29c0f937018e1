// The order in which addresses should be tried: RFC 6724 section 6, with the machine's own addresses as the possible
// sources. What only the kernel knows is left out: routes (rule 1), and deprecated, home and native addresses (rules 3, 4
// and 7). Where glibc's getaddrinfo goes its own way for IPv4, rule 9, so does this; its precedences are older (RFC 3484
// section 10.3 put unique local addresses before IPv4) and can be set in gai.conf, which is not read here.
import { networkInterfaces } from 'node:os';
import { addressOctets } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import { lazy } from '../base/lazy.js';

const Scope = { linkLocal: 2, siteLocal: 5, global: 14 } as const;

interface Known {
  octets: Uint8Array; // 16, IPv4 mapped
  /** How much of the octets names the subnet, of an own address. */
  subnetBits: number;
  /** Reached over IPv4: as IPv4 or mapped. */
  v4: boolean;
  mapped: boolean;
  scope: number;
  label: number;
  precedence: number;
}

/** RFC 6724 section 2.1, longest prefix first. */
const POLICY: readonly (readonly [prefix: string, bits: number, precedence: number, label: number])[] = [
  ['::1', 128, 50, 0],
  ['::ffff:0:0', 96, 35, 4],
  ['::', 96, 1, 3],
  ['2001::', 32, 5, 5],
  ['2002::', 16, 30, 2],
  ['3ffe::', 16, 1, 12],
  ['fec0::', 10, 1, 11],
  ['fc00::', 7, 3, 13],
  ['::', 0, 40, 1],
];
const policy = lazy(() =>
  POLICY.map(([prefix, bits, precedence, label]) => ({
    octets: addressOctets(prefix),
    bits,
    precedence,
    label,
  })),
);

function commonBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < 16; i++) {
    const differ = a[i] ^ b[i];
    if (differ !== 0) return i * 8 + Math.clz32(differ) - 24;
  }
  return 128;
}

function scopeOf(octets: Uint8Array, v4: boolean): number {
  if (v4) {
    // Section 3.2: loopback and link-local addresses have link-local scope.
    return octets[12] === 127 || (octets[12] === 169 && octets[13] === 254) ? Scope.linkLocal : Scope.global;
  }
  if (octets[0] === 0xff) return octets[1] & 0x0f;
  if (octets[0] === 0xfe && (octets[1] & 0xc0) === 0x80) return Scope.linkLocal;
  if (octets[0] === 0xfe && (octets[1] & 0xc0) === 0xc0) return Scope.siteLocal;
  if (isLoopback6(octets)) return Scope.linkLocal;
  return Scope.global;
}

const mappedPrefix = lazy(() => addressOctets('::ffff:0:0'));

/** @param text an address, or ADDRESS/BITS with the length of its subnet's prefix */
function describe(text: string): Known {
  const [address, bits] = text.split('/');
  const plain = addressOctets(address);
  const octets = plain.length === 4 ? Uint8Array.from([...mappedPrefix().subarray(0, 12), ...plain]) : plain;
  const v4 = commonBits(octets, mappedPrefix()) >= 96;
  const subnetBits = bits === undefined ? 128 : Number(bits) + 128 - 8 * plain.length;
  const { precedence, label } = policy().find(one => commonBits(octets, one.octets) >= one.bits)!;
  const mapped = v4 && plain.length === 16;
  return { octets, subnetBits, v4, mapped, scope: scopeOf(octets, v4), label, precedence };
}

/** A destination and the source it would be reached from. */
interface Pair {
  destination: Known;
  source: Known | undefined;
}
const MAX_PAIRS = 1024;

/** The machine's addresses, looked up at most once a second, and what they mean for 1024 destinations. */
export class LocalAddresses {
  #known: Known[] = [];
  #lookAt = -Infinity;
  readonly #pairs = new Map<string, Pair>();
  constructor(
    private readonly clock: Clock,
    private readonly interfaces: () => string[] = systemAddresses,
  ) {}

  get known(): readonly Known[] {
    const now = this.clock.nowMs();
    if (now >= this.#lookAt) {
      this.#lookAt = now + 1000;
      this.#known = this.interfaces().map(describe);
      this.#pairs.clear();
    }
    return this.#known;
  }

  pair(address: string): Pair {
    const sources = this.known;
    let pair = this.#pairs.get(address);
    if (pair === undefined) {
      const destination = describe(address);
      pair = { destination, source: sourceFor(destination, sources) };
      if (this.#pairs.size >= MAX_PAIRS) this.#pairs.clear();
      this.#pairs.set(address, pair);
    }
    return pair;
  }

  /** Families with an address that is not loopback: what ADDRCONFIG asks for (getaddrinfo(3)). */
  get families(): { v4: boolean; v6: boolean } {
    const found = { v4: false, v6: false };
    for (const one of this.known) {
      if (!isLoopback(one)) found[one.v4 ? 'v4' : 'v6'] = true;
    }
    return found;
  }
}

const isLoopback6 = (octets: Uint8Array): boolean => octets.every((octet, i) => octet === (i === 15 ? 1 : 0));
const isLoopback = ({ v4, octets }: Known): boolean => (v4 ? octets[12] === 127 : isLoopback6(octets));

function systemAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap(list => (list ?? []).map(one => one.cidr ?? one.address));
}

/** The best source for a destination (section 5, rules 2, 6 and 8); undefined = none of its family. */
function sourceFor(destination: Known, sources: readonly Known[]): Known | undefined {
  let best: Known | undefined;
  for (const source of sources) {
    // Whatever the scope: nothing but this machine answers to a packet from loopback.
    if (source.v4 !== destination.v4 || isLoopback(source) !== isLoopback(destination)) continue;
    if (best === undefined || isBetterSource(source, best, destination)) best = source;
  }
  return best;
}

function isBetterSource(a: Known, b: Known, destination: Known): boolean {
  if (a.scope !== b.scope) {
    return a.scope < b.scope ? a.scope >= destination.scope : b.scope < destination.scope;
  }
  if (a.label !== b.label) return a.label === destination.label;
  return commonBits(a.octets, destination.octets) > commonBits(b.octets, destination.octets);
}

/**
 * Sorts destinations (section 6); equal ones keep their order (rule 10).
 * @param rotated whether it is for their order to spread the load: then none is preferred for being near (rule 9)
 */
export function sortAddresses(addresses: readonly string[], local: LocalAddresses, rotated = false): string[] {
  if (addresses.length < 2) return [...addresses];
  const nearest = rotated ? () => 0 : compareNearness;
  return [...addresses].sort((one, other) => {
    const a = local.pair(one);
    const b = local.pair(other);
    return compare(a, b) || nearest(a, b);
  });
}

const sameScope = (pair: Pair): boolean => pair.destination.scope === pair.source!.scope;
const sameLabel = (pair: Pair): boolean => pair.destination.label === pair.source!.label;

function compare(a: Pair, b: Pair): number {
  if ((a.source === undefined) !== (b.source === undefined)) return a.source === undefined ? 1 : -1; // rule 1
  if (a.source === undefined || b.source === undefined) return 0;
  if (sameScope(a) !== sameScope(b)) return sameScope(a) ? -1 : 1; // rule 2
  if (sameLabel(a) !== sameLabel(b)) return sameLabel(a) ? -1 : 1; // rule 5
  if (a.destination.precedence !== b.destination.precedence) {
    return b.destination.precedence - a.destination.precedence; // rule 6
  }
  return a.destination.scope - b.destination.scope; // rule 8
}

/** Rule 9: the longer match first, of one family. */
function compareNearness(a: Pair, b: Pair): number {
  if (a.source === undefined || b.source === undefined || a.destination.v4 !== b.destination.v4) return 0;
  return nearness(b.destination, b.source) - nearness(a.destination, a.source);
}

/** Bits in common; none of IPv4 outside the subnet, where they say nothing and would only defeat rotation. */
function nearness(destination: Known, source: Known): number {
  const bits = commonBits(destination.octets, source.octets);
  return destination.v4 && !destination.mapped && bits < source.subnetBits ? 0 : bits;
}
