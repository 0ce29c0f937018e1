// What the native asker's failures and doubts are called.
import { getSystemErrorName } from 'node:util';
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import { ShardnsError } from '../base/errors.js';
import { AskEvent, AskFailure } from '../native/binding.js';
import type { Doubt } from './doubt.js';
import { socketFailed, tooManyQueries } from './failures.js';
import { NO_SOCKET_ALONE } from './transport.js';

export const DOUBTS: Record<number, Doubt> = {
  [AskEvent.doubtLetters]: 'letters',
  [AskEvent.doubtQuestion]: 'question',
  [AskEvent.doubtFlood]: 'flood',
};

/** @param failure an errno, or an AskFailure */
export function errorOf(server: SocketAddress, failure: number): ShardnsError {
  const where = formatSocketAddress(server);
  if (failure > 0) {
    const code = getSystemErrorName(-failure);
    const cause = Object.assign(new Error(`the socket failed with ${code}`), { code, errno: -failure });
    return socketFailed(where, cause);
  }
  if (failure === AskFailure.evicted) {
    const text = `${where}: too many servers are late, no socket is left to wait for it`;
    return new ShardnsError('ERR_SHARDNS_OVERLOAD', text);
  }
  if (failure === AskFailure.malformed) {
    const cause = Object.assign(new Error('no such address or interface on this machine'), { code: 'EINVAL' });
    return socketFailed(where, cause);
  }
  return tooManyQueries(where, 'UDP', failure === AskFailure.noSocketAlone ? NO_SOCKET_ALONE : undefined);
}
