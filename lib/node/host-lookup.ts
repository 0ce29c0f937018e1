// What a host's name comes to, as getaddrinfo finds it: numbers, hosts file, localhost, then the name servers, for the names
// of a search list one after the other. Shared by all who ask for the same while it is under way.
import dns from 'node:dns';
import { ShardnsError } from '../base/errors.js';
import { Type } from '../wire/iana.js';
import type { Waiting } from './address-question.js';
import type { Answered } from './answered.js';
import { type DnsClient, LATER } from './client.js';
import { QueryFailure } from './errors.js';
import { among, isFound, type Outcome, type Wants } from './host-addresses.js';
import { asciiName, isHostName, isLocalhost, LOOPBACK, oldAddress } from './host-names.js';
import type { Hosts } from './hosts.js';
import type { Call } from './lookup-call.js';
import type { Unproven } from './proof.js';
import { readAddresses } from './reply.js';
import type { ReadReply } from './reply-failures.js';

/** Names to try, in order (resolv.conf(5): search, ndots). */
function candidatesFor(client: DnsClient, hostname: string): string[] {
  if (hostname.endsWith('.')) return [hostname];
  const { search, ndots } = client.conf;
  if (search.length === 0) return [hostname];
  let dots = 0;
  for (let i = 0; i < hostname.length; i++) if (hostname.charCodeAt(i) === 0x2e) dots++;
  const searched = search.map(suffix => `${hostname}.${suffix}`);
  return dots >= ndots ? [hostname, ...searched] : [...searched, hostname];
}

/** Undefined: the name is not there. */
type Answer = string[] | undefined | QueryFailure;

const readerOf = (type: number): ReadReply<string[] | undefined> =>
  Object.assign((reply: Uint8Array) => readAddresses(reply, type), { ofRecordsAlone: true as const });
const readV4 = readerOf(Type.A);
const readV6 = readerOf(Type.AAAA);
const NONE: string[] = [];

/** @throws mistakes */
function failed(error: unknown): Answer {
  if (error instanceof QueryFailure) return error;
  // What cannot be a name is not there.
  if (error instanceof ShardnsError && error.code === 'ERR_SHARDNS_MESSAGE') return undefined;
  throw error;
}

function combine(v4: Answer, v6: Answer, asked: Wants): Outcome {
  const found = { v4: Array.isArray(v4) ? v4 : NONE, v6: Array.isArray(v6) ? v6 : NONE };
  // One family is enough, whatever became of the other.
  if (found.v4.length + found.v6.length > 0) return found;
  if (v4 instanceof QueryFailure) return v4;
  if (v6 instanceof QueryFailure) return v6;
  return (asked.v4 && v4 === undefined) || (asked.v6 && v6 === undefined) ? 'noname' : 'nodata';
}

/** Which families are wanted, or that the machine cannot have what is. */
function wantsOf(client: DnsClient, { family, hints }: Call): Wants | 'noname' {
  const wants = { v4: family !== 6, v6: family !== 4 };
  // getaddrinfo(3): V4MAPPED asks for IPv4 too, where IPv6 is wanted.
  if (family === 6 && hints & dns.V4MAPPED) wants.v4 = true;
  if ((hints & dns.ADDRCONFIG) === 0) return wants;
  const has = client.local.families;
  if (has.v4 === has.v6) return wants;
  if (family !== 0) return (family === 4 ? has.v4 : has.v6) ? wants : 'noname';
  return { v4: has.v4, v6: has.v6 };
}

/** Failures after which a name that was only searched for is not waited for again. */
const SILENT: ReadonlySet<string> = new Set(['ETIMEOUT', 'ECONNREFUSED', 'ECANCELLED']);

/** Told of the end, once, in a turn of its own. Must not throw. */
export interface HostCaller {
  /** @param unproven of a client with `secure`: why not all that led to it is */
  came(outcome: Outcome, unproven: Unproven | undefined): void;
  broke(error: unknown): void;
}

export class HostLookup implements Waiting<Answered> {
  /** What it has come to; undefined while it is under way. */
  outcome: Outcome | undefined;
  /** Of a client with `secure`: why not all that led to it is. */
  unproven: Unproven | undefined;
  /** In the order in which they came. */
  #callers: HostCaller[] | undefined;
  #told = 0;
  #error: { error: unknown } | undefined;
  #asked: Wants = { v4: false, v6: false };
  #v4: Answer;
  #v6: Answer;
  #left = 0;
  // Of a search list.
  #names: readonly string[] = NONE;
  #at = 0;
  #asWritten = '';
  #best: Outcome = 'noname';
  #silent = false;

  #readV4 = readV4;
  #readV6 = readV6;

  constructor(
    private readonly client: DnsClient,
    private readonly call: Call,
    private readonly key: string,
  ) {
    if (client.settings.secure === undefined) return;
    const noting =
      (read: ReadReply<string[] | undefined>) =>
      (reply: Uint8Array, length: number): string[] | undefined => {
        this.unproven ??= client.unprovenIn(reply);
        return read(reply, length);
      };
    this.#readV4 = noting(readV4);
    this.#readV6 = noting(readV6);
  }

