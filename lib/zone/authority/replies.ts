// Replies to what is for an authority: header and question of the request, an rcode, the signature that the request had.
import { flagsOf, opcodeFlags, opcodeOf, setFlags } from '../../wire/flags.js';
import { Flag, HEADER_SIZE, MAX_MESSAGE_SIZE } from '../../wire/iana.js';
import { questionEnd } from '../../wire/message.js';
import { findOpt, padded, REPLY_BLOCK, UDP_OCTETS, writeBareOpt } from '../../wire/opt.js';
import type { TsigKey } from '../tsig/key.js';
import { signMessage } from '../tsig/mac.js';
import type { TsigRecord } from '../tsig/record.js';

/**
 * A reply without records: the request's id, opcode, RD and question, and an OPT where it had one (RFC 6891 section 7).
 * @param request a header at least
 */
export function bareReply(request: Uint8Array, rcode: number, flags = 0): Buffer {
  const end = questionEnd(request) || HEADER_SIZE;
  const hasOpt = findOpt(request) > 0;
  const reply = Buffer.alloc(end + (hasOpt ? writeBareOpt.octets : 0));
  reply.set(request.subarray(0, end));
  setFlags(reply, Flag.QR | opcodeFlags(opcodeOf(request)) | (flagsOf(request) & Flag.RD) | flags | (rcode & 0x0f));
  reply.fill(0, 6, HEADER_SIZE);
  reply.writeUInt16BE(end > HEADER_SIZE ? 1 : 0, 4);
  if (hasOpt) {
    reply.writeUInt16BE(1, 10);
    writeBareOpt(reply, end, UDP_OCTETS);
  }
  return reply;
}

/** Header and question with TC: whoever asks is to come again over TCP. */
export const truncatedReply = (request: Uint8Array): Buffer => bareReply(request, 0, Flag.TC | Flag.AA);

/** How the reply to a request is signed. */
export interface Signing {
  readonly key: TsigKey;
  readonly tsig: TsigRecord;
}

/**
 * The reply as it is sent: signed where the request was, cut to its header and question where it has no room.
 * @param most octets that it may have
 * @param pads it is padded before it is signed, as nobody can do afterwards; whoever sends it pads the others
 * @param now seconds since 1970
 */
export function sealed(
  reply: Uint8Array,
  request: Uint8Array,
  { signing, most, pads, now }: { signing: Signing | undefined; most: number; pads: boolean; now: number },
): Uint8Array | undefined {
  if (signing === undefined) return reply.length <= most ? reply : truncatedReply(request);
  const args = { key: signing.key, now, requestMac: signing.tsig.mac };
  const signed = signMessage(pads ? padded(reply, REPLY_BLOCK) : reply, args)?.message;
  if (signed !== undefined && signed.length <= most) return signed;
  return signMessage(truncatedReply(request), args)?.message;
}

/** What a reply may have: as much as whoever asks says, over UDP. */
export const mostOctets = (udpSize: number | undefined): number =>
  udpSize === undefined ? MAX_MESSAGE_SIZE : Math.min(Math.max(512, udpSize), UDP_OCTETS);
