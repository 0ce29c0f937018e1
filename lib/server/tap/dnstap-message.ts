// A record as dnstap has it (https://dnstap.info, dnstap.proto): twenty fields of Protocol Buffers, written by hand.
//
//  Dnstap: identity 1, version 2, message 14, type 15 (MESSAGE 1)
//  Message: type 1 (CLIENT_RESPONSE 6), family 2, protocol 3, query address 4 and port 6, query time 8 and 9 (fixed32),
//           response time 12 and 13 (fixed32), response 14
import { flagsOf, setFlags } from '../../wire/flags.js';
import { Flag, HEADER_SIZE } from '../../wire/iana.js';
import type { Protocol } from '../listeners/protocols.js';
import type { TapRecord } from './record.js';

const CLIENT_RESPONSE = 6;
const MESSAGE = 1;
const SOCKET_PROTOCOL: Readonly<Record<Protocol, number>> = { udp: 1, tcp: 2, tls: 3, https: 4 };

/** How what follows is encoded. */
const Wire = { varint: 0, octets: 2, fixed32: 5 } as const;

class Writer {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  varint(field: number, value: number): void {
    this.#put(Uint8Array.from([...varintOf((field << 3) | Wire.varint), ...varintOf(value)]));
  }
  octets(field: number, value: Uint8Array): void {
    this.#put(Uint8Array.from([...varintOf((field << 3) | Wire.octets), ...varintOf(value.length)]));
    this.#put(value);
  }
  fixed32(field: number, value: number): void {
    const octets = [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
    this.#put(Uint8Array.from([...varintOf((field << 3) | Wire.fixed32), ...octets]));
  }
  get written(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const one of this.#chunks) {
      all.set(one, at);
      at += one.length;
    }
    return all;
  }

  #put(octets: Uint8Array): void {
    this.#chunks.push(octets);
    this.#length += octets.length;
  }
}

/** Least significant groups of seven bits first; a whole number up to 2^53. */
function varintOf(value: number): number[] {
  const octets: number[] = [];
  let left = value;
  while (left >= 0x80) {
    octets.push((left % 0x80) | 0x80);
    left = Math.floor(left / 0x80);
  }
  octets.push(left);
  return octets;
}

export interface DnstapSource {
  readonly identity: Uint8Array;
  readonly version: Uint8Array;
}

/** @param client as much of the client's address as is told: 4 or 16 octets, or none */
export function dnstapMessage({ parts }: TapRecord, client: Uint8Array, source: DnstapSource): Uint8Array {
  const message = new Writer();
  message.varint(1, CLIENT_RESPONSE);
  if (client.length > 0) message.varint(2, client.length === 4 ? 1 : 2);
  message.varint(3, SOCKET_PROTOCOL[parts.protocol]);
  if (client.length > 0) message.octets(4, client);
  if (client.length > 0 && parts.port !== 0) message.varint(6, parts.port);
  writeTime(message, 8, parts.atMs - parts.latencyUs / 1000);
  writeTime(message, 12, parts.atMs);
  message.octets(14, wholeReply(parts.reply));
  const whole = new Writer();
  if (source.identity.length > 0) whole.octets(1, source.identity);
  if (source.version.length > 0) whole.octets(2, source.version);
  whole.octets(14, message.written);
  whole.varint(15, MESSAGE);
  return whole.written;
}

function writeTime(message: Writer, field: number, ms: number): void {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  message.varint(field, seconds);
  message.fixed32(field + 1, Math.min(999_999_999, Math.max(0, Math.round((ms - seconds * 1000) * 1e6))));
}

/** A reply of which there is the question alone says so, by TC and counts of 0: else nobody could read it. */
function wholeReply(reply: Uint8Array): Uint8Array {
  if (reply.length < HEADER_SIZE) return reply;
  let end = HEADER_SIZE;
  if (reply[5] === 1) {
    while (end < reply.length && reply[end] !== 0 && reply[end] < 0x40) end += 1 + reply[end];
    end += 5;
  }
  const hasRecords = reply.subarray(6, HEADER_SIZE).some(octet => octet !== 0);
  if (!hasRecords || reply.length > end) return reply;
  const cut = Uint8Array.from(reply);
  cut.fill(0, 6, HEADER_SIZE);
  setFlags(cut, flagsOf(cut) | Flag.TC);
  return cut;
}
