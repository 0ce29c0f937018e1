// What @grpc/grpc-js gets of a service: channel options, and endpoints in its form.
import type { Endpoint } from '../endpoint.js';
import type { ServiceFace } from '../service-face.js';

/** Under this name the resolver finds the service among a channel's options. */
export const SERVICE_OPTION = 'shardns.service';

export type GrpcChannelOptions = Record<string, unknown>;

/** gRPC balances by itself: `first` is its pick_first, everything else its round_robin over endpoints repeated by weight. */
export function grpcOptionsOf(service: ServiceFace): GrpcChannelOptions {
  const policy = service.settings.policy === 'first' ? 'pick_first' : 'round_robin';
  return {
    [SERVICE_OPTION]: service,
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ [policy]: {} }] }),
  };
}

export interface GrpcEndpoint {
  addresses: { host: string; port: number }[];
}

/** Of those that are repeated there are no more than this in all. */
const MAX_REPEATED = 32;

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** How often each is listed, so that in turn each is used by its weight: exactly, or as near as the bound allows. */
export function repetitions(weights: readonly number[]): number[] {
  const usable = weights.some(weight => weight > 0) ? weights : weights.map(() => 1);
  const divisor = usable.reduce(gcd);
  const exact = usable.map(weight => weight / divisor);
  const sum = exact.reduce((total, times) => total + times, 0);
  if (sum <= MAX_REPEATED) return exact;
  if (usable.length >= MAX_REPEATED) return usable.map(weight => Math.min(weight, 1));
  return exact.map(times => (times === 0 ? 0 : Math.max(1, Math.floor((times * MAX_REPEATED) / sum))));
}

const inGrpcForm = ({ addresses, port }: Endpoint): GrpcEndpoint => ({
  addresses: addresses.map(host => ({ host, port })),
});

/**
 * The endpoints of the lowest priority: gRPC has no priorities. With `first` all of them in order, since pick_first goes on
 * to the next where one cannot be reached.
 */
export function grpcEndpoints({ endpoints, settings }: ServiceFace): GrpcEndpoint[] {
  if (settings.policy === 'first') {
    const ordered = [...endpoints].sort(
      (a, b) => a.priority - b.priority || b.weight - a.weight || (a.id < b.id ? -1 : 1),
    );
    return ordered.map(inGrpcForm);
  }
  const priority = Math.min(...endpoints.map(one => one.priority));
  const tier = endpoints.filter(one => one.priority === priority);
  if (tier.length === 0) return [];
  const times = repetitions(tier.map(one => one.weight));
  const rounds = Math.max(...times);
  // In rounds, so that one that is listed often is not all of a stretch.
  return Array.from({ length: rounds }, (_, round) => tier.filter((_one, i) => round < times[i]))
    .flat()
    .map(inGrpcForm);
}
