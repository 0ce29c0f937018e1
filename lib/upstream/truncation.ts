// What is said of servers whose responses are too long for UDP and do not come over TCP in their place: it is UDP that works, so
// whoever looks for the fault has to be told that TCP does not.
import { ShardnsError } from '../base/errors.js';
import type { Upstream } from './upstream.js';

const over = 'truncated its response over UDP (TC), and';

/** @param how.isCut whether it is its TCP port that was waited for */
export function notAnswered(
  { label, at }: Upstream,
  { timeoutMs, isCut }: { timeoutMs: number; isCut: boolean },
): ShardnsError {
  const text = `${label} ${isCut ? `${over} its TCP port ${at.port} did` : 'did'} not answer in ${Math.round(timeoutMs)} ms`;
  return new ShardnsError('ERR_SHARDNS_TIMEOUT', text);
}

export const lostOverTcp = ({ label }: Upstream, { code, message, cause }: ShardnsError): ShardnsError =>
  new ShardnsError(code, `${label} ${over} over TCP: ${message}`, { cause });

/** Over UDP again, and TCP was of no use before. */
export const truncatedAgain = ({ label }: Upstream): ShardnsError =>
  new ShardnsError('ERR_SHARDNS_UPSTREAM', `${label} truncated its response, and TCP failed`);

/** RFC 2181 section 9: it is not used, and there is no way to ask for the rest. */
export const truncatedOverTcp = ({ label }: Upstream): ShardnsError =>
  new ShardnsError('ERR_SHARDNS_UPSTREAM', `${label} truncated its response over TCP`);
