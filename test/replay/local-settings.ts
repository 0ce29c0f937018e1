// Local zones, records, tags, overrides and views of the reference program as `local` and `views` of ours. There clients
// are sorted by tags that zones have too; here each such group of clients has a view of its own.
import { Unsupported } from './scenario.js';
import { isAtOrBelow, encodeName, foldName } from '../../lib/wire/name.js';

const KINDS: Readonly<Record<string, string>> = {
  static: 'static',
  transparent: 'transparent',
  typetransparent: 'typeTransparent',
  redirect: 'redirect',
  refuse: 'refuse',
  always_nxdomain: 'nxdomain',
  always_nodata: 'nodata',
  always_refuse: 'refuse',
  always_transparent: 'transparent',
  always_null: 'null',
  inform: 'transparent',
  inform_redirect: 'redirect',
  nodefault: 'transparent',
  block_a: 'blockA',
  block_aaaa: 'blockAaaa',
  block_a_wdata: 'blockA',
  block_aaaa_wdata: 'blockAaaa',
};

interface Zone {
  name: string;
  type: string;
  tags: string[];
}
interface Local {
  zones: { name: string; kind: string }[];
  records: string[];
}

const words = (value: string): string[] => value.replaceAll('"', ' ').trim().split(/\s+/);
const wire = (name: string): Uint8Array => foldName(encodeName(name));
const ownerOf = (record: string): Uint8Array => wire(record.trim().split(/\s/, 1)[0]);

class Data {
  readonly zones: Zone[] = [];
  readonly records: string[] = [];
  first = false;
}

export class LocalSettings {
  readonly #global = new Data();
  readonly #views = new Map<string, Data>();
  readonly #clientTags = new Map<string, string[]>();
  readonly #actions: { clients: string; tag: string; type: string }[] = [];
  readonly #overrides: { clients: string; zone: string; type: string }[] = [];
  readonly #clientViews = new Map<string, string>();

  /** @returns false for options that are not about local data */
  read(key: string, value: string): boolean {
    const [first, second, third] = words(value);
    switch (key) {
      case 'define-tag':
        return true;
      case 'local-zone-tag':
        for (const zone of this.#global.zones.filter(one => one.name === first))
          zone.tags.push(...words(value).slice(1));
        return true;
      case 'local-zone-override':
        this.#overrides.push({ zone: first, clients: second, type: third });
        return true;
      case 'access-control-tag':
        this.#clientTags.set(first, words(value).slice(1));
        return true;
      case 'access-control-tag-action':
        this.#actions.push({ clients: first, tag: second, type: third });
        return true;
      case 'access-control-view':
        this.#clientViews.set(first, second);
        return true;
      default:
        return this.#readData(this.#global, key, value);
    }
  }

  /** @param clause each `view:` in the head has a number of its own */
  readView(clause: number, key: string, value: string): boolean {
    const id = `#${clause}`;
    const data = this.#views.get(id) ?? new Data();
    this.#views.set(id, data);
    if (key === 'name') this.#views.set(words(value)[0], data);
    else if (key === 'view-first') data.first = value === 'yes';
    else return this.#readData(data, key, value);
    return true;
  }

  #readData(data: Data, key: string, value: string): boolean {
    if (key === 'local-data') data.records.push(value);
    else if (key === 'local-zone') {
      const [name, type] = words(value);
      data.zones.push({ name, type, tags: [] });
    } else return false;
    return true;
  }

  /** What everybody is told, and what the clients of each prefix are. */
  build(): { local: Local; views: { name: string; clients: string[]; inherit: boolean; local: Local }[] } {
    const groups = new Set([
      ...this.#clientTags.keys(),
      ...this.#overrides.map(one => one.clients),
      ...this.#clientViews.keys(),
    ]);
    const views = [...groups].map(clients => {
      const view = this.#views.get(this.#clientViews.get(clients) ?? '');
      return {
        name: clients,
        clients: [clients],
        inherit: view?.first ?? false,
        local: view === undefined ? this.#localFor(this.#global, clients) : this.#localFor(view, undefined),
      };
    });
    return { local: this.#localFor(this.#global, undefined), views };
  }

  #localFor(data: Data, clients: string | undefined): Local {
    const tags = this.#clientTags.get(clients ?? '') ?? [];
    const typed = data.zones.map(zone => ({ ...zone, type: this.#typeFor(zone, clients, tags) }));
    // Zones of others' tags are not there, and what they hold is not either.
    const absent = typed.filter(one => one.type === 'absent' || one.type === 'always_transparent');
    const zoneOf = (name: Uint8Array): string | undefined =>
      typed
        .filter(one => isAtOrBelow(name, wire(one.name)))
        .sort((a, b) => wire(b.name).length - wire(a.name).length)[0]?.name;
    return {
      zones: typed
        .filter(one => one.type !== 'absent')
        .map(({ name, type }) => {
          if (!Object.hasOwn(KINDS, type)) throw new Unsupported(`local-zone of type ${type}`);
          return { name, kind: KINDS[type] };
        }),
      records: data.records.filter(record => !absent.some(one => one.name === zoneOf(ownerOf(record)))),
    };
  }

  #typeFor(zone: Zone, clients: string | undefined, tags: readonly string[]): string {
    const override = this.#overrides.find(one => one.clients === clients && one.zone === zone.name);
    if (override !== undefined) return override.type;
    if (zone.tags.length === 0) return zone.type;
    const common = zone.tags.filter(tag => tags.includes(tag));
    if (common.length === 0) return 'absent';
    return this.#actions.find(one => one.clients === clients && common.includes(one.tag))?.type ?? zone.type;
  }
}
