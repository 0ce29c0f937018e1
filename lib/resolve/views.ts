// What clients are told by where they ask from: a view is local data for the clients of some prefixes. Each has a
// tenant's tag of its own, so that views share no replies, while the RRsets under them are everybody's.
import { type AddressPrefix, parsePrefix } from '../base/address.js';
import { PrefixTable } from '../base/prefix-table.js';
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
  readonly #tags: PrefixTable<number>;
  /** With the tag of each one's view. */
  readonly prefixes: readonly (readonly [AddressPrefix, number])[];

  constructor(settings: readonly ViewSettings[]) {
    this.#views = settings.map(({ name, inherit, local }) => ({ name, inherit, localData: new LocalData(local) }));
    this.prefixes = settings.flatMap(({ clients }, i) =>
      clients.map(text => [parsePrefix(text, `views[${i}].clients`), i + 1] as const),
    );
    this.#tags = new PrefixTable(this.prefixes);
  }

  /** The view of the longest prefix that the address lies in; 0 = none. */
  tagOf(address: string): number {
    return this.#tags.find(address) ?? 0;
  }
  withTag(tag: number): View | undefined {
    return this.#views[tag - 1];
  }
}
