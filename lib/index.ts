// What the package exports, and nothing else.
export { createServer } from './admin/create-server.js';
export { ShardnsError, type ShardnsErrorCode } from './base/errors.js';
export type { Logger } from './base/log.js';
export type { Hooks, QueryDecision, QueryInfo, ResponseInfo } from './resolve/hooks.js';
export type { ServerOptions, ServerSettings } from './server/options.js';
export type { Server, ServerDependencies } from './server/server.js';
export type { RecordText } from './wire/record.js';
