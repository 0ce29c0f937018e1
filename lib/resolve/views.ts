// What clients are told by where they ask from: a view is local data for the clients of some prefixes. Each has a
// tenant's tag of its own, so that views share no replies, while the RRsets under them are everybody's.
import { type AddressPrefix, addressOctets, maskedOctets, parsePrefix } from '../base/address.js';
import { LocalData, type LocalDataSettings } from './local-data.js';

export interface View {
  name: string;
  localData: LocalData;
  /** Names that the view says nothing of are looked for in everybody's local data. */
  inherit: boolean;
}

export interface ViewSettings {
  name: string;
  clients: readonly string[];
  inherit: boolean;
  local: LocalDataSettings;
}

export class Views {
  readonly #views: readonly View[];
  readonly #tags = new Map<string, number>();
  /** The lengths that prefixes have, longest first: one look-up each finds a client's view. */
  readonly #lengths: { family: 4 | 6; bits: number }[] = [];

  constructor(settings: readonly ViewSettings[]) {
    this.#views = settings.map(({ name, inherit, local }) => ({ name, inherit, localData: new LocalData(local) }));
    for (const [i, { clients }] of settings.entries()) {
      for (const text of clients) {
        const prefix = parsePrefix(text, `views[${i}].clients`);
        this.#tags.set(keyOf(prefix.octets, prefix), i + 1);
        const { family, bits } = prefix;
        if (!this.#lengths.some(one => one.family === family && one.bits === bits))
          this.#lengths.push({ family, bits });
      }
    }
    this.#lengths.sort((a, b) => b.bits - a.bits);
  }

  get size(): number {
    return this.#views.length;
  }

  /** The view of the longest prefix that the address lies in; 0 = none. */
  tagOf(address: string): number {
    const octets = addressOctets(address);
    const family = octets.length === 4 ? 4 : 6;
    for (const length of this.#lengths) {
      const tag = length.family === family ? this.#tags.get(keyOf(octets, length)) : undefined;
      if (tag !== undefined) return tag;
    }
    return 0;
  }
  withTag(tag: number): View | undefined {
    return this.#views[tag - 1];
  }
}

const keyOf = (octets: Uint8Array, { family, bits }: Pick<AddressPrefix, 'family' | 'bits'>): string =>
  `${family}/${bits}/${maskedOctets(octets, bits).join('.')}`;
