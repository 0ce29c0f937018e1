// The client behind `lookup` and `Resolver` where nobody makes one: one cache for the whole thread, made when first used.
import { DnsClient } from './client.js';

let client: DnsClient | undefined;

export function defaultClient(): DnsClient {
  return (client ??= new DnsClient());
}
