// `lookup` to the contract of dns.lookup, without its thread pool: what net, tls, http, https, http2, dgram, undici, got
// and axios call (Node's documentation of dns.lookup; getaddrinfo(3)).
import dns from 'node:dns';
import { isIP } from 'node:net';
import { ShardnsError } from '../base/errors.js';
import { Type } from '../wire/iana.js';
import { sortAddresses } from './address-order.js';
import type { DnsClient } from './client.js';
import { argumentError, EAI, lookupError, QueryFailure, valueError } from './errors.js';
import { readAddresses } from './reply.js';
import { lookupChannel, timeLookup } from './telemetry.js';

export interface LookupAddress {
  address: string;
  family: 4 | 6;
}
export interface LookupCallOptions {
  family?: number | 'IPv4' | 'IPv6' | undefined;
  hints?: number | undefined;
  all?: boolean | undefined;
  order?: 'verbatim' | 'ipv4first' | 'ipv6first' | undefined;
  verbatim?: boolean | undefined;
  signal?: AbortSignal | undefined;
}
// Node declares its callbacks with these types.
export type LookupCallback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

export interface LookupFunction {
  (hostname: string, callback: LookupCallback): void;
  (hostname: string, options: LookupCallOptions | number | null | undefined, callback: LookupCallback): void;
}

interface Call {
  hostname: string;
  family: 0 | 4 | 6;
  hints: number;
  all: boolean;
  order: 'verbatim' | 'ipv4first' | 'ipv6first';
  signal: AbortSignal | undefined;
}

const HINTS = dns.ADDRCONFIG | dns.V4MAPPED | dns.ALL;

function readCall(client: DnsClient, hostname: unknown, options: unknown): Call {
  if (hostname !== undefined && hostname !== null && hostname !== '' && typeof hostname !== 'string') {
    if (hostname !== false && hostname !== 0) throw argumentError('hostname', 'of type string', hostname);
  }
  const given: LookupCallOptions =
    typeof options === 'number' ? { family: options } : ((options as LookupCallOptions | null | undefined) ?? {});
  if (typeof given !== 'object') throw argumentError('options', 'of type object or number', options);
  let { family } = given;
  if (family === 'IPv4') family = 4;
  if (family === 'IPv6') family = 6;
  family ??= 0;
  if (family !== 0 && family !== 4 && family !== 6) throw valueError('family', 'one of: 0, 4, 6', family);
  const hints = given.hints ?? 0;
  if (typeof hints !== 'number' || (hints & ~HINTS) !== 0)
    throw valueError('hints', 'a combination of dns flags', hints);
  const { all, verbatim, signal } = given;
  if (all !== undefined && all !== null && typeof all !== 'boolean')
    throw argumentError('options.all', 'a boolean', all);
  let { order } = given;
  if (order !== undefined && !['verbatim', 'ipv4first', 'ipv6first'].includes(order)) {
    throw valueError('options.order', "one of: 'verbatim', 'ipv4first', 'ipv6first'", order);
  }
  order ??= verbatim === undefined || verbatim === null ? undefined : verbatim ? 'verbatim' : 'ipv4first';
  order ??= client.settings.order ?? dns.getDefaultResultOrder();
  return {
    hostname: hostname === undefined ? '' : (hostname as string) || '',
    family,
    hints,
    all: all ?? false,
    order,
    signal,
  };
}

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
  v4: string[];
  v6: string[];
}
/** Addresses; or that the name is not there (`noname`), has none (`nodata`), or that nobody could tell. */
type Outcome = Found | 'noname' | 'nodata' | QueryFailure;

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
function resolveName(
  client: DnsClient,
  hostname: string,
  asked: { v4: boolean; v6: boolean },
): Outcome | Promise<Outcome> {
  const v4 = asked.v4 ? ask(client, hostname, true) : [];
  const v6 = asked.v6 ? ask(client, hostname, false) : [];
  if (v4 instanceof Promise || v6 instanceof Promise) {
    return Promise.all([v4, v6]).then(answers => combine(...answers, asked));
  }
  return combine(v4, v6, asked);
}

function resolveHost(client: DnsClient, call: Call): Outcome | Promise<Outcome> {
  const wants = { v4: call.family !== 6, v6: call.family !== 4 };
  // getaddrinfo(3): V4MAPPED asks for IPv4 too, where IPv6 is wanted.
  if (call.family === 6 && call.hints & dns.V4MAPPED) wants.v4 = true;
  if (call.hints & dns.ADDRCONFIG) {
    const has = client.local.families;
    if (call.family === 0) {
      if (has.v4 !== has.v6) {
        wants.v4 &&= has.v4;
        wants.v6 &&= has.v6;
      }
    } else if (!(call.family === 4 ? has.v4 : has.v6) && has.v4 !== has.v6) {
      return 'noname';
    }
  }
  const plain = call.hostname.endsWith('.') ? call.hostname.slice(0, -1) : call.hostname;
  const known = client.hosts?.names.get(plain.toLowerCase());
  if (known !== undefined) {
    const found = { v4: wants.v4 ? known.v4 : [], v6: wants.v6 ? known.v6 : [] };
    if (found.v4.length + found.v6.length > 0) return found;
  }
  const candidates = candidatesFor(client, call.hostname);
  if (candidates.length === 1) return resolveName(client, candidates[0], wants);
  return searchNames(client, candidates, wants);
}

