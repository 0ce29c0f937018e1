// A response as it is kept where it is for everybody: without its OPT (RFC 6891), which is between two hops, with cookies,
// subnets and names of servers in it.
import { Type } from './iana.js';
import { decodeMessage, encodeMessage, MAX_RESPONSE_RECORDS, questionEnd } from './message.js';
import { skipName } from './name.js';
import { RecordWalk, word } from './record-walk.js';

const ADDITIONALS = 10;

/** A copy without OPT; undefined for what cannot be read. */
export function withoutOpt(response: Uint8Array): Uint8Array | undefined {
  const end = questionEnd(response);
  if (end === 0) return undefined;
  const walk = new RecordWalk();
  walk.begin(response, end, skipName);
  let before = 0;
  let found = false;
  while (walk.next()) {
    if (walk.type !== Type.OPT) continue;
    if (found) return rewritten(response);
    found = true;
    before = walk.at;
    // Names behind it may point to octets that would move.
    if (walk.left > 0) return rewritten(response);
  }
  if (walk.cutOff || walk.end !== response.length) return undefined;
  if (!found) return response.slice();
  const kept = response.slice(0, before);
  const additionals = word(response, ADDITIONALS) - 1;
  kept[ADDITIONALS] = additionals >> 8;
  kept[ADDITIONALS + 1] = additionals & 0xff;
  return kept;
}

function rewritten(response: Uint8Array): Uint8Array | undefined {
  try {
    const message = decodeMessage(response, MAX_RESPONSE_RECORDS);
    const additionals = message.additionals.filter(({ type }) => type !== Type.OPT);
    return encodeMessage({ ...message, additionals });
  } catch {
    return undefined;
  }
}
