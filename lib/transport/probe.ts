// What a server is asked over a connection for a sign of life: the root's servers, which every resolver has in its cache.
// Whatever it says to that is one.
import { setFlags } from '../wire/flags.js';
import { Class, Flag, HEADER_SIZE, Type } from '../wire/iana.js';
import { padded, QUERY_BLOCK } from '../wire/opt.js';

const QUESTION_END = HEADER_SIZE + 5;
let probe: Uint8Array | undefined;

/** Without id, for the caller to change; as long as queries over TLS are, so that its length tells nothing. */
export function probeQuery(): Uint8Array {
  probe ??= padded(unpadded(), QUERY_BLOCK);
  return probe.slice();
}

function unpadded(): Uint8Array {
  const query = new Uint8Array(QUESTION_END + 11);
  setFlags(query, Flag.RD);
  query[5] = query[11] = 1;
  query[HEADER_SIZE + 2] = Type.NS;
  query[HEADER_SIZE + 4] = Class.IN;
  query[QUESTION_END + 2] = Type.OPT;
  query[QUESTION_END + 3] = 0x04; // 1232 octets
  query[QUESTION_END + 4] = 0xd0;
  return query;
}
