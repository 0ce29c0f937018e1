// How long a zone lives without word of its primary, told from server to server (EDNS EXPIRE, RFC 7314): a secondary of a
// secondary does not serve a zone for longer than that one may.
import { appendOption, eachOption, OptionCode, withoutOption } from '../../wire/opt.js';

const NOTHING = new Uint8Array(0);
/** Octets of what is told (RFC 7314 section 3). */
const OCTETS = 4;

/** A question with an OPT, so that it asks. */
export const askingExpire = (query: Uint8Array): Uint8Array => appendOption(query, OptionCode.expire, NOTHING);

/** Whether a question asks: with any content the option is none (RFC 7314 section 2). */
export function asksExpire(query: Uint8Array): boolean {
  for (const content of eachOption(query, OptionCode.expire)) if (content.length === 0) return true;
  return false;
}

/** A question that asks nothing of the kind, whatever it asked. */
export const withoutExpire = (query: Uint8Array): Uint8Array => withoutOption(query, OptionCode.expire);

/** Seconds that a response tells; undefined: it does not, or not in four octets. */
export function toldExpire(response: Uint8Array): number | undefined {
  for (const content of eachOption(response, OptionCode.expire)) {
    if (content.length === OCTETS) return new DataView(content.buffer, content.byteOffset).getUint32(0);
  }
  return undefined;
}

/** A reply that tells; as it is where it has no OPT at its end. */
export function tellingExpire(reply: Uint8Array, seconds: number): Uint8Array {
  const content = new Uint8Array(OCTETS);
  new DataView(content.buffer).setUint32(0, seconds);
  return appendOption(reply, OptionCode.expire, content);
}
