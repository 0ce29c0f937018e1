// The addresses of an upstream that is given by its name: asked of servers that are given as addresses (bootstrap), A and
// AAAA, and again before they expire, or where
// no server at them answers. Old ones stay while nobody says otherwise: better a server that may have moved than
// none. A server cannot be found through itself: those that are asked here have addresses.
//
// Bounds: those of Rounds between two askings; MAX_PER_FAMILY addresses of each family.
import type { Clock } from '../base/clock.js';
import { addressOctets, formatAddress } from '../base/address.js';
import type { Logger } from '../base/log.js';
import { Class, Flag, Rcode, rcodeName, Type } from '../wire/iana.js';
import { DecodedResponse, encodeQuestion, MAX_RESPONSE_RECORDS, type ResourceRecord } from '../wire/message.js';
import { encodeName, foldName, nameKey } from '../wire/name.js';
import { LIFETIME_SECONDS, type Round, Rounds } from './rounds.js';

const MAX_PER_FAMILY = 8;
/** As long a chain as resolvers follow. */
const MAX_ALIASES = 16;

export interface HostTools {
  readonly clock: Clock;
  readonly log: Logger;
  /** Asks servers given as addresses. Rejects where none has an answer: NOERROR or NXDOMAIN. */
  ask(query: Uint8Array): Promise<Uint8Array>;
  /** Whether all servers that the addresses lead to have failed of late, or there are none: they are asked for again soon. */
  areUseless(): boolean;
  /** The addresses are others than before. */
  changed(): void;
}

interface Found {
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}

export class HostAddresses {
  readonly #v4: string[] = [];
  readonly #v6: string[] = [];
  readonly #wireName: Uint8Array;
  readonly #rounds: Rounds;
  #failing = false;
  /** Rounds of questions of which no address came. */
  failures = 0;

  constructor(
    readonly name: string,
    private readonly tools: HostTools,
  ) {
    this.#wireName = encodeName(name);
    this.#rounds = new Rounds(
      tools.clock,
      () => this.#round(),
      () => tools.areUseless(),
    );
  }

  get addresses(): readonly string[] {
    return [...this.#v4, ...this.#v6];
  }
  /** Nobody could say what its addresses are, when asked last. */
  get failing(): boolean {
    return this.#failing;
  }

  /** Asks for the first time, once. @returns when that is over, whatever came of it */
  begin(): Promise<void> {
    return this.#rounds.begin();
  }
  /** Asks at once where it would wait before it tries again: others are to be asked from now on. */
  again(): void {
    if (this.#failing) this.#rounds.now();
  }
  close(): void {
    this.#rounds.close();
  }

  /** Never rejects. */
  async #round(): Promise<Round> {
    const reasons: string[] = [];
    const [v4, v6] = await Promise.all([this.#find(Type.A, reasons), this.#find(Type.AAAA, reasons)]);
    const found = [v4, v6].filter(one => one !== undefined && one.addresses.length > 0) as Found[];
    if (this.#rounds.isClosed) return { seconds: undefined, isWhole: false };
    if (found.length === 0) this.#failed(reasons[0] ?? 'it has no address');
    else this.#succeeded(v4, v6);
    const seconds = found.length === 0 ? undefined : Math.min(...found.map(one => one.ttlSeconds));
    return { seconds, isWhole: reasons.length === 0 };
  }

  #failed(reason: string): void {
    this.failures++;
    const addresses = this.addresses.length;
    const fields = { name: this.name, reason, addresses };
    const kept = addresses > 0;
    // Once, until it is found again.
    if (!this.#failing) {
      this.#failing = true;
      const what = kept ? 'the old ones are asked on' : 'what is to be asked there fails until then';
      this.tools.log.warn(fields, `the addresses of an upstream cannot be found: ${what}`);
    } else this.tools.log.debug(fields, 'the addresses of an upstream cannot be found yet');
  }

  /** A family of which nothing was heard keeps what it has. */
  #succeeded(v4: Found | undefined, v6: Found | undefined): void {
    const before = this.addresses;
    if (v4 !== undefined) this.#v4.splice(0, Infinity, ...v4.addresses);
    if (v6 !== undefined) this.#v6.splice(0, Infinity, ...v6.addresses);
    const { addresses } = this;
    if (this.#failing) this.tools.log.info({ name: this.name, addresses }, 'the addresses of an upstream are found');
    this.#failing = false;
    // Their order is drawn anew for each asking, and says nothing.
    if (before.toSorted().join() !== addresses.toSorted().join()) this.tools.changed();
  }

  async #find(type: number, reasons: string[]): Promise<Found | undefined> {
    try {
      const question = { name: this.#wireName, type, dnsClass: Class.IN };
      const response = await this.tools.ask(encodeQuestion({ id: 0, flags: Flag.RD, question }));
      // As a plain array: slices of a Buffer would be no copies.
      const octets = new Uint8Array(response.buffer, response.byteOffset, response.length);
      return addressesIn(new DecodedResponse(octets, MAX_RESPONSE_RECORDS), this.#wireName, type);
    } catch (error) {
      reasons.push((error as Error).message);
      return undefined;
    }
  }
}

function addressesIn(response: DecodedResponse, asked: Uint8Array, type: number): Found {
  const { records, ttlSeconds } = recordsAt(response, asked, type);
  const addresses = [...new Set(records.map(one => formatAddress(one.data)))].filter(isUsable);
  return { addresses: addresses.slice(0, MAX_PER_FAMILY), ttlSeconds };
}

/**
 * The records of a type that the name asked for, or the aliases of the response, lead to, and for how long that is so.
 * @throws {Error} where whoever was asked could not say
 */
export function recordsAt(
  { answers, rcode }: Pick<DecodedResponse, 'answers' | 'rcode'>,
  asked: Uint8Array,
  type: number,
): { records: ResourceRecord[]; ttlSeconds: number } {
  if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN)
    throw new Error(`whoever was asked said ${rcodeName(rcode)}`);
  const none = { records: [], ttlSeconds: LIFETIME_SECONDS.max };
  if (rcode === Rcode.NXDOMAIN) return none;
  let ttlSeconds: number = LIFETIME_SECONDS.max;
  const take = ({ ttl }: ResourceRecord): void => {
    // RFC 2181 section 8: with the first bit set it means 0.
    ttlSeconds = Math.min(ttlSeconds, ttl >= 2 ** 31 ? 0 : ttl);
  };
  let name = nameKey(foldName(asked));
  for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
    const own = answers.filter(one => one.dnsClass === Class.IN && nameKey(foldName(one.name)) === name);
    const records = own.filter(one => one.type === type);
    if (records.length > 0) {
      records.forEach(take);
      return { records, ttlSeconds };
    }
    const alias = own.find(one => one.type === Type.CNAME);
    if (alias === undefined) return none;
    take(alias);
    name = nameKey(foldName(alias.data));
  }
  return none;
}

/** No server has them: unspecified, multicast, broadcast. */
export function isUsable(address: string): boolean {
  const octets = addressOctets(address);
  const [first] = octets;
  if (octets.length === 4) return first !== 0 && first < 224;
  return first !== 0xff && octets.some(octet => octet !== 0);
}
