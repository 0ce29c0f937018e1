// `lookup` to the contract of dns.lookup, without its thread pool: what net, tls, http, https, http2, dgram, undici, got
// and axios call (Node's documentation of dns.lookup; getaddrinfo(3)).
import dns from 'node:dns';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import { onAbort } from '../base/cancel.js';
import { ShardnsError } from '../base/errors.js';
import { Type } from '../wire/iana.js';
import { sortAddresses } from './address-order.js';
import type { DnsClient } from './client.js';
import { abortError, EAI, lookupError, QueryFailure } from './errors.js';
import { asciiName, isHostName, isLocalhost, LOOPBACK, oldAddress } from './host-names.js';
import type { Hosts } from './hosts.js';
import {
  type Call,
  type LookupAddress,
  type LookupAllCallback,
  type LookupCallback,
  type LookupCallOptions,
  type LookupFunction,
  type PromisedLookup,
  readCall,
} from './lookup-call.js';
import { readAddresses } from './reply.js';
import { lookupChannel, timeLookup } from './telemetry.js';

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

interface Found {
  readonly v4: readonly string[];
  readonly v6: readonly string[];
  /** As those who asked for the same get it, of whom each takes a copy. */
  arranged?: { order: string; addresses: readonly LookupAddress[] };
}
/** Addresses; or what there is instead (EAI), or that nobody could tell. */
type Outcome = Found | 'noname' | 'nodata' | 'addrfamily' | QueryFailure;
type Wants = { v4: boolean; v6: boolean };

function isFound(outcome: Outcome): outcome is Found {
  return typeof outcome === 'object' && !(outcome instanceof QueryFailure);
}

type Answer = string[] | undefined | QueryFailure;

const readV4 = (reply: Uint8Array): string[] | undefined => readAddresses(reply, Type.A);
const readV6 = (reply: Uint8Array): string[] | undefined => readAddresses(reply, Type.AAAA);

function failed(error: unknown): Answer {
  if (error instanceof QueryFailure) return error;
  // What cannot be a name is not there.
  if (error instanceof ShardnsError && error.code === 'ERR_SHARDNS_MESSAGE') return undefined;
  throw error;
}

function ask(client: DnsClient, name: string, v4: boolean): Answer | Promise<Answer> {
  try {
    const answer = v4 ? client.query(name, Type.A, readV4) : client.query(name, Type.AAAA, readV6);
    return answer instanceof Promise ? answer.catch(failed) : answer;
  } catch (error) {
    return failed(error);
  }
}

function combine(v4: Answer, v6: Answer, asked: { v4: boolean; v6: boolean }): Outcome {
  const found = { v4: Array.isArray(v4) ? v4 : [], v6: Array.isArray(v6) ? v6 : [] };
  // One family is enough, whatever became of the other.
  if (found.v4.length + found.v6.length > 0) return found;
  if (v4 instanceof QueryFailure) return v4;
  if (v6 instanceof QueryFailure) return v6;
  return (asked.v4 && v4 === undefined) || (asked.v6 && v6 === undefined) ? 'noname' : 'nodata';
}

