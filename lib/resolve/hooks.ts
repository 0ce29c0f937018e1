// Typed hooks of the slow path. They run on misses only; what they make of a query is cached like any answer, so hits
// stay native.
import type { RcodeName } from '../wire/iana.js';
import type { RecordText } from '../wire/record.js';

export interface QueryInfo {
  /** Lower case, escaped (RFC 1035 section 5.1), with the final dot. */
  readonly name: string;
  /** `A`, `AAAA`, `TYPE65280`, ... */
  readonly type: string;
  readonly dnssecOk: boolean;
  readonly protocol: 'udp' | 'tcp' | 'internal';
  /** The first client that asked; others may be waiting for the same answer. */
  readonly client: { readonly address: string; readonly port: number } | undefined;
  /** The client's tenant; undefined while it is not known, which is when `onQuery` is asked for it. */
  readonly tenant: number | undefined;
}

/**
 * What `onQuery` may decide: at most one of `answer`, `refuse`, `rewrite` and `group`. Nothing, or undefined, lets the
 * query go its way.
 */
export interface QueryDecision {
  answer?: RecordText[];
  /** Of `answer`; NOERROR if it is not given. */
  rcode?: RcodeName;
  /** Whether `answer` is cached; true if it is not given. */
  cache?: boolean;
  refuse?: RcodeName;
  /** Ask for another name (same type); the client sees a CNAME to it. */
  rewrite?: string;
  /** Ask this group of upstreams. */
  group?: string;
  /**
   * With `tenants.enabled`: the client's tenant, 0 to 2^32 - 2, 0 if it is not given. Tenants share no answers. It is
   * remembered for the client's address, so that its hits stay native; a change takes effect with its next query.
   */
  tenant?: number;
}

export interface ResponseInfo extends QueryInfo {
  readonly rcode: number;
  readonly message: Uint8Array;
  /** Address and port of the server that sent it. */
  readonly upstream: string;
}

export interface Hooks {
  onQuery?(query: QueryInfo): QueryDecision | undefined | Promise<QueryDecision | undefined>;
  /** Sees every response before it is stored; `'drop'` keeps it out of the cache. */
  onResponse?(response: ResponseInfo): 'drop' | undefined;
}
