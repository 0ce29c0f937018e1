// How a query ends that its transport could not bring to an answer: the same words and codes for every way to send it.
import { isForWantOfRoom, ShardnsError } from '../base/errors.js';

/** As people know the ways to ask. */
export type StreamProtocol = 'TCP' | 'TLS' | 'HTTPS';
export type Protocol = 'UDP' | StreamProtocol;

/**
 * Whether this process or machine has no room for another socket or packet. An address of its own that it has not (any
 * more) is none of that over UDP, where ports are had or refused with EAGAIN and EADDRINUSE: it is the way that is gone.
 */
export function isWantOfSockets(cause: Error): boolean {
  return isForWantOfRoom({ cause }) && (cause as NodeJS.ErrnoException).code !== 'EADDRNOTAVAIL';
}

/** A socket for UDP failed: for want of room here, or on the way to the server. */
export function socketFailed(where: string, cause: Error): ShardnsError {
  const code = isWantOfSockets(cause) ? 'ERR_SHARDNS_OVERLOAD' : 'ERR_SHARDNS_UPSTREAM';
  return new ShardnsError(code, `${where}: ${cause.message}`, { cause });
}

export function tooManyQueries(where: string, protocol: Protocol, cause?: unknown): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_OVERLOAD', `too many queries to ${where} over ${protocol} at once`, { cause });
}

export function transportClosed(protocol: Protocol): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_CLOSED', `the ${protocol} transport is closed`);
}
