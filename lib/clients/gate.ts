// Who may ask, and under which tag: access and views compiled into one native gate. The native UDP plane and the
// listeners in JavaScript judge by the same object, so that a client is told the same however it asks.
//
// Bound: MAX_GATE_PREFIXES prefixes in all, of 17 to 290 octets each, twice while they are replaced; compiling takes
// about half a second for a million.
import { type AddressPrefix, addressOctets } from '../base/address.js';
import { optionError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { binding, type NativeGate, pinnedMemory, REFUSED } from '../native/binding.js';

/** native/gate/prefix_map.h. */
export const MAX_GATE_PREFIXES = 1_048_576;

export interface GateRules {
  /** Who may ask; none: everybody. */
  allow: readonly AddressPrefix[];
  /** Prefixes with the tags of their clients, at most 65,535; the longest decides, and 0 is everybody else's. */
  views: readonly (readonly [AddressPrefix, number])[];
  /** Not 0: the tag of each client is what {@link Gate.remember} was told, of so many clients. */
  clients: number;
}

export class Gate {
  readonly native: NativeGate;
  readonly #address = new Uint8Array(pinnedMemory(16));
  /** Everybody may ask, under the tag 0: nothing need be looked up. */
  #open = true;
  /** The address that is registered, and its length in octets: a client asks more than once. */
  #text = '';
  #octets = 0;

  constructor(random: Random) {
    this.native = binding().createGate({ seedHigh: random.uint32(), seedLow: random.uint32() });
    this.native.register(this.#address);
  }

  /**
   * From the next query on, for every reader at once.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION for more than {@link MAX_GATE_PREFIXES} prefixes; the old rules stay
   */
  replace({ allow, views, clients }: GateRules): void {
    const count = allow.length + views.length;
    if (count > MAX_GATE_PREFIXES) {
      throw optionError('allow, views', count, `at most ${MAX_GATE_PREFIXES} prefixes in all`);
    }
    const { gateRule: at } = binding();
    const rules = new Uint8Array(count * at.octets);
    const view = new DataView(rules.buffer);
    let rule = 0;
    const put = (prefix: AddressPrefix, tag: number | undefined): void => {
      rules.set(prefix.octets, rule + at.address);
      view.setUint8(rule + at.bits, prefix.bits);
      view.setUint8(rule + at.family, prefix.family);
      view.setUint8(rule + (tag === undefined ? at.allow : at.tagged), 1);
      view.setUint32(rule + at.tag, tag ?? 0, true);
      rule += at.octets;
    };
    for (const prefix of allow) put(prefix, undefined);
    for (const [prefix, tag] of views) put(prefix, tag);
    this.native.replace({ rules, everybody: allow.length === 0 ? 1 : 0, clients });
    this.#open = count === 0 && clients === 0;
  }

  /**
   * @param address numeric; a scope (`fe80::1%eth0`) says nothing
   * @returns the client's tag; UNKNOWN_TENANT for one that is not remembered; REFUSED for one that may not ask
   */
  judge(address: string): number {
    if (this.#open) return 0;
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
