// What the package exports, and nothing else.
export { ShardnsError, type ShardnsErrorCode } from './base/errors.js';
export type { Logger } from './base/log.js';
export type { Hooks, QueryDecision, QueryInfo, ResponseInfo } from './resolve/hooks.js';
export type { ServerOptions, ServerSettings } from './server/options.js';
export { createServer, type Server, type ServerDependencies } from './server/server.js';
export type { RecordText } from './wire/record.js';
