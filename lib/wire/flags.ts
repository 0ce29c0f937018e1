// The second word of a message's header (RFC 1035 section 4.1.1; AD and CD: RFC 4035 section 3.2): what reads and writes its
// bits. Callers see to it that there is a header.
import { Flag, HEADER_SIZE } from './iana.js';

const OPCODE = 0x7800;
const RCODE = 0x000f;

export function flagsOf(message: Uint8Array): number {
  return (message[2] << 8) | message[3];
}

export function setFlags(message: Uint8Array, flags: number): void {
  message[2] = flags >> 8;
  message[3] = flags & 0xff;
}

/** What kind of message it is. */
export function opcodeOf(message: Uint8Array): number {
  return (message[2] & (OPCODE >> 8)) >> 3;
}

/** As a number of `Opcode` stands among the flags. */
export const opcodeFlags = (opcode: number): number => opcode << 11;

/** The rcode without the upper bits, which are the OPT's (opt.ts). */
export function headerRcode(message: Uint8Array): number {
  return message[3] & RCODE;
}

/** Whether an answer that is kept is one of a zone of our own: no reply has that bit (native/wire/header.h). */
export function isOfZone(kept: Uint8Array): boolean {
  return (kept[3] & 0x40) !== 0;
}

/** Whether what the message should say did not fit into it (RFC 2181 section 9). */
export function isTruncated(message: Uint8Array): boolean {
  return (message[2] & (Flag.TC >> 8)) !== 0;
}

/** Whether it is a response of the query's opcode. */
export function isResponseTo(response: Uint8Array, query: Uint8Array): boolean {
  if (response.length < HEADER_SIZE) return false;
  return (response[2] & (Flag.QR >> 8)) !== 0 && ((response[2] ^ query[2]) & (OPCODE >> 8)) === 0;
}
