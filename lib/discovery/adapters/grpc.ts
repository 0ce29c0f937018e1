// What @grpc/grpc-js gets of a service: channel options, and endpoints in its form.
import { optionError } from '../../base/errors.js';
import { type Chooser, tiersOf } from '../choosing.js';
import type { Endpoint } from '../endpoint.js';
import type { ServiceFace } from '../service-face.js';

/** Under this name the resolver finds the service among a channel's options. */
export const SERVICE_OPTION = 'shardns.service';

export type GrpcChannelOptions = Record<string, unknown>;

export interface GrpcOptions {
  /**
   * Whether every method may be called twice. Calls that end as UNAVAILABLE, or that the server's side cancels, are made
   * again then, as `retry` says. Without it gRPC makes those again that have reached no server; of what was on a
   * connection that broke nobody knows.
   */
  idempotent?: boolean;
}

/** More attempts no client of gRPC makes (gRFC A6). */
const MOST_ATTEMPTS = 5;
/** Of gRPC's budget: a failure takes one, a success gives back `tokenRatio`, and more than half have to be left. */
const TOKENS = 100;

/** A server that stops, and a connection that drops, end a call as the one or, by chance of their order, as the other. */
const OF_BROKEN_CONNECTIONS = ['UNAVAILABLE', 'CANCELLED'];

const seconds = (ms: number): string => `${(Math.max(ms, 1) / 1000).toFixed(3)}s`;

/** gRPC balances by itself: `first` is its pick_first, everything else its round_robin over endpoints repeated by weight. */
export function grpcOptionsOf(service: ServiceFace, { idempotent = false }: GrpcOptions): GrpcChannelOptions {
  if (typeof idempotent !== 'boolean') throw optionError('idempotent', idempotent, 'a boolean');
  const { policy, retry } = service.settings;
  const balancing = { loadBalancingConfig: [{ [policy === 'first' ? 'pick_first' : 'round_robin']: {} }] };
  const retryPolicy = {
    maxAttempts: Math.min(retry.attempts + 1, MOST_ATTEMPTS),
    initialBackoff: seconds(retry.backoffMs),
    maxBackoff: '30s',
    backoffMultiplier: 2,
    retryableStatusCodes: OF_BROKEN_CONNECTIONS,
  };
  const retrying = {
    methodConfig: [{ name: [{}], retryPolicy }],
    retryThrottling: { maxTokens: TOKENS, tokenRatio: Math.max(retry.budget, 0.001) },
  };
  const config = idempotent && retry.attempts > 0 ? { ...balancing, ...retrying } : balancing;
  return { [SERVICE_OPTION]: service, 'grpc.service_config': JSON.stringify(config) };
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

/** Those that this client uses; of these none that a check has found ill, while another is left: gRPC would try it. */
function wellOf(tier: readonly Endpoint[], chosen: Chooser): readonly Endpoint[] {
  const own = chosen(tier);
  const well = own.filter(one => !one.checkFailed);
  return well.length > 0 ? well : own;
}
const byWeight = (a: Endpoint, b: Endpoint): number => b.weight - a.weight || (a.id < b.id ? -1 : 1);

/**
 * The endpoints of the lowest priority that has one that is well: gRPC has no priorities. With `first` all of them in order,
 * since pick_first goes on to the next where one cannot be reached.
 */
export function grpcEndpoints({ endpoints, settings }: ServiceFace, chosen: Chooser): GrpcEndpoint[] {
  const tiers = tiersOf(endpoints).map(tier => wellOf(tier, chosen));
  if (settings.policy === 'first') return tiers.flatMap(tier => tier.toSorted(byWeight)).map(inGrpcForm);
  const tier = tiers.find(one => one.some(({ checkFailed }) => !checkFailed)) ?? tiers[0];
  if (tier === undefined) return [];
  const times = repetitions(tier.map(one => one.weight));
  const rounds = Math.max(...times);
  // In rounds, so that one that is listed often is not all of a stretch.
  return Array.from({ length: rounds }, (_, round) => tier.filter((_one, i) => round < times[i]))
    .flat()
    .map(inGrpcForm);
}