async function searchNames(client: DnsClient, names: string[], wants: { v4: boolean; v6: boolean }): Promise<Outcome> {
  let best: Outcome = 'noname';
  for (const name of names) {
    const outcome = await resolveName(client, name, wants);
    if (isFound(outcome)) return outcome;
    // "Nobody could tell" outweighs "has no address" outweighs "is not there".
    if (outcome instanceof QueryFailure || (outcome === 'nodata' && best === 'noname')) best = outcome;
  }
  return best;
}

function arrange(client: DnsClient, call: Call, found: Found): LookupAddress[] {
  const v4 = found.v4.map(address => ({ address, family: 4 as const }));
  let v6 = found.v6.map(address => ({ address, family: 6 as const }));
  if (call.family === 6 && v4.length > 0) {
    const mapped = found.v4.map(address => ({ address: `::ffff:${address}`, family: 6 as const }));
    if (v6.length === 0) return mapped;
    if (call.hints & dns.ALL) v6 = [...v6, ...mapped];
    return v6;
  }
  if (v6.length === 0) return v4;
  if (call.order === 'ipv4first') return [...v4, ...v6];
  if (call.order === 'ipv6first') return [...v6, ...v4];
  const order = sortAddresses([...found.v6, ...found.v4], client.local);
  return order.map(address => ({ address, family: address.includes(':') ? 6 : 4 }));
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

/** A lookup over a client of one's own. */
export function createLookup(clientOf: () => DnsClient): LookupFunction {
  return (hostname: unknown, optionsOrCallback: unknown, maybeCallback?: unknown): void => {
    const callback = (typeof optionsOrCallback === 'function' ? optionsOrCallback : maybeCallback) as LookupCallback;
    if (typeof callback !== 'function') throw argumentError('callback', 'of type function', callback);
    const client = clientOf();
    const call = readCall(client, hostname, typeof optionsOrCallback === 'function' ? undefined : optionsOrCallback);
    const succeed = (addresses: LookupAddress[]): void => {
      if (call.all) callback(null, addresses);
      else callback(null, addresses[0].address, addresses[0].family);
    };

    if (call.hostname === '') {
      process.nextTick(() => {
        if (call.all) callback(null, []);
        else callback(null, null as unknown as string, call.family === 6 ? 6 : 4);
      });
      return;
    }
    const literal = literalFamily(call.hostname);
    if (literal !== 0) {
      process.nextTick(succeed, [{ address: call.hostname, family: literal }]);
      return;
    }
    const { hostname: name, family, hints, order } = call;
    const timed = timeLookup(name);
    const decoded = client.decoded.get(name) as Decoded | undefined;
    if (
      decoded !== undefined &&
      !lookupChannel.hasSubscribers &&
      call.signal === undefined &&
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
      lookupChannel.hasSubscribers ? { hostname: call.hostname, family: call.family } : undefined;
    if (context !== undefined) lookupChannel.start.publish(context);
    const finish = (outcome: Outcome): void => {
      if (isFound(outcome)) {
        const addresses = arrange(client, call, outcome);
        if (context !== undefined) {
          context.result = addresses;
          lookupChannel.asyncEnd.publish(context);
        }
        timed?.();
        succeed(addresses);
        return;
      }
      const errno = outcome instanceof QueryFailure ? EAI.again : outcome === 'nodata' ? EAI.nodata : EAI.noname;
      fail(lookupError(errno, call.hostname, outcome instanceof QueryFailure ? outcome : undefined));
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

    if (call.signal?.aborted) {
      process.nextTick(fail, call.signal.reason as NodeJS.ErrnoException);
      return;
    }
    let outcome: Outcome | Promise<Outcome>;
    try {
      outcome = resolveHost(client, call);
    } catch (error) {
      process.nextTick(fail, error as NodeJS.ErrnoException);
      return;
    }
    if (!(outcome instanceof Promise)) {
      if (isFound(outcome) && !client.settings.rotate) {
        const addresses = arrange(client, call, outcome);
        client.decoded.set(name, { untilMs: client.clock.nowMs() + DECODED_MS, family, hints, order, addresses });
      }
      process.nextTick(finish, outcome);
      return;
    }
    let settled = false;
    const { signal } = call;
    const once = (run: () => void): void => {
      if (settled) return;
      settled = true;
      signal?.removeEventListener('abort', onAbort);
      // Out of the promise, so that what a callback throws is the program's own uncaught exception.
      process.nextTick(run);
    };
    const onAbort = (): void => once(() => fail(signal!.reason as NodeJS.ErrnoException));
    signal?.addEventListener('abort', onAbort, { once: true });
    outcome.then(
      result => once(() => finish(result)),
      (error: unknown) => once(() => fail(error as NodeJS.ErrnoException)),
    );
  };
}
