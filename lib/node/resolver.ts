// `Resolver` in place of dns.promises.Resolver: the same methods, answers and errors, over the cache.
import dns from 'node:dns';
import { isIP } from 'node:net';
import { inspect } from 'node:util';
import { addressOctets } from '../base/address.js';
import { onAbort } from '../base/cancel.js';
import { ShardnsError } from '../base/errors.js';
import { headerRcode } from '../wire/flags.js';
import { Rcode, Type } from '../wire/iana.js';
import { decodeMessage, type ResourceRecord } from '../wire/message.js';
import { checkSignal, checkType, valueError } from './arguments.js';
import { type ClientDependencies, DnsClient } from './client.js';
import { defaultClient, defaultProvingClient } from './default-client.js';
import { abortError, insecureError, queryError, QueryFailure } from './errors.js';
import { asciiName, isAskable, isLocalhost, LOOPBACK } from './host-names.js';
import { normalAddress } from './hosts.js';
import type { LookupOptions } from './options.js';
import { reported, type Reported, type Secure, type Unproven } from './proof.js';
import { readAddressTtls, readAny, type ReadableType, readRecords, type RecordOf } from './records.js';
import { type NodeResolverOptions, type ProofOptions, readResolverOptions } from './resolver-options.js';
import { localAddressOf, readServers, showServers } from './resolver-settings.js';

export type { NodeResolverOptions };

export interface ResolverCallOptions {
  signal?: AbortSignal | undefined;
}
export interface AddressCallOptions extends ResolverCallOptions {
  ttl?: boolean | undefined;
}
export interface RecordWithTtl {
  address: string;
  /** Seconds. */
  ttl: number;
}

/** Names of Node's methods, which are the names in its errors: `queryMx`. */
const SYSCALLS: Partial<Record<ReadableType, string>> = {
  A: 'queryA',
  AAAA: 'queryAaaa',
  CAA: 'queryCaa',
  CNAME: 'queryCname',
  MX: 'queryMx',
  NAPTR: 'queryNaptr',
  NS: 'queryNs',
  PTR: 'queryPtr',
  SOA: 'querySoa',
  SRV: 'querySrv',
  TLSA: 'queryTlsa',
  TXT: 'queryTxt',
};

// Node's typings declare the methods as properties, which a class cannot override: its shape is given up, its identity
// kept, so that `instanceof dns.promises.Resolver` holds.
const NodeResolver = dns.promises.Resolver as unknown as new () => object;

/**
 * In place of dns.promises.Resolver.
 * @typeParam S the option `secure`, which says what results have beside what Node's have
 */
export class Resolver<S extends Secure | undefined = undefined> extends NodeResolver implements Disposable {
  #client: DnsClient | undefined;
  #owned: DnsClient | undefined;
  /** Owned ones that others have taken the place of while they were asked. */
  #former: DnsClient[] = [];
  readonly #timeoutMs: number | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #secure: Secure | undefined;
  /** Of a client of its own. */
  readonly #proof: ProofOptions;
  #stop: (() => void) | undefined;
  #servers: readonly string[] | undefined;
  #localAddress: ClientDependencies['localAddress'];
  readonly #pending = new Set<(error: Error) => void>();

  /**
   * @throws {TypeError | RangeError} as dns.promises.Resolver does
   * @throws {ShardnsError} ERR_SHARDNS_OPTION for what is proven how
   */
  constructor(
    options?: NodeResolverOptions<S>,
    private readonly dependencies: ClientDependencies = {},
  ) {
    super();
    const { timeoutMs, client, signal, secure, proof } = readResolverOptions(options);
    this.#timeoutMs = timeoutMs;
    this.#client = client;
    this.#signal = signal;
    this.#secure = secure;
    this.#proof = proof;
    const isOwn = timeoutMs !== undefined || Object.keys(proof).length > 0;
    if (isOwn && client === undefined) this.#own();
  }

