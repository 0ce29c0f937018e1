// What the native asker's failures and doubts are called.
import { getSystemErrorName } from 'node:util';
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import { ShardnsError } from '../base/errors.js';
import { AskEvent, AskFailure } from '../native/binding.js';
import type { Doubt } from './doubt.js';
import { NO_SOCKET_ALONE } from './transport.js';

export const DOUBTS: Record<number, Doubt> = {
  [AskEvent.doubtLetters]: 'letters',
  [AskEvent.doubtQuestion]: 'question',
  [AskEvent.doubtFlood]: 'flood',
};

/** Errors that say nothing of the server: this process or machine has no room for another socket or packet. */
const OUR_OWN = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EAGAIN']);

/** @param failure an errno, or an AskFailure */
export function errorOf(server: SocketAddress, failure: number): ShardnsError {
  const where = formatSocketAddress(server);
  if (failure > 0) {
    const code = getSystemErrorName(-failure);
    const cause = Object.assign(new Error(`the socket failed with ${code}`), { code, errno: -failure });
    const own = OUR_OWN.has(code);
    const text = `${where}: ${cause.message}`;
    return new ShardnsError(own ? 'ERR_SHARDNS_OVERLOAD' : 'ERR_SHARDNS_UPSTREAM', text, { cause });
  }
  if (failure === AskFailure.evicted) {
    const text = `${where}: too many servers are late, no socket is left to wait for it`;
    return new ShardnsError('ERR_SHARDNS_OVERLOAD', text);
  }
  if (failure === AskFailure.malformed) {
    const cause = Object.assign(new Error('no such address or interface on this machine'), { code: 'EINVAL' });
    return new ShardnsError('ERR_SHARDNS_UPSTREAM', `${where}: ${cause.message}`, { cause });
  }
  const alone = failure === AskFailure.noSocketAlone;
  return new ShardnsError('ERR_SHARDNS_OVERLOAD', `too many queries to ${where} over UDP at once`, {
    cause: alone ? NO_SOCKET_ALONE : undefined,
  });
}

export function closedError(): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_CLOSED', 'the UDP transport is closed');
}
