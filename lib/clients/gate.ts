// Who may ask, under which tag, and what else is decided before a lookup: access, views, cookies, rates and lists compiled
// into one native gate. The native UDP plane and the
// listeners in JavaScript judge by the same object, so that a client is told the same however it asks.
//
// Bound: MAX_GATE_PREFIXES prefixes in all, of 17 to 290 octets each, twice while they are replaced; compiling takes
// about half a second for a million.
import { type AddressPrefix, addressOctets } from '../base/address.js';
import { optionError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import type { JudgedClient } from '../cache/engine.js';
import { binding, type NativeEdge, type NativeGate, pinnedMemory, REFUSED } from '../native/binding.js';

/** native/gate/prefix_map.h. */
export const MAX_GATE_PREFIXES = 1_048_576;

export interface GateRules {
  /** Who may ask; none: everybody. */
  allow: readonly AddressPrefix[];
  /** Prefixes with the tags of their clients, at most 65,535; the longest decides, and 0 is everybody else's. */
  views: readonly (readonly [AddressPrefix, number])[];
  /** Not 0: the tag of each client is what {@link Gate.remember} was told, of so many clients. */
  clients: number;
  /** Prefixes with the rate classes of their clients, and with their sets of lists: numbers of those in `edge`. */
  rateClasses?: readonly (readonly [AddressPrefix, number])[];
  listSets?: readonly (readonly [AddressPrefix, number])[];
  edge?: NativeEdge;
}

export class Gate {
  readonly native: NativeGate;
  readonly #address = new Uint8Array(pinnedMemory(16));
  /** Not everybody may ask, under the tag 0: it is looked up. */
  #ruled = false;
  /** Something else is decided before a lookup. */
  #edged = false;
  /** The address that is registered, and its length in octets: a client asks more than once. */
  #text = '';
  #octets = 0;
  /** The client that was asked for last, by its address as text. */
  #client: JudgedClient | undefined;
  #clientText = '';

  constructor(random: Random) {
    this.native = binding().createGate({ seedHigh: random.uint32(), seedLow: random.uint32() });
    this.native.register(this.#address);
  }

  /**
   * From the next query on, for every reader at once.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION for more than {@link MAX_GATE_PREFIXES} prefixes; the old rules stay
   */
  replace({ allow, views, clients, rateClasses = [], listSets = [], edge }: GateRules): void {
    const count = allow.length + views.length + rateClasses.length + listSets.length;
    if (count > MAX_GATE_PREFIXES) {
      throw optionError('allow, views', count, `at most ${MAX_GATE_PREFIXES} prefixes in all`);
    }
    const { gateRule: at } = binding();
    const rules = new Uint8Array(count * at.octets);
    const view = new DataView(rules.buffer);
    let rule = 0;
    const put = (prefix: AddressPrefix, says: 'allow' | 'tagged' | 'classed' | 'listed'): number => {
      const at0 = rule;
      rules.set(prefix.octets, rule + at.address);
      view.setUint8(rule + at.bits, prefix.bits);
      view.setUint8(rule + at.family, prefix.family);
      view.setUint8(rule + at[says], 1);
      rule += at.octets;
      return at0;
    };
    for (const prefix of allow) put(prefix, 'allow');
    for (const [prefix, tag] of views) view.setUint32(put(prefix, 'tagged') + at.tag, tag, true);
    for (const [prefix, one] of rateClasses) view.setUint8(put(prefix, 'classed') + at.rateClass, one);
    for (const [prefix, set] of listSets) view.setUint8(put(prefix, 'listed') + at.listSet, set);
    this.native.replace({ rules, everybody: allow.length === 0 ? 1 : 0, clients, edge });
    this.#ruled = count > 0 || clients > 0;
    this.#edged = edge !== undefined;
  }

  /** The edge alone, from the next query on; nothing is compiled. */
  replaceEdge(edge: NativeEdge | undefined): void {
    this.native.replaceEdge({ edge });
    this.#edged = edge !== undefined;
  }

  /** Undefined where everybody gets the same: nothing need be judged. */
  clientOf(address: string): JudgedClient | undefined {
    if (!this.#ruled && !this.#edged) return undefined;
    if (this.#client === undefined || address !== this.#clientText) {
      this.#client = { gate: this.native, octets: addressOctets(address) };
      this.#clientText = address;
    }
    return this.#client;
  }

  /**
   * @param address numeric; a scope (`fe80::1%eth0`) says nothing
   * @returns the client's tag; UNKNOWN_TENANT for one that is not remembered; REFUSED for one that may not ask
   */
  judge(address: string): number {
    if (!this.#ruled) return 0;
    if (address !== this.#text) {
      const octets = addressOctets(address);
      this.#address.set(octets);
      this.#octets = octets.length;
      this.#text = address;
    }
    return this.native.judge(this.#octets);
  }
  allows(address: string): boolean {
    return this.judge(address) !== REFUSED;
  }

  remember(address: string, tag: number, seconds: number): void {
    this.native.remember({ address: addressOctets(address), tag, seconds });
  }
  forgetClients(): void {
    this.native.forgetClients();
  }

  /** Gives its memory back. */
  close(): void {
    this.replace({ allow: [], views: [], clients: 0 });
  }
}
