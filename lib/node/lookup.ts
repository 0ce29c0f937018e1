// `lookup` to the contract of dns.lookup, without its thread pool: what net, tls, http, https, http2, dgram, undici, got
// and axios call (Node's documentation of dns.lookup; getaddrinfo(3)).
import { AsyncResource } from 'node:async_hooks';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import { onAbort } from '../base/cancel.js';
import type { DnsClient } from './client.js';
import { abortError, insecureError } from './errors.js';
import { arranged, copyOf, copyWith, errorOf, isFound, type Outcome } from './host-addresses.js';
import { type HostCaller, HostLookup } from './host-lookup.js';
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
import type { Secure, Unproven } from './proof.js';
import { lookupChannel, timeLookup } from './telemetry.js';

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
  addresses: readonly LookupAddress[];
  unproven: Unproven | undefined;
}
const DECODED_MS = 1000;

/** 4, 6, or 0 for a name; the last octet of an IPv4 address is a digit, and an IPv6 address has a colon. */
function literalFamily(hostname: string): number {
  const last = hostname.charCodeAt(hostname.length - 1);
  return (last >= 0x30 && last <= 0x39) || hostname.includes(':') ? isIP(hostname) : 0;
}

function succeed(
  { all, secure: wanted }: Call,
  callback: LookupCallback,
  addresses: readonly LookupAddress[],
  unproven?: Unproven,
): void {
  if (wanted !== undefined) {
    const secure = unproven === undefined;
    if (all) {
      const told = addresses.map(one => copyWith(one, secure));
      (callback as LookupAllCallback)(null, told);
    } else callback(null, addresses[0].address, addresses[0].family, secure);
  } else if (all) (callback as LookupAllCallback)(null, addresses.map(copyOf));
  else callback(null, addresses[0].address, addresses[0].family);
}

/** Whoever watches lookups is told of. */
interface Watched {
  hostname: string;
  family: number;
  result?: LookupAddress[];
  error?: unknown;
}

/** A call that is not answered from what was decoded. Called back in the asynchronous context that it was made in. */
class Caller extends AsyncResource implements HostCaller {
  readonly #timed: ReturnType<typeof timeLookup>;
  readonly #watched: Watched | undefined;
  #waits = false;
  #over = false;
  #stop: (() => void) | undefined;

