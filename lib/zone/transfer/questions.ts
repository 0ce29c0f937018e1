// What secondaries ask of primaries and tell each other: SOA, AXFR and IXFR questions (RFC 5936 section 2.1, RFC 1995 section
// 3) and NOTIFY (RFC 1996 section 3).
import { opcodeFlags } from '../../wire/flags.js';
import { Class, Flag, Opcode, Type } from '../../wire/iana.js';
import { encodeMessage, type ResourceRecord } from '../../wire/message.js';
import { UDP_OCTETS, withBareOpt } from '../../wire/opt.js';
import { askingExpire } from './expire.js';

interface About {
  readonly id: number;
  readonly apex: Uint8Array;
}

const question = ({ id, apex }: About, type: number, flags = 0) => ({
  id,
  flags,
  question: { name: apex, type, dnsClass: Class.IN },
  answers: [],
  additionals: [],
});

export const soaQuestion = (about: About): Uint8Array =>
  encodeMessage({ ...question(about, Type.SOA), authorities: [] })!;

export const wholeQuestion = (about: About): Uint8Array =>
  encodeMessage({ ...question(about, Type.AXFR), authorities: [] })!;

/** @param soa the one that is served here: its serial says from where on differences are wanted */
export const differencesQuestion = (about: About, soa: ResourceRecord): Uint8Array =>
  encodeMessage({ ...question(about, Type.IXFR), authorities: [soa] })!;

/** The same questions as they are asked first: with an OPT, and how long the zone lives (RFC 7314 section 2). */
export const withOpt = (query: Uint8Array): Uint8Array => askingExpire(withBareOpt(query, UDP_OCTETS));

/** @param soa of the new version: a hint */
export const notification = (about: About, soa: ResourceRecord): Uint8Array =>
  encodeMessage({
    ...question(about, Type.SOA, opcodeFlags(Opcode.NOTIFY) | Flag.AA),
    answers: [soa],
    authorities: [],
  })!;
