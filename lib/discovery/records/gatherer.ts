// One look at a service: asks for its records by their kinds in order, reads endpoints out of them and gets what is missing.
// Knows nothing of time, of earlier answers, or of who uses the endpoints.
//
// Bounds: `maxEndpoints` endpoints, those of the lowest priority first; eight aliases of SVCB records; the questions of
// hosts.ts.
import { formatSocketAddress } from '../../base/address.js';
import { Type } from '../../wire/iana.js';
import { nameKey } from '../../wire/name.js';
import { serviceError } from '../failures.js';
import type { FoundEndpoint, Finding, Ignored, RecordKind } from './found.js';
import { nothingIgnored } from './found.js';
import { addressesOfAll, askOrFail, eachOf } from './hosts.js';
import { type Metadata, NO_METADATA, readMetadata } from './metadata.js';
import { type Addresses, alongside, type Alongside, hostKey, hostText, isWithin, recordsOf, u16 } from './reading.js';
import { readServiceBinding } from './service-binding.js';
import { type Answer, QueryFailure, type RecordSource } from './source.js';

const MAX_ALIASES = 8;
const MAX_TEXTS_AT_ONCE = 32;
const HTTPS_PORT = 443;

export interface GathererOptions {
  /** With its final dot. */
  readonly name: string;
  /** In this order. */
  readonly kinds: readonly RecordKind[];
  /** Of the kinds that have none of their own. */
  readonly port: number | undefined;
  /** The domain that targets must be in. */
  readonly within: string | undefined;
  readonly maxEndpoints: number;
  /** Whether TXT records of targets are asked for where none come along. */
  readonly texts: boolean;
  /** Whether what is not proven is no answer. */
  readonly provenOnly: boolean;
}

/** An endpoint before its addresses are known. */
interface Target {
  host: string;
  key: string;
  port: number;
  priority: number;
  weight: number;
  alpn: readonly string[];
  instance: string | undefined;
  texts: Metadata | undefined;
  hints: readonly string[];
}

/** What the records of one kind come to. */
interface Targets {
  targets: Target[];
  ttl: number;
  along: Alongside;
  unproven: string | undefined;
  ignored: Ignored;
}
type Missing = Extract<Finding, { kind: 'missing' }>;
type Read = Targets | Exclude<Finding, { kind: 'set' }>;

const isTargets = (read: Read): read is Targets => !('kind' in read);
const ROOT = '\0';
/** `_http._tcp.`, which no host has. */
const SERVICE_LABELS = /^(_[^.]*\.)+/;

export class Gatherer {
  /** The kind that had endpoints last: it is asked for first. */
  #last: RecordKind | undefined;

  constructor(
    private readonly source: RecordSource,
    readonly options: GathererOptions,
  ) {}

  /**
   * @param name in the place of the service's own, as for a zone of a cluster
   * @throws {QueryFailure} no server could tell
   * @throws {ServiceError} `insecure`
   */
  async gather(name = this.options.name): Promise<Finding> {
    const { kinds } = this.options;
    const last = this.#last;
    const order = last === undefined ? kinds : [last, ...kinds.filter(kind => kind !== last)];
    let missing: Missing | undefined;
    let failure: unknown;
    for (const kind of order) {
      let read: Read;
      try {
        read = await this.#read(kind, name);
      } catch (error) {
        // Servers and middle boxes that do not know these types must not hide the addresses behind them.
        if (kind !== 'https' || kinds.length === 1 || !(error instanceof QueryFailure)) throw error;
        failure = error;
        continue;
      }
      if (isTargets(read)) {
        const found = await this.#complete(kind, read);
        if (found.kind === 'set') this.#last = kind;
        return found;
      }
      if (read.kind === 'not offered') return read;
      missing = { ...read, ttl: Math.min(read.ttl, missing?.ttl ?? Infinity), why: missing?.why ?? read.why };
    }
    if (missing === undefined) throw failure;
    return missing;
  }

