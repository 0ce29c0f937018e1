// From what programs have, texts and messages, to what the library judges.
import { decodeMessage, rcodeOf } from '../wire/message.js';
import { encodeName, foldName } from '../wire/name.js';
import { groupRrsets } from '../wire/rrset.js';
import type { Fetched } from './steps.js';

/** More records of one RRset are refused (RFC 9520 has no number; a message of 64 KiB has room for 4000). */
const MAX_RECORDS = 4096;

/**
 * A name as questions have it: wire format, in lower case.
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for a text that is no domain name
 */
export const wireName = (text: string): Uint8Array => foldName(encodeName(text));

/**
 * A response as `validate` and `fetchRecords` have it.
 * @param message whole, as it came from a server that was asked with DO and CD
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for octets that are no message
 */
export function readResponse(message: Uint8Array): Fetched {
  const decoded = decodeMessage(message);
  const options = { maxRecords: MAX_RECORDS };
  return {
    rcode: rcodeOf(decoded),
    answer: groupRrsets(decoded.answers, options),
    authority: groupRrsets(decoded.authorities, options),
  };
}