  constructor(
    private readonly client: DnsClient,
    private readonly call: Call,
    private readonly callback: LookupCallback,
    timed: ReturnType<typeof timeLookup>,
  ) {
    super('SHARDNS_LOOKUP');
    this.#timed = timed;
    if (lookupChannel.hasSubscribers) {
      this.#watched = { hostname: call.hostname, family: call.family };
      lookupChannel.start.publish(this.#watched);
    }
  }

  /** Until it is told, or its signal aborts. */
  wait(lookup: HostLookup): void {
    const { client, call } = this;
    this.#waits = true;
    client.alive.hold();
    const { signal } = call;
    if (signal !== undefined) {
      this.#stop = onAbort(signal, () => {
        if (!this.#leave()) return;
        // Out of the signal's event, so that what a callback throws is the program's own uncaught exception.
        process.nextTick(() => this.runInAsyncScope(this.#fail, this, abortError(signal)));
      });
    }
    lookup.wait(this);
  }

  came(outcome: Outcome, unproven: Unproven | undefined): void {
    if (this.#leave()) this.runInAsyncScope(this.#finish, this, outcome, unproven);
  }
  broke(error: unknown): void {
    if (this.#leave()) this.runInAsyncScope(this.#fail, this, error as NodeJS.ErrnoException);
  }
  /** False where it was told before. */
  #leave(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#stop?.();
    if (this.#waits) this.client.alive.release();
    return true;
  }

  #finish(outcome: Outcome, unproven: Unproven | undefined): void {
    const { call } = this;
    const { hostname, secure } = call;
    if (!isFound(outcome)) {
      this.#fail(errorOf(outcome, hostname, secure, unproven));
      return;
    }
    if (secure === 'required' && unproven !== undefined) {
      this.#fail(insecureError('getaddrinfo', hostname, unproven));
      return;
    }
    const addresses = arranged(this.client, call, outcome);
    if (this.#watched !== undefined) {
      this.#watched.result = addresses.map(copyOf);
      lookupChannel.asyncEnd.publish(this.#watched);
    }
    this.#timed?.();
    succeed(call, this.callback, addresses, unproven);
  }
  #fail(error: NodeJS.ErrnoException): void {
    if (this.#watched !== undefined) {
      this.#watched.error = error;
      lookupChannel.error.publish(this.#watched);
      lookupChannel.asyncEnd.publish(this.#watched);
    }
    this.#timed?.(error);
    (this.callback as (error: Error) => void)(error);
  }
}

/** A lookup over a client of one's own. */
export function createLookup(clientOf: (secure: Secure | undefined) => DnsClient): LookupFunction {
  const lookup = (hostname: unknown, optionsOrCallback: unknown, maybeCallback?: unknown): void => {
    const short =
      typeof optionsOrCallback === 'function' || (maybeCallback === undefined && !mayBeOptions(optionsOrCallback));
    const callback = (short ? optionsOrCallback : maybeCallback) as LookupCallback;
    const options = short ? undefined : optionsOrCallback;
    const client = clientOf((options as LookupCallOptions | null | undefined)?.secure ?? undefined);
    const call = readCall(hostname, options, callback, client.settings);
    const { hostname: name, family, hints, order, signal } = call;
    if (name === '') {
      process.nextTick(() => {
        if (call.all) (callback as LookupAllCallback)(null, []);
        else callback(null, null as unknown as string, family === 6 ? 6 : 4);
      });
      return;
    }
    const literal = literalFamily(name);
    if (literal !== 0) {
      process.nextTick(succeed, call, callback, [{ address: name, family: literal }]);
      return;
    }
    const timed = timeLookup(name);
    const decoded = client.decoded.get(name) as Decoded | undefined;
    if (
      decoded !== undefined &&
      !lookupChannel.hasSubscribers &&
      signal === undefined &&
      decoded.family === family &&
      decoded.hints === hints &&
      decoded.order === order &&
      client.clock.nowMs() < decoded.untilMs &&
      (decoded.unproven === undefined || call.secure !== 'required')
    ) {
      timed?.();
      process.nextTick(succeed, call, callback, decoded.addresses, decoded.unproven);
      return;
    }
    const caller = new Caller(client, call, callback, timed);
    if (signal?.aborted) process.nextTick(tellError, caller, abortError(signal));
    else ask(client, call, caller);
  };
  return Object.assign(lookup, { [promisify.custom]: promised(lookup) }) as LookupFunction;
}

const tellError = (caller: Caller, error: unknown): void => caller.broke(error);
const tellOutcome = (caller: Caller, outcome: Outcome, unproven: Unproven | undefined): void =>
  caller.came(outcome, unproven);

/** A lookup under way is shared by all who ask for the same. */
function ask(client: DnsClient, call: Call, caller: Caller): void {
  const { hostname, family, hints, order } = call;
  const key = `${family} ${hints} ${hostname}`;
  let lookup = client.lookupUnderWay(key) as HostLookup | undefined;
  if (lookup === undefined) {
    lookup = new HostLookup(client, call, key);
    try {
      lookup.begin();
    } catch (error) {
      process.nextTick(tellError, caller, error);
      return;
    }
    const { outcome, unproven } = lookup;
    if (outcome !== undefined) {
      if (isFound(outcome) && !client.settings.rotate) {
        const addresses = arranged(client, call, outcome);
        const untilMs = client.clock.nowMs() + DECODED_MS;
        client.decoded.set(hostname, { untilMs, family, hints, order, addresses, unproven } satisfies Decoded);
      }
      process.nextTick(tellOutcome, caller, outcome, unproven);
      return;
    }
  }
  caller.wait(lookup);
}

/** `lookup(host, 'text')` has a wrong callback; with a third argument it has wrong options. */
const mayBeOptions = (value: unknown): boolean =>
  value === undefined || value === null || typeof value === 'object' || typeof value === 'number';

function promised(lookup: (hostname: string, options: unknown, callback: LookupCallback) => void): PromisedLookup {
  return ((hostname: string, options?: LookupCallOptions | number) =>
    new Promise<LookupAddress | LookupAddress[]>((resolve, reject) =>
      lookup(hostname, options, (error, address, family, secure) => {
        if (error) reject(error);
        else if (Array.isArray(address)) resolve(address);
        else resolve(secure === undefined ? { address, family } : { address, family, secure });
      }),
    )) as PromisedLookup;
}
