// What a Resolver is made with: Node's options, with its errors, and what is proven how.
import { argumentError, checkInt32, checkOneOf, checkSignal, valueError } from './arguments.js';
import { DnsClient } from './client.js';
import type { LookupOptions } from './options.js';
import { type Secure, SECURE_MODES } from './proof.js';

export interface NodeResolverOptions<S extends Secure | undefined = Secure | undefined> {
  /** Milliseconds of one try; -1 = as configured. */
  timeout?: number | undefined;
  tries?: number | undefined;
  /** Share a client, and with it a cache. */
  client?: DnsClient | undefined;
  signal?: AbortSignal | undefined;
  /** Whether answers have to be proven (DNSSEC): as the client's where it is not given. */
  secure?: S;
  /** As of `LookupOptions`, as are the next two: a resolver with one of them has a client of its own. */
  trustAd?: boolean | undefined;
  trustAnchors?: string[] | undefined;
  negativeTrustAnchors?: string[] | undefined;
}

/** Those that a client of the resolver's own is made with; only those that are given. */
export type ProofOptions = Pick<LookupOptions, 'trustAd' | 'trustAnchors' | 'negativeTrustAnchors'>;

export interface ResolverSettings {
  /** Of one question with all its tries. */
  timeoutMs: number | undefined;
  client: DnsClient | undefined;
  signal: AbortSignal | undefined;
  secure: Secure | undefined;
  proof: ProofOptions;
}

/** @throws {TypeError | RangeError} as dns.promises.Resolver does */
export function readResolverOptions(options: NodeResolverOptions | undefined): ResolverSettings {
  const { timeout = -1, tries = 4, client, signal, secure, ...rest }: NodeResolverOptions = { ...options };
  checkInt32('options.timeout', -1, timeout);
  checkInt32('options.tries', 1, tries);
  checkSignal('options.signal', signal);
  if (client !== undefined && !((client as unknown) instanceof DnsClient)) {
    throw argumentError('options.client', 'an instance of DnsClient', client);
  }
  if (secure !== undefined) checkOneOf('options.secure', SECURE_MODES, secure);
  if (secure !== undefined && client !== undefined && client.settings.secure === undefined) {
    throw valueError('options.secure', 'needs a client that was made with `secure`', secure);
  }
  const { trustAd, trustAnchors, negativeTrustAnchors } = rest;
  const given = Object.entries({ trustAd, trustAnchors, negativeTrustAnchors }).filter(([, one]) => one !== undefined);
  if (given.length > 0 && client !== undefined) {
    throw valueError('options.client', 'says itself whom it trusts: give trustAd and trust anchors to it', client);
  }
  return {
    timeoutMs: timeout <= 0 ? undefined : Math.max(10, Math.min(timeout * tries, 60_000)),
    client,
    signal,
    secure: secure ?? client?.settings.secure,
    proof: Object.fromEntries(given) as ProofOptions,
  };
}
