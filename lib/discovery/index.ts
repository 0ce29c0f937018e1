// The entry `shardns/discovery`: services by their names, and what brings them into other libraries.
export { ShardnsError, type ShardnsErrorCode } from '../base/errors.js';
export { DnsClient } from '../node/client.js';
export type { LookupOptions } from '../node/options.js';
export type { AgentOptions } from './adapters/agent.js';
export type { ConnectOptions, TlsOptions } from './adapters/connect.js';
export type { DispatcherOptions, DispatchOptions, ServiceDispatcher } from './adapters/dispatcher.js';
export type { GrpcChannelOptions, GrpcOptions } from './adapters/grpc.js';
export type { ServiceLookup } from './adapters/lookup.js';
export { type DiscoverDependencies, discover, discoveryMetrics } from './discover.js';
export type { Endpoint, EndpointState, RequestOutcome } from './endpoint.js';
export type { Category, ServiceError } from './failures.js';
export { type GrpcModule, registerGrpc } from './grpc-resolver.js';
export type { Change } from './live-set.js';
export type {
  CheckOptions,
  DiscoverOptions,
  Filterable,
  HealthOptions,
  RetryFailure,
  RetryOptions,
} from './options.js';
export type { Policy } from './policies/policy.js';
export type { EndpointReport, ServiceReport } from './report.js';
export type { RecordKind } from './records/found.js';
export type { Service } from './service.js';
export type { PickOptions, ServiceEvents } from './service-face.js';
export type { DiscoveryMessage } from './telemetry.js';
