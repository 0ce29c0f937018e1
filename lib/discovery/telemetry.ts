// What watchers of services see on the channel `shardns.discovery` of node:diagnostics_channel.
import diagnosticsChannel from 'node:diagnostics_channel';
import type { Endpoint } from './endpoint.js';
import type { ServiceError } from './failures.js';
import type { Change } from './live-set.js';

/** `name` is the service's, as it is asked for. */
export type DiscoveryMessage =
  | ({ readonly type: 'change'; readonly name: string } & Change)
  | { readonly type: 'stale'; readonly name: string; readonly error: ServiceError }
  | { readonly type: 'fresh'; readonly name: string }
  | { readonly type: 'health'; readonly name: string; readonly endpoint: Endpoint }
  | { readonly type: 'error'; readonly name: string; readonly error: unknown };

const channel = diagnosticsChannel.channel('shardns.discovery');

export function publish(message: DiscoveryMessage): void {
  if (channel.hasSubscribers) channel.publish(message);
}
