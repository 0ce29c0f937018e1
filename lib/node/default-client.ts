// The client behind `lookup` and `Resolver` where nobody makes one: one cache for the whole thread, made when first used.
import { DnsClient } from './client.js';

let client: DnsClient | undefined;

export function defaultClient(): DnsClient {
  return (client ??= new DnsClient());
}

let proving: DnsClient | undefined;

/** The same for those who want to know whether what they are told is proven: it has a cache of its own. */
export function defaultProvingClient(): DnsClient {
  return (proving ??= new DnsClient({ secure: 'report' }));
}
