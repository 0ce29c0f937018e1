// Typed hooks of the slow path. They run on misses only; what they make of a query is cached like any answer, so hits
// stay native.
import { ShardnsError, show } from '../base/errors.js';
import { Rcode, type RcodeName } from '../wire/iana.js';
import type { RecordText } from '../wire/record.js';

export interface QueryInfo {
  /** Lower case, escaped (RFC 1035 section 5.1), with the final dot. */
  readonly name: string;
  /** `A`, `AAAA`, `TYPE65280`, ... */
  readonly type: string;
  readonly dnssecOk: boolean;
  readonly protocol: 'udp' | 'tcp' | 'tls' | 'https' | 'internal';
  /**
   * The client that asked first; others may be waiting for the same answer. Of a refresh, which no client waits for, the
   * one that the entry was last made for, so that it is decided as it was. Undefined for questions of the server's own:
   * `warm()`, and refreshes of entries that nobody is remembered for (after a restart, of a cache in a file). What is
   * decided without a client holds for the tenant that the decision names, or 0; a refresh of another tenant's entry is
   * given up then.
   */
  readonly client: { readonly address: string; readonly port: number } | undefined;
  /** The client's tenant; undefined while it is not known, which is when `onQuery` is asked for it. */
  readonly tenant: number | undefined;
}

/**
 * What `onQuery` may decide: at most one of `answer`, `refuse`, `rewrite` and `group`. Nothing, or undefined, lets the
 * query go its way. What is none of these is a mistake that is told, and SERVFAIL to the client.
 */
export interface QueryDecision {
  /**
   * Records of the name that was asked for, of one type or of all that it has, and of what its CNAME leads to. The client
   * gets those of the type it asked for, and aliases; where there is none of the type, a denial that lives as long as the
   * records. `[]` is a denial that is not cached. A record of any other name is a mistake.
   */
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
   * With `tenants.enabled`: the client's tenant, 0 to 2^32 - 2. Where it is not given, a known client stays where it is,
   * and an unknown one belongs to 0. Tenants share no answers. It is remembered for the client's address, so that its hits
   * stay native; where it is another one than `query.tenant`, the query is answered as the new tenant's, at once.
   */
  tenant?: number;
}

export interface ResponseInfo extends QueryInfo {
  readonly rcode: number;
  readonly message: Uint8Array;
  /** Address and port of the server that sent it; `recursion` for what was resolved from the root or a zone. */
  readonly upstream: string;
}

export interface Hooks {
  /** May promise its decision, which is waited for as long as for upstreams (`upstream.deadlineMs`): then it has failed. */
  onQuery?(query: QueryInfo): QueryDecision | undefined | Promise<QueryDecision | undefined>;
  /** Sees every response before it is stored; `'drop'` keeps it out of the cache. */
  onResponse?(response: ResponseInfo): 'drop' | undefined;
}

/** Every key that a decision may have. */
const DECISION: Readonly<Record<keyof QueryDecision, true>> = {
  answer: true,
  rcode: true,
  cache: true,
  refuse: true,
  rewrite: true,
  group: true,
  tenant: true,
};

/**
 * What a hook returned, as far as it can be told from rubbish without making records of it.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming what is wrong
 */
export function checkDecision(said: unknown): QueryDecision | undefined {
  const wrong = (what: string, value: unknown, expected: string): ShardnsError =>
    new ShardnsError('ERR_SHARDNS_OPTION', `onQuery returned ${what} ${show(value)}: expected ${expected}`);
  if (said === undefined || said === null) return undefined;
  if (typeof said !== 'object') throw wrong('the decision', said, 'an object or nothing');
  // A word spelt wrong would let the query go its way, which is what the hook may have wanted to prevent.
  const strange = Object.keys(said).find(key => !Object.hasOwn(DECISION, key));
  if (strange !== undefined) throw wrong('a decision with', strange, `only ${Object.keys(DECISION).join(', ')}`);
  const { answer, rcode, cache, refuse, rewrite, group } = said as Record<keyof QueryDecision, unknown>;
  const ways = Object.entries({ answer, refuse, rewrite, group }).filter(([, value]) => value !== undefined);
  if (ways.length > 1) throw wrong('both', ways.map(([key]) => key).join(' and '), 'one of them');
  if (answer === undefined) {
    for (const [name, value] of Object.entries({ rcode, cache })) {
      if (value !== undefined) throw wrong(`the ${name}`, value, 'an answer beside it');
    }
  }
  if (answer !== undefined && !Array.isArray(answer)) throw wrong('the answer', answer, 'a list of records');
  for (const [name, value] of Object.entries({ rcode, refuse })) {
    if (value === undefined) continue;
    // Beyond 15 it has no room in the header of every reply (RFC 6891 section 6.1.3).
    if (typeof value !== 'string' || !Object.hasOwn(Rcode, value) || Rcode[value as RcodeName] > 15) {
      throw wrong(`the ${name}`, value, 'NOERROR, NXDOMAIN, REFUSED, SERVFAIL and so on');
    }
  }
  if (cache !== undefined && typeof cache !== 'boolean') throw wrong('the cache', cache, 'a boolean');
  if (rewrite !== undefined && typeof rewrite !== 'string') throw wrong('the rewrite', rewrite, 'a name');
  if (group !== undefined && typeof group !== 'string') throw wrong('the group', group, 'the name of a group');
  return said as QueryDecision;
}
