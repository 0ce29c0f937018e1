// One look at a service: asks for its records by their kinds in order, reads endpoints out of them and gets what is missing.
// Of what nobody can tell now the last word holds (earlier.ts), and who is silent is not waited for (patience.ts). Knows
// nothing of who uses the endpoints.
//
// Bounds: `maxEndpoints` endpoints, those of the lowest priority first; eight aliases of SVCB records; the questions of
// hosts.ts.
import { formatSocketAddress } from '../../base/address.js';
import type { Clock } from '../../base/clock.js';
import { Type } from '../../wire/iana.js';
import { serviceError } from '../failures.js';
import { Earlier } from './earlier.js';
import type { FoundEndpoint, Finding, Gathered, Ignored, RecordKind } from './found.js';
import { addressesOfAll, askOrFail, eachOf, isTold } from './hosts.js';
import { readInstances, SERVICE_LABELS } from './instances.js';
import { type Metadata, NO_METADATA, readMetadata } from './metadata.js';
import { MAX_AT_ONCE, PatientSource } from './patience.js';
import { type Addresses, hostText, MAX_ADDRESSES, recordsOf } from './reading.js';
import { readServiceBinding } from './service-binding.js';
import { type Answer, QueryFailure, type RecordSource } from './source.js';
import { isRoot, type Target, TargetList, unique } from './targets.js';

const MAX_ALIASES = 8;
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
  /** Whether endpoints are chosen by their metadata: one whose metadata nobody can tell is none then. */
  readonly needsTexts: boolean;
  /** Whether what is not proven is no answer. */
  readonly provenOnly: boolean;
}

/** What the records of one kind come to. */
interface Targets {
  targets: readonly Target[];
  ttl: number;
  /** Of that which lists them. */
  unproven: string | undefined;
  ignored: Ignored;
  /** Of what lists them in turn nobody could tell. */
  unknown: number;
}
type Missing = Extract<Finding, { kind: 'missing' }>;
type Read = Targets | Exclude<Finding, { kind: 'set' }>;

const isTargets = (read: Read): read is Targets => !('kind' in read);

export class Gatherer {
  /** The kind that had endpoints last. */
  #last: RecordKind | undefined;
  readonly #earlier = new Earlier();
  /** For what is said of single targets and instances. */
  readonly #patient: PatientSource;

  constructor(
    private readonly source: RecordSource,
    readonly options: GathererOptions,
    clock: Clock,
  ) {
    this.#patient = new PatientSource(source, clock);
  }

  /**
   * @param name in the place of the service's own, as for a zone of a cluster
   * @throws {QueryFailure} no server could tell
   * @throws {ServiceError} `insecure`
   */
  async gather(name = this.options.name): Promise<Finding> {
    const { kinds } = this.options;
    let missing: Missing | undefined;
    let failure: unknown;
    this.#earlier.begin();
    this.#patient.begin();
    for (const kind of kinds) {
      let read: Read;
      try {
        read = await this.#read(kind, name);
      } catch (error) {
        if (!this.#mayDoWithout(kind) || !(error instanceof QueryFailure)) throw error;
        failure = error;
        continue;
      }
      if (isTargets(read)) return await this.#complete(kind, read);
      if (read.kind === 'not offered') return read;
      missing = {
        kind: 'missing',
        why: missing?.why ?? read.why,
        ttl: Math.min(read.ttl, missing?.ttl ?? Infinity),
        noName: read.noName && missing?.noName !== false,
      };
    }
    if (missing === undefined) throw failure;
    return missing;
  }

  /**
   * Whether the next kind is asked for where nobody can tell of this one. Servers and middle boxes that do not know HTTPS
   * records must not hide the addresses behind them, and that there are none holds as it was told before. But whoever holds an
   * answer back must not choose by that where all has to be proven (RFC 9460 section 3.1), or where one was there.
   */
  #mayDoWithout(kind: RecordKind): boolean {
    const { kinds, provenOnly } = this.options;
    const last = this.#last;
    if (provenOnly || kind === kinds.at(-1) || kind === last) return false;
    return kind === 'https' || last !== undefined;
  }