  /** @throws mistakes. `outcome` is set then, or when it returns, or later */
  begin(): void {
    const { call, client } = this;
    const name = asciiName(call.hostname);
    if (name === undefined) {
      this.outcome = 'noname';
      return;
    }
    const numeric = oldAddress(name);
    if (numeric !== undefined) {
      // getaddrinfo(3): an IPv4 address is none of IPv6, unless it may be mapped.
      const isNone = call.family === 6 && !(call.hints & dns.V4MAPPED);
      this.outcome = isNone ? 'addrfamily' : { v4: [numeric], v6: [] };
      return;
    }
    const { hosts } = client;
    if (hosts?.ready === undefined) {
      this.#find(name, hosts);
      return;
    }
    void hosts.ready.then(() => {
      try {
        this.#find(name, hosts);
      } catch (error) {
        this.#break(error);
      }
    });
  }

  wait(caller: HostCaller): void {
    if (this.#callers === undefined) {
      this.client.lookups.set(this.key, this);
      this.#callers = [caller];
    } else this.#callers.push(caller);
  }

  #find(name: string, hosts: Hosts | undefined): void {
    const { client } = this;
    const wants = wantsOf(client, this.call);
    if (wants === 'noname') {
      this.#end(wants);
      return;
    }
    const plain = name.endsWith('.') ? name.slice(0, -1) : name;
    const known = among(hosts?.find(plain), wants) ?? (isLocalhost(plain) ? among(LOOPBACK, wants) : undefined);
    const { noAaaa } = client.conf;
    if (known !== undefined) this.#end(known);
    else if (!isHostName(name)) this.#end('noname');
    else if (noAaaa && !wants.v4) this.#end('nodata');
    else {
      this.#asked = { v4: wants.v4, v6: wants.v6 && !noAaaa };
      this.#asWritten = name;
      this.#names = candidatesFor(client, name);
      this.#askNext();
    }
  }

  /**
   * The names of a search, one after the other, as glibc's res_search does it: a name whose servers are silent ends it, so
   * that a silent server takes the time of two names and not of all; the name as it was written is asked for in any case.
   */
  #askNext(): void {
    while (this.#at < this.#names.length) {
      const name = this.#names[this.#at++];
      if (this.#silent && name !== this.#asWritten) continue;
      const outcome = this.#ask(name);
      if (outcome === undefined || this.#isEnd(outcome, name)) return;
    }
    this.#end(this.#best);
  }

  /** Whether the search is over with what a name has come to. */
  #isEnd(outcome: Outcome, name: string): boolean {
    if (isFound(outcome)) {
      this.#end(outcome);
      return true;
    }
    // "Nobody could tell" outweighs "has no address" outweighs "is not there".
    if (outcome instanceof QueryFailure || (outcome === 'nodata' && this.#best === 'noname')) this.#best = outcome;
    if (outcome instanceof QueryFailure && name !== this.#asWritten) this.#silent ||= SILENT.has(outcome.code);
    return false;
  }

  /** Both families at once; undefined where the cache has not both. */
  #ask(name: string): Outcome | undefined {
    const { v4, v6 } = this.#asked;
    this.#left = 1;
    this.#v4 = v4 ? this.#askFor(name, Type.A) : NONE;
    this.#v6 = v6 ? this.#askFor(name, Type.AAAA) : NONE;
    return --this.#left === 0 ? combine(this.#v4, this.#v6, this.#asked) : undefined;
  }

  #askFor(name: string, type: number): Answer {
    try {
      const answer = this.client.ask(name, type, type === Type.A ? this.#readV4 : this.#readV6, this);
      if (answer !== LATER) return answer;
      this.#left++;
      return undefined;
    } catch (error) {
      return failed(error);
    }
  }

  told(type: number, answered: Answered): void {
    let answer: Answer;
    try {
      answer = this.client.read(answered, type === Type.A ? this.#readV4 : this.#readV6);
    } catch (error) {
      this.failed(type, error);
      return;
    }
    this.#answered(type, answer);
  }
  failed(type: number, error: unknown): void {
    let answer: Answer;
    try {
      answer = failed(error);
    } catch (mistake) {
      this.#break(mistake);
      return;
    }
    this.#answered(type, answer);
  }

  #answered(type: number, answer: Answer): void {
    if (this.#error !== undefined) return;
    if (type === Type.A) this.#v4 = answer;
    else this.#v6 = answer;
    if (--this.#left > 0) return;
    const name = this.#names[this.#at - 1];
    if (this.#isEnd(combine(this.#v4, this.#v6, this.#asked), name)) return;
    try {
      this.#askNext();
    } catch (error) {
      this.#break(error);
    }
  }

  #break(error: unknown): void {
    if (this.outcome !== undefined || this.#error !== undefined) return;
    this.#error = { error };
    this.#tellSoon();
  }

  #end(outcome: Outcome): void {
    this.outcome = outcome;
    if (this.#callers !== undefined) this.#tellSoon();
  }

  #tellSoon(): void {
    const { client, key } = this;
    if (client.lookups.get(key) === this) client.lookups.delete(key);
    process.nextTick(tellAll, this);
  }

  /** In one go; what a callback throws is the program's own uncaught exception, and the others are called after it. */
  tell(): void {
    const callers = this.#callers!;
    try {
      while (this.#told < callers.length) {
        const caller = callers[this.#told++];
        if (this.#error !== undefined) caller.broke(this.#error.error);
        else caller.came(this.outcome!, this.unproven);
      }
    } finally {
      if (this.#told < callers.length) process.nextTick(tellAll, this);
    }
  }
}

const tellAll = (lookup: HostLookup): void => lookup.tell();
