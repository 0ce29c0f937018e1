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

const OF_THE_SOCKET = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EADDRNOTAVAIL',
  'ENETDOWN',
  'ENODEV',
  'EINVAL',
  'EPERM',
  'EACCES',
]);
/** Whether it is an error of the way that a socket takes, and not of the server: another socket may have another. */
export function isOfTheSocket({ cause }: ShardnsError): boolean {
  const { code = '' } = (cause ?? {}) as NodeJS.ErrnoException;
  return OF_THE_SOCKET.has(code);
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
