// `Resolver` in place of dns.promises.Resolver: the same methods, answers and errors, over the cache.
import dns from 'node:dns';
import { isIP } from 'node:net';
import { addressOctets } from '../base/address.js';
import { parseSocketAddress } from '../base/address.js';
import { ShardnsError } from '../base/errors.js';
import { Rcode, Type } from '../wire/iana.js';
import { decodeMessage, type ResourceRecord } from '../wire/message.js';
import { type ClientDependencies, DnsClient } from './client.js';
import { defaultClient } from './default-client.js';
import { argumentError, queryError, QueryFailure, valueError } from './errors.js';
import type { LookupOptions } from './options.js';
import { readAddressTtls, readAny, type ReadableType, readRecords, type RecordOf } from './records.js';

export interface ResolverCallOptions {
  signal?: AbortSignal | undefined;
}
export interface AddressCallOptions extends ResolverCallOptions {
  ttl?: boolean | undefined;
}
export interface NodeResolverOptions {
  /** Milliseconds of one try; -1 = as configured. */
  timeout?: number | undefined;
  tries?: number | undefined;
  /** Share a client, and with it a cache. */
  client?: DnsClient | undefined;
  signal?: AbortSignal | undefined;
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

export class Resolver extends NodeResolver implements Disposable {
  #client: DnsClient | undefined;
  #owned: DnsClient | undefined;
  readonly #options: LookupOptions;
  #localAddress: ClientDependencies['localAddress'];
  readonly #pending = new Set<(error: QueryFailure) => void>();

  constructor(
    options: NodeResolverOptions = {},
    private readonly dependencies: ClientDependencies = {},
  ) {
    super();
    const { timeout = -1, tries = 4 } = options;
    if (!Number.isInteger(timeout) || timeout < -1) throw valueError('options.timeout', '>= -1', timeout);
    if (!Number.isInteger(tries) || tries < 1) throw valueError('options.tries', '>= 1', tries);
    this.#options = timeout === -1 ? {} : { timeoutMs: Math.max(10, Math.min(timeout * tries, 60_000)) };
    this.#client = options.client;
    if (timeout !== -1 && options.client === undefined) this.#own({});
    options.signal?.addEventListener('abort', () => this.cancel());
  }