  #read(kind: RecordKind, name: string): Promise<Read> {
    if (kind === 'srv') return this.#readSrv(name);
    if (kind === 'dns-sd') return this.#browse(name);
    if (kind === 'address') return Promise.resolve(this.#readHost(name));
    return this.#readBindings(name, kind === 'svcb' ? Type.SVCB : Type.HTTPS);
  }

  /** @throws {ServiceError} `insecure` where it has to be proven and is not */
  #judge(answer: Answer): string | undefined {
    const { unproven } = answer;
    if (unproven === undefined) return undefined;
    if (this.options.provenOnly) throw serviceError('insecure', this.options.name, unproven.reason);
    return unproven.reason;
  }

  async #ask(name: string, type: number): Promise<Answer> {
    const answer = await askOrFail(this.source, name, type);
    if (!(answer instanceof QueryFailure)) return answer;
    if (answer.unproven?.isBogus === true) {
      throw serviceError('insecure', this.options.name, answer.unproven.reason, answer);
    }
    throw answer;
  }

  async #readSrv(name: string): Promise<Read> {
    const answer = await this.#ask(name, Type.SRV);
    const unproven = this.#judge(answer);
    const { records, ttl } = recordsOf(answer, name, Type.SRV);
    if (records.length === 0) return missing(answer, name, 'SRV', ttl);
    const ignored = nothingIgnored();
    const targets: Target[] = [];
    for (const { data } of records) this.#addSrv(targets, data, ignored, undefined, undefined);
    if (records.every(one => isRoot(one.data, 6))) {
      return { kind: 'not offered', why: 'its target is "." (RFC 2782)', ttl };
    }
    return { targets, ttl, along: alongside(answer.additionals, keysOf(targets)), unproven, ignored };
  }

  #addSrv(
    targets: Target[],
    data: Uint8Array,
    ignored: Ignored,
    instance: string | undefined,
    texts: Metadata | undefined,
  ): void {
    const port = u16(data, 4);
    if (port === 0 || isRoot(data, 6)) {
      ignored.unusable++;
      return;
    }
    this.#add(targets, ignored, {
      host: hostText(data.subarray(6)),
      key: '',
      port,
      priority: u16(data, 0),
      weight: u16(data, 2),
      alpn: [],
      instance,
      texts,
      hints: [],
    });
  }

  #add(targets: Target[], ignored: Ignored, target: Target): void {
    const { within } = this.options;
    if (within !== undefined && !isWithin(target.host, within)) ignored.outside++;
    else targets.push({ ...target, key: hostKey(target.host) });
  }

  #readHost(name: string): Targets {
    const port = this.options.port ?? HTTPS_PORT;
    const host = name.slice(0, -1).toLowerCase().replace(SERVICE_LABELS, '');
    const ignored = nothingIgnored();
    const targets: Target[] = [];
    const plain = { priority: 0, weight: 1, alpn: [], instance: undefined, texts: undefined, hints: [] };
    targets.push({ ...plain, host, key: hostKey(host), port });
    return { targets, ttl: Infinity, along: NOTHING_ALONG, unproven: undefined, ignored };
  }

  async #readBindings(name: string, type: number): Promise<Read> {
    let asked = name;
    let ttl = Infinity;
    let unproven: string | undefined;
    for (let aliases = 0; ; aliases++) {
      const answer = await this.#ask(asked, type);
      unproven ??= this.#judge(answer);
      const found = recordsOf(answer, asked, type);
      ttl = Math.min(ttl, found.ttl);
      const bindings = found.records.map(one => readServiceBinding(one.data)).filter(one => one !== undefined);
      const alias = bindings.find(one => one.priority === 0);
      if (alias !== undefined) {
        if (alias.target.length === 1) return { kind: 'not offered', why: 'it is an alias of "." (RFC 9460)', ttl };
        if (aliases === MAX_ALIASES) return { kind: 'missing', why: `more than ${MAX_ALIASES} aliases`, ttl };
        asked = `${hostText(alias.target)}.`;
        continue;
      }
      if (bindings.length === 0) {
        // Behind an alias the target is the host, with the port of the service (RFC 9460 section 3).
        if (aliases > 0) return { ...this.#readHost(asked), ttl, unproven };
        return missing(answer, name, type === Type.SVCB ? 'SVCB' : 'HTTPS', ttl);
      }
      const ignored = nothingIgnored();
      const targets: Target[] = [];
      for (const one of bindings) {
        const port = one.port ?? this.options.port ?? HTTPS_PORT;
        if (port === 0) {
          ignored.unusable++;
          continue;
        }
        const host = hostText(one.target.length === 1 ? found.owner : one.target);
        const { priority, alpn, hints } = one;
        const target = { host, key: '', port, priority, weight: 1, alpn, hints, instance: undefined, texts: undefined };
        this.#add(targets, ignored, target);
      }
      return { targets, ttl, along: alongside(answer.additionals, keysOf(targets)), unproven, ignored };
    }
  }

  /** DNS-SD: the instances of a service, each with a SRV and a TXT record of its own (RFC 6763 sections 4 to 6). */
  async #browse(name: string): Promise<Read> {
    const answer = await this.#ask(name, Type.PTR);
    const along: Alongside = { addresses: new Map(), texts: new Map() };
    const ignored = nothingIgnored();
    const targets: Target[] = [];
    const listed = recordsOf(answer, name, Type.PTR);
    if (listed.records.length === 0) {
      this.#judge(answer);
      return missing(answer, name, 'PTR', listed.ttl);
    }
    let { ttl } = listed;
    let unproven = this.#judge(answer);
    const instances = listed.records.slice(0, this.options.maxEndpoints);
    ignored.over = listed.records.length - instances.length;
    await eachOf(instances, Math.min(MAX_TEXTS_AT_ONCE, instances.length), async ({ data }) => {
      const instance = `${hostText(data)}.`;
      const [srv, txt] = await Promise.all([
        askOrFail(this.source, instance, Type.SRV),
        askOrFail(this.source, instance, Type.TXT),
      ]);
      if (srv instanceof QueryFailure) {
        ignored.unresolved++;
        return;
      }
      unproven ??= this.#judge(srv);
      const found = recordsOf(srv, instance, Type.SRV);
      ttl = Math.min(ttl, found.ttl);
      let texts = NO_METADATA;
      if (!(txt instanceof QueryFailure)) {
        unproven ??= this.#judge(txt);
        texts = readMetadata(recordsOf(txt, instance, Type.TXT).records);
      }
      const label = Buffer.from(data.subarray(1, 1 + data[0])).toString('utf8');
      const own: Target[] = [];
      for (const one of found.records) this.#addSrv(own, one.data, ignored, label, texts);
      const came = alongside(srv.additionals, keysOf(own));
      for (const [key, addresses] of came.addresses) along.addresses.set(key, addresses);
      targets.push(...own);
    });
    return { targets, ttl, along, unproven, ignored };
  }

  /** Addresses and metadata for what was read. */
  async #complete(kind: RecordKind, read: Targets): Promise<Finding> {
    const { name, maxEndpoints } = this.options;
    const { ignored } = read;
    const targets = unique(read.targets);
    if (targets.length > maxEndpoints) {
      targets.sort((a, b) => a.priority - b.priority);
      ignored.over += targets.length - maxEndpoints;
      targets.length = maxEndpoints;
    }
    const hosts = new Map(targets.map(({ key, host }) => [key, host]));
    const [addresses, texts] = await Promise.all([
      addressesOfAll(this.source, hosts, read.along.addresses, kind === 'address' ? maxEndpoints : undefined),
      this.#textsOf(kind, hosts, read),
    ]);
    const unknown = new Set<string>();
    const endpoints: FoundEndpoint[] = [];
    let { ttl } = read;
    let { unproven } = read;
    for (const target of targets) {
      const found = addresses.get(target.key)!;
      if (found.unproven !== undefined && this.options.provenOnly) throw serviceError('insecure', name, found.unproven);
      unproven ??= found.unproven;
      ttl = Math.min(ttl, found.ttl);
      const at = found.addresses.length > 0 ? found.addresses : this.source.sort(target.hints);
      if (found.failed) unknown.add(target.host);
      if (at.length === 0) {
        ignored.unresolved++;
        continue;
      }
      const { host, port, priority, weight, alpn, instance } = target;
      const metadata = target.texts ?? texts.get(target.key) ?? NO_METADATA;
      const secure = this.source.proves && read.unproven === undefined && found.unproven === undefined;
      const id = `${host}:${port}`;
      endpoints.push({ id, host, port, priority, weight, addresses: at, metadata, alpn, instance, secure });
    }
    if (kind === 'address') {
      if (unknown.size > 0 && endpoints.length === 0) throw new QueryFailure('ESERVFAIL');
      if (endpoints.length === 0) return { kind: 'missing', why: `${name} has no address`, ttl: finite(ttl) };
      return { ...this.#ofAddresses(endpoints[0], ttl, unproven), unknown };
    }
    const secure = this.source.proves && unproven === undefined;
    return { kind: 'set', records: kind, endpoints, unknown, ignored, secure, unproven, ttl: finite(ttl) };
  }

  /** Of a name with addresses alone each address is an endpoint, as the pods of a headless service are. */
  #ofAddresses(host: FoundEndpoint, ttl: number, unproven: string | undefined): Extract<Finding, { kind: 'set' }> {
    const endpoints = host.addresses.map(address => {
      const id = formatSocketAddress({ address, port: host.port, family: address.includes(':') ? 6 : 4 });
      return { ...host, id, addresses: [address] };
    });
    const { secure } = host;
    const ignored = nothingIgnored();
    return {
      kind: 'set',
      records: 'address',
      endpoints,
      unknown: new Set(),
      ignored,
      secure,
      unproven,
      ttl: finite(ttl),
    };
  }

  async #textsOf(
    kind: RecordKind,
    hosts: ReadonlyMap<string, string>,
    { along }: Targets,
  ): Promise<Map<string, Metadata>> {
    const found = new Map<string, Metadata>();
    if (kind === 'dns-sd' || kind === 'address') return found;
    const wanted: [string, string][] = [];
    for (const [key, host] of hosts) {
      const came = along.texts.get(key);
      if (came !== undefined && !this.source.proves) found.set(key, readMetadata(came));
      else if (this.options.texts) wanted.push([key, host]);
    }
    await eachOf(wanted, Math.min(MAX_TEXTS_AT_ONCE, wanted.length), async ([key, host]) => {
      const answer = await askOrFail(this.source, `${host}.`, Type.TXT);
      if (answer instanceof QueryFailure) return;
      this.#judge(answer);
      found.set(key, readMetadata(recordsOf(answer, `${host}.`, Type.TXT).records));
    });
    return found;
  }
}

const NOTHING_ALONG: Alongside = { addresses: new Map<string, Addresses>(), texts: new Map() };

const finite = (ttl: number): number => (Number.isFinite(ttl) ? ttl : 0);
const isRoot = (data: Uint8Array, at: number): boolean => nameKey(data.subarray(at)) === ROOT;
const keysOf = (targets: readonly Target[]): Set<string> => new Set(targets.map(({ key }) => key));

function missing(answer: Answer, name: string, type: string, ttl: number): Missing {
  const why = answer.missing ? `there is no ${name}` : `${name} has no ${type} record`;
  return { kind: 'missing', why, ttl: finite(ttl) };
}

/** One target and port is one endpoint: of several records the one with the lowest priority, then the greatest weight. */
function unique(targets: readonly Target[]): Target[] {
  const found = new Map<string, Target>();
  for (const one of targets) {
    const id = `${one.key}${one.port}`;
    const other = found.get(id);
    const isBetter =
      other === undefined ||
      one.priority < other.priority ||
      (one.priority === other.priority && one.weight > other.weight);
    if (isBetter) found.set(id, one);
  }
  return [...found.values()];
}
