// A message's OPT: its options, and the rcode's upper bits (RFC 6891 section 6.1.2 and 6.1.3). The records before it are
// walked: the end of other data can look like one.
import { Flag, HEADER_SIZE, MAX_MESSAGE_SIZE, Type } from './iana.js';
import { skipName } from './name.js';

export const OptionCode = { clientSubnet: 8, keepalive: 11, extendedError: 15 } as const;

/** The content of the first such option of a message's OPT. */
export function findOption(message: Uint8Array, wanted: number): Uint8Array | undefined {
  const opt = findOpt(message);
  if (opt === 0) return undefined;
  const end = Math.min(message.length, opt + 11 + ((message[opt + 9] << 8) | message[opt + 10]));
  for (let at = opt + 11; at + 4 <= end;) {
    const code = (message[at] << 8) | message[at + 1];
    const length = (message[at + 2] << 8) | message[at + 3];
    if (code === wanted && at + 4 + length <= end) return message.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
  return undefined;
}

/** Offset of a message's OPT, which may be any of its additional records (RFC 6891 section 6.1.1); 0 = none. */
export function findOpt(message: Uint8Array): number {
  if (message.length < HEADER_SIZE) return 0;
  const word = (at: number): number => (message[at] << 8) | message[at + 1];
  const additional = word(10);
  if (additional === 0) return 0;
  let at = HEADER_SIZE;
  for (let left = word(4); left > 0; left--) {
    at = skipName(message, at);
    if (at === 0) return 0;
    at += 4;
  }
  for (let left = word(6) + word(8) + additional; left > 0; left--) {
    const fixed = skipName(message, at);
    if (fixed === 0 || fixed + 10 > message.length) return 0;
    const end = fixed + 10 + word(fixed + 8);
    if (end > message.length) return 0;
    if (left <= additional && word(fixed) === Type.OPT && fixed - at === 1) return at;
    at = end;
  }
  return 0;
}

/** All twelve bits of a message's rcode: the upper eight are in its OPT (RFC 6891 section 6.1.3). */
export function responseRcode(message: Uint8Array, opt = findOpt(message)): number {
  return (message[3] & 0x0f) | (opt === 0 ? 0 : message[opt + 5] << 4);
}

/** Whether what the message should say did not fit into it (RFC 2181 section 9). */
export function isTruncated(message: Uint8Array): boolean {
  return (message[2] & (Flag.TC >> 8)) !== 0;
}

/** The message with one more option; as it is where its last record is no OPT, or the option has no room. */
export function appendOption(message: Uint8Array, code: number, content: Uint8Array): Uint8Array {
  const opt = findOpt(message);
  if (opt === 0 || message.length + 4 + content.length > MAX_MESSAGE_SIZE) return message;
  if (opt + 11 + ((message[opt + 9] << 8) | message[opt + 10]) !== message.length) return message;
  const longer = new Uint8Array(message.length + 4 + content.length);
  const view = new DataView(longer.buffer);
  longer.set(message);
  view.setUint16(opt + 9, view.getUint16(opt + 9) + 4 + content.length);
  view.setUint16(message.length, code);
  view.setUint16(message.length + 2, content.length);
  longer.set(content, message.length + 4);
  return longer;
}