  /** What was told is too long ago to hold. */
  forget(): void {
    this.#earlier.forget();
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
    if (records.every(one => isRoot(one.data, 6))) {
      return { kind: 'not offered', why: 'its target is "." (RFC 2782)', ttl };
    }
    const list = new TargetList(this.options.within);
    for (const { data } of records) list.addSrv(data);
    return this.#readList(list, answer, ttl, unproven);
  }
  #readList(list: TargetList, answer: Answer, ttl: number, unproven: string | undefined): Targets {
    if (!this.source.proves) list.believe(answer.additionals, true);
    return { targets: list.targets, ttl, unproven, ignored: list.ignored, unknown: 0 };
  }

  /** @param list that takes it as it takes targets, where somebody else has named the host */
  #readHost(name: string, list = new TargetList(undefined)): Targets {
    const host = name.slice(0, -1).toLowerCase().replace(SERVICE_LABELS, '');
    list.add({ host, port: this.options.port ?? HTTPS_PORT });
    return { targets: list.targets, ttl: Infinity, unproven: undefined, ignored: list.ignored, unknown: 0 };
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
      const list = new TargetList(this.options.within);
      if (alias !== undefined) {
        if (alias.target.length === 1) return { kind: 'not offered', why: 'it is an alias of "." (RFC 9460)', ttl };
        if (aliases === MAX_ALIASES) {
          return { kind: 'missing', why: `more than ${MAX_ALIASES} aliases`, ttl, noName: false };
        }
        asked = `${hostText(alias.target)}.`;
        continue;
      }
      if (bindings.length === 0) {
        // Behind an alias the target is the host, with the port of the service (RFC 9460 section 3).
        if (aliases > 0) return { ...this.#readHost(asked, list), ttl, unproven };
        return missing(answer, name, type === Type.SVCB ? 'SVCB' : 'HTTPS', ttl);
      }
      for (const { priority, target, port = this.options.port ?? HTTPS_PORT, alpn, hints } of bindings) {
        const host = hostText(target.length === 1 ? found.owner : target);
        list.add({ host, port, priority, alpn, hints: hints.slice(0, MAX_ADDRESSES) });
      }
      return this.#readList(list, answer, ttl, unproven);
    }
  }

  /** DNS-SD. */
  async #browse(name: string): Promise<Read> {
    const answer = await this.#ask(name, Type.PTR);
    const unproven = this.#judge(answer);
    const { records, ttl } = recordsOf(answer, name, Type.PTR);
    if (records.length === 0) return missing(answer, name, 'PTR', ttl);
    const pointers = records.slice(0, this.options.maxEndpoints);
    const list = new TargetList(this.options.within);
    list.ignored.over = records.length - pointers.length;
    const found = await readInstances(this.#patient, pointers, list, this.#earlier, this.options);
    if (list.targets.length === 0 && this.options.provenOnly) this.#refuse(found.unproven);
    const { targets, ignored } = list;
    const { unknown } = found;
    return { targets, ttl: Math.min(ttl, found.ttl), unproven: unproven ?? found.unproven, ignored, unknown };
  }
  /** @throws {ServiceError} `insecure` where that is why there is nothing */
  #refuse(reason: string | undefined): void {
    if (reason !== undefined) throw serviceError('insecure', this.options.name, reason);
  }

  /** Addresses and metadata for what was read. */
  async #complete(kind: RecordKind, read: Targets): Promise<Gathered | Missing> {
    const { name, maxEndpoints, provenOnly } = this.options;
    const { ignored } = read;
    const targets = unique(read.targets);
    if (targets.length > maxEndpoints) {
      targets.sort((a, b) => a.priority - b.priority);
      ignored.over += targets.length - maxEndpoints;
      targets.length = maxEndpoints;
    }
    const hosts = new Map(targets.map(({ key, host }) => [key, host]));
    const came = new Map<string, Addresses>();
    for (const one of targets) if (one.came !== undefined) came.set(one.key, one.came);
    const most = kind === 'address' ? maxEndpoints : MAX_ADDRESSES;
    const [addresses, texts] = await Promise.all([
      addressesOfAll(this.#patient, hosts, came, { earlier: this.#earlier, provenOnly, most }),
      this.#textsOf(kind, targets),
    ]);
    const endpoints: FoundEndpoint[] = [];
    let { unknown } = read;
    let refused: string | undefined;
    let { ttl, unproven } = read;
    for (const target of targets) {
      const found = addresses.get(target.key)!;
      const text = texts.get(target.key) ?? NOTHING_TOLD;
      ttl = Math.min(ttl, found.ttl);
      const at = found.addresses.length > 0 ? found.addresses : this.source.sort(target.hints);
      const isWaiting = text.failed && this.options.needsTexts;
      if (found.failed || isWaiting) unknown++;
      if (at.length === 0 || isWaiting) {
        const reason = provenOnly ? (found.unproven ?? text.unproven) : undefined;
        refused ??= reason;
        if (reason === undefined) ignored.unresolved++;
        else ignored.unproven++;
        continue;
      }
      // Where all has to be proven, what is here is.
      const reason = provenOnly ? undefined : (target.unproven ?? found.unproven ?? text.unproven);
      unproven ??= reason;
      const { host, port, priority, weight, alpn, instance } = target;
      const metadata = target.texts ?? text.metadata;
      const secure = this.source.proves && read.unproven === undefined && reason === undefined;
      const id = `${host}:${port}`;
      endpoints.push({ id, host, port, priority, weight, addresses: at, metadata, alpn, instance, secure });
    }
    if (endpoints.length === 0) this.#refuse(refused);
    if (unknown > 0 && endpoints.length === 0) throw new QueryFailure('ESERVFAIL');
    if (kind === 'address' && endpoints.length === 0) {
      // None where the name is none of a host.
      const noName = targets.every(one => addresses.get(one.key)!.noName);
      return { kind: 'missing', why: `${name} has no address`, ttl: finite(ttl), noName };
    }
    this.#earlier.keep();
    this.#last = kind;
    const secure = this.source.proves && (provenOnly || unproven === undefined);
    const all = kind === 'address' ? eachAddress(endpoints[0]) : endpoints;
    return { kind: 'set', records: kind, endpoints: all, unknown, ignored, secure, unproven, ttl: finite(ttl) };
  }

  async #textsOf(kind: RecordKind, targets: readonly Target[]): Promise<Map<string, Texts>> {
    const found = new Map<string, Texts>();
    if (kind === 'dns-sd' || kind === 'address' || !this.options.texts) return found;
    const { texts: earlier } = this.#earlier;
    const wanted = new Map(targets.filter(one => one.texts === undefined).map(({ key, host }) => [key, host]));
    await eachOf(wanted, Math.min(MAX_AT_ONCE, wanted.size), async ([key, host]) => {
      const name = `${host}.`;
      const answer = await askOrFail(this.#patient, name, Type.TXT);
      const unproven = answer.unproven?.reason;
      if (isTold(answer, this.options)) {
        const metadata = earlier.told(name, readMetadata(recordsOf(answer, name, Type.TXT).records));
        found.set(key, { metadata, failed: false, unproven });
      } else {
        const known = earlier.untold(name);
        found.set(key, { metadata: known ?? NO_METADATA, failed: known === undefined, unproven });
      }
    });
    return found;
  }
}

interface Texts {
  readonly metadata: Metadata;
  /** Nobody could tell, now or before. */
  readonly failed: boolean;
  readonly unproven: string | undefined;
}
const NOTHING_TOLD: Texts = { metadata: NO_METADATA, failed: false, unproven: undefined };

/** Of a name with addresses alone each address is an endpoint, as the pods of a headless service are. */
function eachAddress(host: FoundEndpoint): FoundEndpoint[] {
  return host.addresses.map(address => {
    const id = formatSocketAddress({ address, port: host.port, family: address.includes(':') ? 6 : 4 });
    return { ...host, id, addresses: [address] };
  });
}

const finite = (ttl: number): number => (Number.isFinite(ttl) ? ttl : 0);

function missing(answer: Answer, name: string, type: string, ttl: number): Missing {
  const why = answer.missing ? `there is no ${name}` : `${name} has no ${type} record`;
  return { kind: 'missing', why, ttl: finite(ttl), noName: answer.missing };
}
