// Options of a message's OPT (RFC 6891 section 6.1.2).
import { HEADER_SIZE, MAX_MESSAGE_SIZE, Type } from './iana.js';

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

/** Offset of an OPT that is the last record of a message; 0 = none. Enough for what servers send. */
export function findOpt(message: Uint8Array): number {
  if (message.length < HEADER_SIZE || (message[10] | message[11]) === 0) return 0; // nothing additional
  for (let at = message.length - 11; at >= HEADER_SIZE; at--) {
    if (
      message[at] === 0 &&
      message[at + 1] === 0 &&
      message[at + 2] === Type.OPT &&
      at + 11 + ((message[at + 9] << 8) | message[at + 10]) === message.length
    ) {
      return at;
    }
  }
  return 0;
}

/** The message with one more option; as it is where it ends in no OPT, or the option has no room. */
export function appendOption(message: Uint8Array, code: number, content: Uint8Array): Uint8Array {
  const opt = findOpt(message);
  if (opt === 0 || message.length + 4 + content.length > MAX_MESSAGE_SIZE) return message;
  const longer = new Uint8Array(message.length + 4 + content.length);
  const view = new DataView(longer.buffer);
  longer.set(message);
  view.setUint16(opt + 9, view.getUint16(opt + 9) + 4 + content.length);
  view.setUint16(message.length, code);
  view.setUint16(message.length + 2, content.length);
  longer.set(content, message.length + 4);
  return longer;
}