  get client(): DnsClient {
    return (this.#client ??= this.#secure === undefined ? defaultClient() : defaultProvingClient());
  }

  /** A client with servers, time limits or addresses of its own has a cache of its own too. */
  #own(): void {
    const options: LookupOptions = {
      ...this.#client?.settings,
      ...(this.#secure === undefined ? {} : { secure: this.#secure }),
      ...this.#proof,
      memory: '1MiB',
    };
    if (this.#timeoutMs !== undefined) options.timeoutMs = this.#timeoutMs;
    const servers = this.#servers ?? this.dependencies.servers;
    const localAddress = this.#localAddress ?? this.dependencies.localAddress;
    const owned = new DnsClient(options, { ...this.dependencies, servers, localAddress });
    if (this.#owned !== undefined) this.#former.push(this.#owned);
    this.#owned = owned;
    this.#client = owned;
    this.#closeFormer();
  }
  #closeFormer(): void {
    if (this.#pending.size === 0) for (const one of this.#former.splice(0)) one.close();
  }

  /** As setServers() takes them; port 53 is not shown. */
  getServers(): string[] {
    return showServers(this.client.servers);
  }

  /** @throws {TypeError | RangeError | Error} as dns.promises.Resolver does, also while queries are under way */
  setServers(servers: readonly string[]): void {
    const read = readServers(servers);
    if (this.#pending.size > 0) {
      const text = `c-ares failed to set servers: "There are pending queries." [${inspect(servers)}]`;
      throw Object.assign(new Error(text), { code: 'ERR_DNS_SET_SERVERS_FAILED' });
    }
    this.#servers = read;
    this.#own();
  }

  /** Where queries come from; those under way are not touched. */
  setLocalAddress(ipv4?: string, ipv6?: string): void {
    this.#localAddress = localAddressOf(ipv4, ipv6);
    this.#own();
  }

  cancel(): void {
    for (const cancel of [...this.#pending]) cancel(new QueryFailure('ECANCELLED'));
  }

  resolve(
    hostname: string,
    rrtype?: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR',
    options?: ResolverCallOptions,
  ): Promise<Reported<S, string[]>>;
  resolve<T extends ReadableType>(
    hostname: string,
    rrtype: T,
    options?: ResolverCallOptions,
  ): Promise<Reported<S, RecordOf<T>[]>>;
  resolve(hostname: string, rrtype: 'SOA', options?: ResolverCallOptions): Promise<Reported<S, RecordOf<'SOA'>>>;
  resolve(hostname: string, rrtype: 'ANY', options?: ResolverCallOptions): Promise<Reported<S, object[]>>;
  resolve(hostname: string, rrtype = 'A', options?: ResolverCallOptions): Promise<unknown> {
    checkType('rrtype', 'string', rrtype);
    if (rrtype === 'ANY') return this.resolveAny(hostname, options);
    if (rrtype === 'SOA') return this.resolveSoa(hostname, options);
    if (!Object.hasOwn(SYSCALLS, rrtype)) throw valueError('rrtype', 'is invalid', rrtype);
    return this.#records(hostname, rrtype as ReadableType, options);
  }

  resolve4(hostname: string, options: AddressCallOptions & { ttl: true }): Promise<Reported<S, RecordWithTtl[]>>;
  resolve4(hostname: string, options?: AddressCallOptions): Promise<Reported<S, string[]>>;
  resolve4(hostname: string, options?: AddressCallOptions): Promise<unknown> {
    return this.#addresses(hostname, 'A', options);
  }
  resolve6(hostname: string, options: AddressCallOptions & { ttl: true }): Promise<Reported<S, RecordWithTtl[]>>;
  resolve6(hostname: string, options?: AddressCallOptions): Promise<Reported<S, string[]>>;
  resolve6(hostname: string, options?: AddressCallOptions): Promise<unknown> {
    return this.#addresses(hostname, 'AAAA', options);
  }
  resolveCaa(hostname: string, options?: ResolverCallOptions): Promise<Reported<S, RecordOf<'CAA'>[]>> {
    return this.#records(hostname, 'CAA', options);
  }
  resolveCname(hostname: string, options?: ResolverCallOptions): Promise<Reported<S, string[]>> {
    return this.#records(hostname, 'CNAME', options);
  }
  resolveMx(hostname: string, options?: ResolverCallOptions): Promise<Reported<S, RecordOf<'MX'>[]>> {
    return this.#records(hostname, 'MX', options);
  }
  resolveNaptr(hostname: string, options?: ResolverCallOptions): Promise<Reported<S, RecordOf<'NAPTR'>[]>> {
    return this.#records(hostname, 'NAPTR', options);
  }
  resolveNs(hostname: string, options?: ResolverCallOptions): Promise<Reported<S, string[]>> {
    return this.#records(hostname, 'NS', options);
  }
  resolvePtr(hostname: string, options?: ResolverCallOptions): Promise<Reported<S, string[]>> {
    return this.#records(hostname, 'PTR', options);
  }
  resolveSoa(hostname: string, options?: ResolverCallOptions): Promise<Reported<S, RecordOf<'SOA'>>> {
    const syscall = SYSCALLS.SOA!;
    checkType('name', 'string', hostname);
    checkSignal('options.signal', options?.signal);
    return this.#answers(
      hostname,
      Type.SOA,
      [syscall, hostname],
      options,
      answers => orThrow(readRecords(answers, 'SOA'), syscall, 'ENODATA', hostname)[0],
    );
  }
  resolveSrv(hostname: string, options?: ResolverCallOptions): Promise<Reported<S, RecordOf<'SRV'>[]>> {
    return this.#records(hostname, 'SRV', options);
  }
  resolveTlsa(hostname: string, options?: ResolverCallOptions): Promise<Reported<S, RecordOf<'TLSA'>[]>> {
    return this.#records(hostname, 'TLSA', options);
  }
  resolveTxt(hostname: string, options?: ResolverCallOptions): Promise<Reported<S, string[][]>> {
    return this.#records(hostname, 'TXT', options);
  }

  resolveAny(hostname: string, options?: ResolverCallOptions): Promise<Reported<S, dns.AnyRecord[]>> {
    checkType('name', 'string', hostname);
    checkSignal('options.signal', options?.signal);
    // It goes past the cache, and with it past what is answered there (RFC 6761 section 6.3).
    if (isLocalhost(hostname.endsWith('.') ? hostname.slice(0, -1) : hostname)) {
      const ofType = (type: 'A' | 'AAAA', [address]: readonly string[]) => ({ type, address, ttl: LOOPBACK_TTL });
      return Promise.resolve(this.#ownWord([ofType('A', LOOPBACK.v4), ofType('AAAA', LOOPBACK.v6)]));
    }
    return this.#answers(hostname, Type.ANY, ['queryAny', hostname], options, answers =>
      orThrow(readAny(answers) as dns.AnyRecord[], 'queryAny', 'ENODATA', hostname),
    );
  }

  reverse(address: string, options?: ResolverCallOptions): Promise<Reported<S, string[]>> {
    checkType('name', 'string', address);
    checkSignal('options.signal', options?.signal);
    if (isIP(address) === 0) return Promise.reject(queryError('getHostByAddr', 'EINVAL', address));
    const { hosts } = this.client;
    if (hosts?.ready === undefined) return this.#reverse(address, options);
    return hosts.ready.then(() => this.#reverse(address, options));
  }
  #reverse(address: string, options: ResolverCallOptions | undefined): Promise<Reported<S, string[]>> {
    const known = this.client.hosts?.namesOf(normalAddress(address));
    if (known !== undefined) return Promise.resolve(this.#ownWord([...known]));
    const name = reverseName(addressOctets(address));
    return this.#answers(name, Type.PTR, ['getHostByAddr', address], options, answers =>
      orThrow(readRecords(answers, 'PTR'), 'getHostByAddr', 'ENOTFOUND', address),
    );
  }

  #records<T extends ReadableType>(
    hostname: string,
    type: T,
    options: ResolverCallOptions | undefined,
  ): Promise<Reported<S, RecordOf<T>[]>> {
    checkType('name', 'string', hostname);
    checkSignal('options.signal', options?.signal);
    const syscall = SYSCALLS[type]!;
    return this.#answers(hostname, Type[type], [syscall, hostname], options, answers =>
      orThrow(readRecords(answers, type), syscall, 'ENODATA', hostname),
    );
  }

  #addresses(hostname: string, type: 'A' | 'AAAA', options: AddressCallOptions | undefined): Promise<unknown> {
    checkType('name', 'string', hostname);
    checkSignal('options.signal', options?.signal);
    const syscall = SYSCALLS[type]!;
    return this.#answers(hostname, Type[type], [syscall, hostname], options, answers => {
      const found = orThrow(readAddressTtls(answers, type), syscall, 'ENODATA', hostname);
      return options?.ttl ? found : found.map(one => one.address);
    });
  }

  /** What no network had a say in. */
  #ownWord<T extends object>(value: T): Reported<S, T> {
    return (this.#secure === undefined ? value : reported(value, true)) as Reported<S, T>;
  }

  /** @throws {InsecureError} where it has to be proven and is not */
  #judged<T extends object>(unproven: Unproven | undefined, [syscall, hostname]: [string, string], take: () => T): T {
    if (this.#secure === undefined) return take();
    if (unproven !== undefined && this.#secure === 'required') throw insecureError(syscall, hostname, unproven);
    const secure = unproven === undefined;
    try {
      return reported(take(), secure);
    } catch (error) {
      // That there is no such name, or no such data, is proven or not.
      throw reported(error as Error, secure);
    }
  }

  #answers<T extends object>(
    name: string,
    type: number,
    call: [string, string],
    options: ResolverCallOptions | undefined,
    take: (answers: ResourceRecord[]) => T,
  ): Promise<Reported<S, T>> {
    const [syscall, hostname] = call;
    return new Promise((resolve, reject) => {
      const signal = options?.signal;
      if (signal?.aborted) {
        reject(abortError(signal));
        return;
      }
      const { client } = this;
      const read = (reply: Uint8Array, length: number): Reported<S, T> =>
        this.#judged(client.unprovenIn(reply), call, () => {
          if (headerRcode(reply) === Rcode.NXDOMAIN) throw queryError(syscall, 'ENOTFOUND', hostname);
          return take(decodeMessage(reply.subarray(0, length)).answers);
        }) as Reported<S, T>;
      const errorOf = (error: unknown): Error => {
        if (error instanceof QueryFailure) {
          const { code, unproven } = error;
          const isRefused = unproven?.isBogus === true && this.#secure === 'required';
          return isRefused ? insecureError(syscall, hostname, unproven) : queryError(syscall, code, hostname, error);
        }
        const bad = error instanceof ShardnsError && error.code === 'ERR_SHARDNS_MESSAGE';
        return bad ? queryError(syscall, 'EBADNAME', hostname, error) : (error as Error);
      };
      let answer: Reported<S, T> | Promise<Reported<S, T>>;
      try {
        const asked = asciiName(name);
        if (asked === undefined || !isAskable(asked)) throw queryError(syscall, 'EBADNAME', hostname);
        answer = client.query(asked, type, read);
      } catch (error) {
        reject(errorOf(error));
        return;
      }
      if (!(answer instanceof Promise)) {
        resolve(answer);
        return;
      }
      client.alive.hold();
      const settle = (): void => {
        if (!this.#settled(fail)) return;
        stop?.();
        client.alive.release();
      };
      const fail = (error: Error): void => {
        settle();
        reject(errorOf(error));
      };
      const stop = signal && onAbort(signal, () => fail(abortError(signal)));
      this.#begun(fail);
      answer.then(value => {
        settle();
        resolve(value);
      }, fail);
    });
  }

  #begun(fail: (error: Error) => void): void {
    this.#pending.add(fail);
    // Only while something is under way, so that a signal does not hold resolvers that are not used any more.
    if (this.#signal !== undefined && !this.#signal.aborted) {
      this.#stop ??= onAbort(this.#signal, () => this.cancel());
    }
  }
  /** False where it was settled before. */
  #settled(fail: (error: Error) => void): boolean {
    if (!this.#pending.delete(fail)) return false;
    if (this.#pending.size === 0) {
      this.#stop?.();
      this.#stop = undefined;
      this.#closeFormer();
    }
    return true;
  }

  /** Lets go of a client of its own, if it has one. */
  close(): void {
    this.cancel();
    this.#owned?.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

/** RFC 6303 section 3, as the answers from the cache have it. */
const LOOPBACK_TTL = 10_800;

function orThrow<T>(found: T[], syscall: string, code: string, hostname: string): T[] {
  if (found.length === 0) throw queryError(syscall, code, hostname);
  return found;
}

function reverseName(octets: Uint8Array): string {
  if (octets.length === 4) return `${[...octets].reverse().join('.')}.in-addr.arpa`;
  const nibbles = [...octets].flatMap(octet => [octet >> 4, octet & 15]).reverse();
  return `${nibbles.map(nibble => nibble.toString(16)).join('.')}.ip6.arpa`;
}