  get client(): DnsClient {
    return (this.#client ??= defaultClient());
  }

  /** A client with servers, time limits or addresses of its own has a cache of its own too. */
  #own(options: LookupOptions): void {
    Object.assign(this.#options, options);
    this.#owned?.close();
    this.#owned = new DnsClient(
      { memory: '1MiB', ...this.#options },
      { ...this.dependencies, localAddress: this.#localAddress },
    );
    this.#client = this.#owned;
  }

  getServers(): string[] {
    return this.client.servers.map(text => {
      const { address, port, family } = parseSocketAddress(text, 'servers', 53);
      return port === 53 ? address : family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
    });
  }

  setServers(servers: readonly string[]): void {
    if (!Array.isArray(servers)) throw argumentError('servers', 'an instance of Array', servers);
    for (const text of servers as unknown[]) {
      if (typeof text !== 'string') throw argumentError('servers', 'an array of strings', text);
      try {
        parseSocketAddress(text, 'servers', 53);
      } catch {
        const error = new TypeError(`Invalid IP address: ${text}`);
        throw Object.assign(error, { code: 'ERR_INVALID_IP_ADDRESS' });
      }
    }
    this.#own({ servers: [...servers] });
  }

  setLocalAddress(ipv4 = '0.0.0.0', ipv6 = '::0'): void {
    if (isIP(ipv4) === 0 || isIP(ipv6) === 0) {
      throw Object.assign(new Error(`Invalid IP address: ${isIP(ipv4) === 0 ? ipv4 : ipv6}`), {
        code: 'ERR_INVALID_ARG_VALUE',
      });
    }
    this.#localAddress = { v4: isIP(ipv4) === 4 ? ipv4 : '0.0.0.0', v6: isIP(ipv4) === 6 ? ipv4 : ipv6 };
    this.#own({ servers: [...this.client.servers] });
  }

  cancel(): void {
    for (const reject of [...this.#pending]) reject(new QueryFailure('ECANCELLED'));
  }

  resolve(
    hostname: string,
    rrtype?: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR',
    options?: ResolverCallOptions,
  ): Promise<string[]>;
  resolve<T extends ReadableType>(hostname: string, rrtype: T, options?: ResolverCallOptions): Promise<RecordOf<T>[]>;
  resolve(hostname: string, rrtype: 'SOA', options?: ResolverCallOptions): Promise<RecordOf<'SOA'>>;
  resolve(hostname: string, rrtype: 'ANY', options?: ResolverCallOptions): Promise<object[]>;
  async resolve(hostname: string, rrtype = 'A', options?: ResolverCallOptions): Promise<unknown> {
    if (typeof rrtype !== 'string') throw argumentError('rrtype', 'of type string', rrtype);
    if (rrtype === 'ANY') return this.resolveAny(hostname, options);
    if (rrtype === 'SOA') return this.resolveSoa(hostname, options);
    if (!Object.hasOwn(SYSCALLS, rrtype)) throw valueError('rrtype', 'a known record type', rrtype);
    return this.#records(hostname, rrtype as ReadableType, options);
  }

  resolve4(hostname: string, options: AddressCallOptions & { ttl: true }): Promise<RecordWithTtl[]>;
  resolve4(hostname: string, options?: AddressCallOptions): Promise<string[]>;
  resolve4(hostname: string, options?: AddressCallOptions): Promise<unknown> {
    return this.#addresses(hostname, 'A', options);
  }
  resolve6(hostname: string, options: AddressCallOptions & { ttl: true }): Promise<RecordWithTtl[]>;
  resolve6(hostname: string, options?: AddressCallOptions): Promise<string[]>;
  resolve6(hostname: string, options?: AddressCallOptions): Promise<unknown> {
    return this.#addresses(hostname, 'AAAA', options);
  }
  resolveCaa(hostname: string, options?: ResolverCallOptions): Promise<RecordOf<'CAA'>[]> {
    return this.#records(hostname, 'CAA', options);
  }
  resolveCname(hostname: string, options?: ResolverCallOptions): Promise<string[]> {
    return this.#records(hostname, 'CNAME', options);
  }
  resolveMx(hostname: string, options?: ResolverCallOptions): Promise<RecordOf<'MX'>[]> {
    return this.#records(hostname, 'MX', options);
  }
  resolveNaptr(hostname: string, options?: ResolverCallOptions): Promise<RecordOf<'NAPTR'>[]> {
    return this.#records(hostname, 'NAPTR', options);
  }
  resolveNs(hostname: string, options?: ResolverCallOptions): Promise<string[]> {
    return this.#records(hostname, 'NS', options);
  }
  resolvePtr(hostname: string, options?: ResolverCallOptions): Promise<string[]> {
    return this.#records(hostname, 'PTR', options);
  }
  async resolveSoa(hostname: string, options?: ResolverCallOptions): Promise<RecordOf<'SOA'>> {
    return (await this.#records(hostname, 'SOA', options))[0];
  }
  resolveSrv(hostname: string, options?: ResolverCallOptions): Promise<RecordOf<'SRV'>[]> {
    return this.#records(hostname, 'SRV', options);
  }
  resolveTlsa(hostname: string, options?: ResolverCallOptions): Promise<RecordOf<'TLSA'>[]> {
    return this.#records(hostname, 'TLSA', options);
  }
  resolveTxt(hostname: string, options?: ResolverCallOptions): Promise<string[][]> {
    return this.#records(hostname, 'TXT', options);
  }

  async resolveAny(hostname: string, options?: ResolverCallOptions): Promise<object[]> {
    const answers = await this.#answers(nameOf(hostname), Type.ANY, ['queryAny', hostname], options);
    const found = readAny(answers);
    if (found.length === 0) throw queryError('queryAny', 'ENODATA', hostname);
    return found;
  }

  async reverse(address: string, options?: ResolverCallOptions): Promise<string[]> {
    if (typeof address !== 'string') throw argumentError('name', 'of type string', address);
    if (isIP(address) === 0) throw queryError('getHostByAddr', 'EINVAL', address);
    const known = this.client.hosts?.addresses.get(address);
    if (known !== undefined) return [...known];
    const name = reverseName(addressOctets(address));
    const answers = await this.#answers(name, Type.PTR, ['getHostByAddr', address], options);
    const found = readRecords(answers, 'PTR');
    if (found.length === 0) throw queryError('getHostByAddr', 'ENOTFOUND', address);
    return found;
  }

  async #records<T extends ReadableType>(
    hostname: string,
    type: T,
    options: ResolverCallOptions | undefined,
  ): Promise<RecordOf<T>[]> {
    const syscall = SYSCALLS[type]!;
    const answers = await this.#answers(nameOf(hostname), Type[type], [syscall, hostname], options);
    const found = readRecords(answers, type);
    if (found.length === 0) throw queryError(syscall, 'ENODATA', hostname);
    return found;
  }

  async #addresses(hostname: string, type: 'A' | 'AAAA', options: AddressCallOptions | undefined): Promise<unknown> {
    const syscall = SYSCALLS[type]!;
    const answers = await this.#answers(nameOf(hostname), Type[type], [syscall, hostname], options);
    const found = readAddressTtls(answers, type);
    if (found.length === 0) throw queryError(syscall, 'ENODATA', hostname);
    return options?.ttl ? found : found.map(one => one.address);
  }

  #answers(
    name: string,
    type: number,
    [syscall, hostname]: [string, string],
    options: ResolverCallOptions | undefined,
  ): Promise<ResourceRecord[]> {
    return new Promise((resolve, reject) => {
      const signal = options?.signal;
      const settle = (): void => {
        this.#pending.delete(cancel);
        signal?.removeEventListener('abort', abort);
      };
      const fail = (error: unknown): void => {
        settle();
        if (error instanceof QueryFailure) reject(queryError(syscall, error.code, hostname, error));
        else reject(error as Error);
      };
      const cancel = (error: QueryFailure): void => fail(error);
      const abort = (): void => fail(signal!.reason);
      if (signal?.aborted) {
        abort();
        return;
      }
      this.#pending.add(cancel);
      signal?.addEventListener('abort', abort, { once: true });
      const read = (reply: Uint8Array, length: number): ResourceRecord[] => {
        if ((reply[3] & 0x0f) === Rcode.NXDOMAIN) throw queryError(syscall, 'ENOTFOUND', hostname);
        return decodeMessage(reply.subarray(0, length)).answers;
      };
      const succeed = (answers: ResourceRecord[]): void => {
        settle();
        resolve(answers);
      };
      try {
        const answers = this.client.query(name, type, read);
        if (answers instanceof Promise) answers.then(succeed, fail);
        else succeed(answers);
      } catch (error) {
        const bad = error instanceof ShardnsError && error.code === 'ERR_SHARDNS_MESSAGE';
        fail(bad ? queryError(syscall, 'EBADNAME', hostname, error) : error);
      }
    });
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

function nameOf(hostname: unknown): string {
  if (typeof hostname !== 'string') throw argumentError('name', 'of type string', hostname);
  return hostname;
}

function reverseName(octets: Uint8Array): string {
  if (octets.length === 4) return `${[...octets].reverse().join('.')}.in-addr.arpa`;
  const nibbles = [...octets].flatMap(octet => [octet >> 4, octet & 15]).reverse();
  return `${nibbles.map(nibble => nibble.toString(16)).join('.')}.ip6.arpa`;
}