/** Both families at once; in this turn where the cache has them. */
function resolveName(client: DnsClient, hostname: string, asked: Wants): Outcome | Promise<Outcome> {
  const v4 = asked.v4 ? ask(client, hostname, true) : [];
  const v6 = asked.v6 ? ask(client, hostname, false) : [];
  if (v4 instanceof Promise || v6 instanceof Promise) {
    return Promise.all([v4, v6]).then(answers => combine(...answers, asked));
  }
  return combine(v4, v6, asked);
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

/** What a list of addresses has of those that are wanted. */
function among(known: Found | undefined, wants: Wants): Found | undefined {
  if (known === undefined) return undefined;
  const found = { v4: wants.v4 ? known.v4 : [], v6: wants.v6 ? known.v6 : [] };
  return found.v4.length + found.v6.length > 0 ? found : undefined;
}

function resolveHost(client: DnsClient, call: Call): Outcome | Promise<Outcome> {
  const name = asciiName(call.hostname);
  if (name === undefined) return 'noname';
  const numeric = oldAddress(name);
  // getaddrinfo(3): an IPv4 address is none of IPv6, unless it may be mapped.
  if (numeric !== undefined) {
    return call.family === 6 && !(call.hints & dns.V4MAPPED) ? 'addrfamily' : { v4: [numeric], v6: [] };
  }
  const { hosts } = client;
  if (hosts?.ready === undefined) return resolveAlpha(client, call, name, hosts);
  return hosts.ready.then(() => resolveAlpha(client, call, name, hosts));
}

function resolveAlpha(
  client: DnsClient,
  call: Call,
  name: string,
  hosts: Hosts | undefined,
): Outcome | Promise<Outcome> {
  const wants = wantsOf(client, call);
  if (wants === 'noname') return wants;
  const plain = name.endsWith('.') ? name.slice(0, -1) : name;
  const known = among(hosts?.find(plain), wants) ?? (isLocalhost(plain) ? among(LOOPBACK, wants) : undefined);
  if (known !== undefined) return known;
  if (!isHostName(name)) return 'noname';
  const { noAaaa } = client.conf;
  if (noAaaa && !wants.v4) return 'nodata';
  const asked = { v4: wants.v4, v6: wants.v6 && !noAaaa };
  const candidates = candidatesFor(client, name);
  return candidates.length === 1 ? resolveName(client, name, asked) : searchNames(client, candidates, name, asked);
}

/**
 * The names of a search, one after the other, as glibc's res_search does it: a name whose servers are silent ends it, so
 * that a silent server takes the time of two names and not of all; the name as it was written is asked for in any case.
 */
async function searchNames(client: DnsClient, names: string[], asWritten: string, wants: Wants): Promise<Outcome> {
  let best: Outcome = 'noname';
  let silent = false;
  for (const name of names) {
    if (silent && name !== asWritten) continue;
    const outcome = await resolveName(client, name, wants);
    if (isFound(outcome)) return outcome;
    // "Nobody could tell" outweighs "has no address" outweighs "is not there".
    if (outcome instanceof QueryFailure || (outcome === 'nodata' && best === 'noname')) best = outcome;
    if (outcome instanceof QueryFailure && name !== asWritten) silent ||= SILENT.has(outcome.code);
  }
  return best;
}
const SILENT: ReadonlySet<string> = new Set(['ETIMEOUT', 'ECONNREFUSED', 'ECANCELLED']);

/** As getaddrinfo sorts them and Node then parts them: the order within a family is that of RFC 6724 in any case. */
function arrange(client: DnsClient, call: Call, found: Found): LookupAddress[] {
  let wanted = [...found.v6, ...found.v4];
  // getaddrinfo(3): mapped addresses where there are no others, or beside them with ALL.
  if (call.family === 6) {
    const mapped = found.v4.map(address => `::ffff:${address}`);
    wanted = found.v6.length === 0 || call.hints & dns.ALL ? [...found.v6, ...mapped] : [...found.v6];
  }
  const sorted = sortAddresses(wanted, client.local, client.settings.rotate).map((address): LookupAddress => ({
    address,
    family: address.includes(':') ? 6 : 4,
  }));
  if (call.order === 'verbatim') return sorted;
  const first = call.order === 'ipv4first' ? 4 : 6;
  return [...sorted.filter(one => one.family === first), ...sorted.filter(one => one.family !== first)];
}

/** The same for one of many who asked for the same and get one outcome. */
function arrangeAmong(client: DnsClient, call: Call, found: Found): LookupAddress[] {
  if (found.arranged?.order !== call.order) {
    found.arranged = { order: call.order, addresses: arrange(client, call, found) };
  }
  return found.arranged.addresses.map(copyOf);
}

/**
 * Addresses as a caller gets them, kept for as long as the hosts file and resolv.conf are not looked at either: taking
 * a reply apart costs more than finding it. A popular name still asks the cache once a second, which is what refreshing
 * it ahead of its end needs to see.
 */
interface Decoded {
  untilMs: number;
  family: number;
  hints: number;
  order: string;
  addresses: LookupAddress[];
}
const DECODED_MS = 1000;

const copyOf = (one: LookupAddress): LookupAddress => ({ address: one.address, family: one.family });

/** 4, 6, or 0 for a name; the last octet of an IPv4 address is a digit, and an IPv6 address has a colon. */
function literalFamily(hostname: string): number {
  const last = hostname.charCodeAt(hostname.length - 1);
  return (last >= 0x30 && last <= 0x39) || hostname.includes(':') ? isIP(hostname) : 0;
}

/** A lookup under way is shared by all who ask for the same; each has a promise's continuation of its own. */
function joinHost(client: DnsClient, call: Call): Outcome | Promise<Outcome> {
  const key = `${call.family} ${call.hints} ${call.hostname}`;
  const known = client.lookups.get(key) as Promise<Outcome> | undefined;
  if (known !== undefined) return known;
  const outcome = resolveHost(client, call);
  if (!(outcome instanceof Promise)) return outcome;
  const over = (): void => {
    if (client.lookups.get(key) === outcome) client.lookups.delete(key);
  };
  client.lookups.set(key, outcome);
  outcome.then(over, over);
  return outcome;
}

function errorOf(outcome: Exclude<Outcome, Found>, hostname: string): NodeJS.ErrnoException {
  return outcome instanceof QueryFailure
    ? lookupError(EAI.again, hostname, outcome)
    : lookupError(EAI[outcome], hostname);
}

/** A lookup over a client of one's own. */
export function createLookup(clientOf: () => DnsClient): LookupFunction {
  const lookup = (hostname: unknown, optionsOrCallback: unknown, maybeCallback?: unknown): void => {
    const short =
      typeof optionsOrCallback === 'function' || (maybeCallback === undefined && !mayBeOptions(optionsOrCallback));
    const callback = (short ? optionsOrCallback : maybeCallback) as LookupCallback;
    const client = clientOf();
    const call = readCall(hostname, short ? undefined : optionsOrCallback, callback, client.settings.order);
    const succeed = (addresses: LookupAddress[]): void => {
      if (call.all) (callback as LookupAllCallback)(null, addresses);
      else callback(null, addresses[0].address, addresses[0].family);
    };

    if (call.hostname === '') {
      process.nextTick(() => {
        if (call.all) (callback as LookupAllCallback)(null, []);
        else callback(null, null as unknown as string, call.family === 6 ? 6 : 4);
      });
      return;
    }
    const literal = literalFamily(call.hostname);
    if (literal !== 0) {
      process.nextTick(succeed, [{ address: call.hostname, family: literal }]);
      return;
    }
    const { hostname: name, family, hints, order, signal } = call;
    const timed = timeLookup(name);
    const decoded = client.decoded.get(name) as Decoded | undefined;
    if (
      decoded !== undefined &&
      !lookupChannel.hasSubscribers &&
      signal === undefined &&
      decoded.family === family &&
      decoded.hints === hints &&
      decoded.order === order &&
      client.clock.nowMs() < decoded.untilMs
    ) {
      timed?.();
      process.nextTick(succeed, decoded.addresses.map(copyOf));
      return;
    }

    const context: { hostname: string; family: number; result?: LookupAddress[]; error?: unknown } | undefined =
      lookupChannel.hasSubscribers ? { hostname: name, family } : undefined;
    if (context !== undefined) lookupChannel.start.publish(context);
    const finish = (outcome: Outcome): void => {
      if (!isFound(outcome)) {
        fail(errorOf(outcome, name));
        return;
      }
      const addresses = arrangeAmong(client, call, outcome);
      if (context !== undefined) {
        context.result = addresses;
        lookupChannel.asyncEnd.publish(context);
      }
      timed?.();
      succeed(addresses);
    };
    const fail = (error: NodeJS.ErrnoException): void => {
      if (context !== undefined) {
        context.error = error;
        lookupChannel.error.publish(context);
        lookupChannel.asyncEnd.publish(context);
      }
      timed?.(error);
      (callback as (error: Error) => void)(error);
    };

    if (signal?.aborted) {
      process.nextTick(fail, abortError(signal));
      return;
    }
    let outcome: Outcome | Promise<Outcome>;
    try {
      outcome = joinHost(client, call);
    } catch (error) {
      process.nextTick(fail, error as NodeJS.ErrnoException);
      return;
    }
    if (!(outcome instanceof Promise)) {
      if (isFound(outcome) && !client.settings.rotate) {
        const addresses = arrangeAmong(client, call, outcome);
        client.decoded.set(name, { untilMs: client.clock.nowMs() + DECODED_MS, family, hints, order, addresses });
      }
      process.nextTick(finish, outcome);
      return;
    }
    client.hold();
    let settled = false;
    const once = (run: () => void): void => {
      if (settled) return;
      settled = true;
      stop?.();
      client.release();
      // Out of the promise, so that what a callback throws is the program's own uncaught exception.
      process.nextTick(run);
    };
    const stop = signal && onAbort(signal, () => once(() => fail(abortError(signal))));
    outcome.then(
      result => once(() => finish(result)),
      (error: unknown) => once(() => fail(error as NodeJS.ErrnoException)),
    );
  };
  return Object.assign(lookup, { [promisify.custom]: promised(lookup) }) as LookupFunction;
}

/** `lookup(host, 'text')` has a wrong callback; with a third argument it has wrong options. */
const mayBeOptions = (value: unknown): boolean =>
  value === undefined || value === null || typeof value === 'object' || typeof value === 'number';

function promised(lookup: (hostname: string, options: unknown, callback: LookupCallback) => void): PromisedLookup {
  return ((hostname: string, options?: LookupCallOptions | number) =>
    new Promise<LookupAddress | LookupAddress[]>((resolve, reject) =>
      lookup(hostname, options, (error, address, family) => {
        if (error) reject(error);
        else if (Array.isArray(address)) resolve(address);
        else resolve({ address, family });
      }),
    )) as PromisedLookup;
}
