// What DNS says of a service at one time: its endpoints, or that there are none, and for how long that holds.
import type { Metadata } from './metadata.js';

/** Where endpoints are read from. */
export type RecordKind = 'srv' | 'svcb' | 'https' | 'dns-sd' | 'address';

/** One endpoint, as its records have it. */
export interface FoundEndpoint {
  /** `host:port`; where addresses are all that is known, `address:port`. The same endpoint has the same one for ever. */
  readonly id: string;
  /** In lower case, without its final dot. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** 0 to 65535; the lowest is used first. */
  readonly priority: number;
  /** 0 to 65535. */
  readonly weight: number;
  /** In the order in which this machine reaches them; at least one. */
  readonly addresses: readonly string[];
  readonly metadata: Metadata;
  /** Protocols of SVCB and HTTPS records (RFC 9460 section 7.1). */
  readonly alpn: readonly string[];
  /** Of DNS-SD: the instance's own label. */
  readonly instance: string | undefined;
  /** All that led to it is proven (DNSSEC). False where nobody has looked. */
  readonly secure: boolean;
}

/** Records that are no endpoints, by why. */
export interface Ignored {
  /** Port 0, and targets that are the root beside others. */
  unusable: number;
  /** Targets outside the domain of `within`. */
  outside: number;
  /** No address was to be had, now. */
  unresolved: number;
  /** Not proven, where all has to be. */
  unproven: number;
  /** Beyond `maxEndpoints`. */
  over: number;
}

export const nothingIgnored = (): Ignored => ({ unusable: 0, outside: 0, unresolved: 0, unproven: 0, over: 0 });

export interface Gathered {
  readonly kind: 'set';
  readonly records: RecordKind;
  readonly endpoints: readonly FoundEndpoint[];
  /** Targets of which nobody could tell enough, now or before. */
  readonly unknown: number;
  readonly ignored: Readonly<Ignored>;
  readonly secure: boolean;
  /** Why it is not, where somebody has looked. */
  readonly unproven: string | undefined;
  /** Seconds: the least of all records. */
  readonly ttl: number;
}

export type Finding =
  | Gathered
  /**
   * @property ttl seconds for which that is said
   * @property noName whether there is no such name at all (NXDOMAIN), of whatever type
   */
  | { readonly kind: 'missing'; readonly why: string; readonly ttl: number; readonly noName: boolean }
  | { readonly kind: 'not offered'; readonly why: string; readonly ttl: number };
