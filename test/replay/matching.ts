// Whether a message is what an entry of a scenario says, and the octets that an entry stands for.
import { Flag, rcodeName, Type, typeName } from '../../lib/wire/iana.js';
import { decodeMessage, type Message, type ResourceRecord } from '../../lib/wire/message.js';
import { equalNames, foldName, isAtOrBelow, nameKey, nameToText } from '../../lib/wire/name.js';
import { decodeRdata } from '../../lib/wire/rdata.js';
import type { Dialect, Entry, Question } from './scenario.js';

export interface Packet {
  id: number;
  opcode: number;
  rcode: number;
  flags: number;
  question: Question | undefined;
  sections: { answer: ResourceRecord[]; authority: ResourceRecord[]; additional: ResourceRecord[] };
  opt: { dnssecOk: boolean; udpSize: number; options: Uint8Array } | undefined;
  extendedErrors: number[];
  tcp: boolean;
}

/** How much of a reply must agree: `core` leaves out authority and additional sections and EDNS. */
export type Level = 'core' | 'strict';

/** What a query or reply says; throws for octets that are no message. */
export function readPacket(octets: Uint8Array, tcp: boolean): Packet {
  const head = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
  const flags = head.readUInt16BE(2);
  // Error reports may lack a question, and have nothing else then.
  const message: Pick<Message, 'question' | 'answers' | 'authorities' | 'additionals'> | undefined =
    head.readUInt16BE(4) === 1 ? decodeMessage(octets) : undefined;
  const record = message?.additionals.find(one => one.type === Type.OPT);
  const opt = record && { dnssecOk: (record.ttl & 0x8000) !== 0, udpSize: record.dnsClass, options: record.data };
  const extendedErrors: number[] = [];
  const options = Buffer.from(opt?.options ?? []);
  for (let i = 0; i + 4 <= options.length; i += 4 + options.readUInt16BE(i + 2)) {
    if (options.readUInt16BE(i) === 15) extendedErrors.push(options.readUInt16BE(i + 4));
  }
  return {
    id: head.readUInt16BE(0),
    opcode: (flags >> 11) & 15,
    rcode: (((record?.ttl ?? 0) >>> 24) << 4) | (flags & 15),
    flags,
    question: message?.question,
    sections: {
      answer: message?.answers ?? [],
      authority: message?.authorities ?? [],
      additional: (message?.additionals ?? []).filter(one => one.type !== Type.OPT),
    },
    opt,
    extendedErrors,
    tcp,
  };
}

const SECTIONS = ['answer', 'authority', 'additional'] as const;

export function recordText(record: ResourceRecord, withTtl: boolean): string {
  let data: string;
  try {
    data = decodeRdata(record.type, record.data).toLowerCase();
  } catch {
    data = Buffer.from(record.data).toString('hex');
  }
  const ttl = withTtl ? `${record.ttl} ` : '';
  return `${nameToText(foldName(record.name))} ${ttl}${typeName(record.type)} ${data}`;
}

function differ(
  section: string,
  got: ResourceRecord[],
  wanted: ResourceRecord[],
  withTtl: boolean,
): string | undefined {
  const textOf = (records: ResourceRecord[]): string[] =>
    records
      .filter(one => one.type !== Type.OPT)
      .map(one => recordText(one, withTtl))
      .sort();
  const [have, want] = [[...new Set(textOf(got))], [...new Set(textOf(wanted))]];
  const missing = want.filter(one => !have.includes(one));
  const surplus = have.filter(one => !want.includes(one));
  if (missing.length + surplus.length === 0) return undefined;
  const show = (list: string[]): string => list.slice(0, 3).join(' | ').slice(0, 200);
  const parts = [
    missing.length > 0 ? `without ${show(missing)}` : '',
    surplus.length > 0 ? `with ${show(surplus)}` : '',
  ];
  return `${section} ${parts.filter(one => one !== '').join(', ')}`;
}

const SHOWN_FLAGS = ['QR', 'AA', 'TC', 'RD', 'RA', 'AD', 'CD'] as const;
const flagMask = SHOWN_FLAGS.reduce((mask, flag) => mask | Flag[flag], 0);
const flagText = (flags: number): string => SHOWN_FLAGS.filter(flag => flags & Flag[flag]).join(' ');

const sameQuestion = (a: Question | undefined, b: Question | undefined): boolean =>
  a === undefined || b === undefined
    ? a === b
    : equalNames(a.name, b.name) && a.type === b.type && a.dnsClass === b.dnsClass;

/** Words of MATCH that only the check of a reply knows to leave out at level core. */
export const KNOWN_WORDS = new Set(
  'opcode qtype qname qcase rcode question answer authority additional subdomain all all_noedns ttl flags edns DO noedns UDP TCP ednsdata AD CD RD CONNECTION_CLOSED'
    .split(' ')
    .map(one => one.toLowerCase()),
);
export const isKnownWord = (word: string): boolean =>
  KNOWN_WORDS.has(word.toLowerCase()) || /^ede=/i.test(word) || /^nsid$/i.test(word);

/** What of a packet is not as the entry says; undefined = it matches. */
export function mismatch(
  entry: Entry,
  packet: Packet,
  level: Level,
  { dialect, forwarding }: { dialect: Dialect; forwarding: boolean },
): string | undefined {
  const words = new Set(entry.match.map(one => one.toLowerCase()));
  const all = words.has('all') || words.has('all_noedns');
  const has = (word: string): boolean => all || words.has(word);
  const { question } = entry;
  if (has('opcode') && packet.opcode !== entry.opcode) return `opcode ${packet.opcode}, not ${entry.opcode}`;
  if (has('qtype') && question && packet.question?.type !== question.type)
    return `type ${typeName(packet.question?.type ?? 0)}, not ${typeName(question.type)}`;
  if ((has('qname') || words.has('qcase')) && question) {
    const same =
      packet.question !== undefined &&
      (words.has('qcase')
        ? nameKey(packet.question.name) === nameKey(question.name)
        : equalNames(packet.question.name, question.name));
    if (!same) return `name ${nameToText(packet.question?.name ?? Uint8Array.of(0))}, not ${nameToText(question.name)}`;
  }
  if (words.has('subdomain') && question) {
    if (packet.question === undefined || !isAtOrBelow(foldName(packet.question.name), foldName(question.name)))
      return 'not below';
  }
  if ((words.has('question') || all) && !sameQuestion(packet.question, question)) return 'another question';
  if (has('rcode') && packet.rcode !== entry.rcode) return `${rcodeName(packet.rcode)}, not ${rcodeName(entry.rcode)}`;
  // A server in front of a cache says by itself whether it recurses, and has no authority.
  let mask = forwarding && level === 'core' ? flagMask & ~(Flag.AA | Flag.RA) : flagMask;
  // Who asks with CD is told nothing of validation, also where the answer was validated for others (RFC 4035 section 3.2.2).
  if (level === 'core' && (packet.flags & Flag.QR) !== 0 && (packet.flags & Flag.CD) !== 0) mask &= ~Flag.AD;
  if (has('flags') && (packet.flags & mask) !== (entry.flags & mask))
    return `flags ${flagText(packet.flags)}, not ${flagText(entry.flags)}`;
  for (const word of ['AD', 'CD', 'RD'] as const) {
    if (words.has(word.toLowerCase()) && !(packet.flags & Flag[word])) return `without the flag ${word}`;
  }
  if (words.has('tcp') && !packet.tcp) return 'over UDP, not TCP';
  if (words.has('udp') && packet.tcp) return 'over TCP, not UDP';
  if (words.has('do') && packet.opt?.dnssecOk !== true) return 'without DO';
  if (words.has('noedns') && packet.opt !== undefined) return 'with EDNS';
  for (const word of words) {
    const [, code] = /^ede=(.*)$/.exec(word) ?? [];
    if (code === undefined) continue;
    const found = code === 'any' ? packet.extendedErrors.length > 0 : packet.extendedErrors.includes(Number(code));
    if (!found) return `extended errors [${packet.extendedErrors.join()}], not ${code}`;
  }
  if (words.has('ednsdata') && level === 'strict') {
    const wanted = Buffer.from(entry.ednsData ?? []);
    if (Buffer.compare(wanted, Buffer.from(packet.opt?.options ?? [])) !== 0) return 'other EDNS options';
  }
  const empty = entry.sections.answer.length === 0;
  for (const section of SECTIONS) {
    if (!has(section)) continue;
    // At level core a positive answer counts for itself.
    if (
      level === 'core' &&
      all &&
      section !== 'answer' &&
      !(section === 'authority' && empty && packet.sections.answer.length === 0)
    )
      continue;
    if (level === 'core' && all && section === 'authority' && !hasSoa(entry)) continue;
    // Name servers beside a denial are a courtesy.
    const counts = (one: ResourceRecord): boolean =>
      level === 'strict' || section !== 'authority' || one.type !== Type.NS;
    const [got, wanted] = [packet.sections[section].filter(counts), entry.sections[section].filter(counts)];
    const difference = differ(section, got, wanted, words.has('ttl'));
    if (difference !== undefined) return difference;
  }
  if (level === 'strict' && words.has('all') && dialect === 'unbound' && (packet.opt !== undefined) !== entry.dnssecOk)
    return entry.dnssecOk ? 'without EDNS' : 'with EDNS';
  return undefined;
}

/** Denials; referrals and failures have other things there. */
const hasSoa = (entry: Entry): boolean => entry.sections.authority.some(one => one.type === Type.SOA);

export interface Shape {
  id: number;
  question: Question | undefined;
  /** The OPT's options; undefined = no OPT. */
  options: Uint8Array | undefined;
  udpSize: number;
}

/** The octets of an entry as a message, nothing compressed. */
export function encodeEntry(entry: Entry, { id, question, options, udpSize }: Shape): Uint8Array {
  if (entry.raw !== undefined) return entry.raw.slice();
  const { answer, authority, additional } = entry.sections;
  const head = Buffer.alloc(12);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE((entry.flags & ~0x780f) | (entry.opcode << 11) | (entry.rcode & 15), 2);
  head.writeUInt16BE(question === undefined ? 0 : 1, 4);
  head.writeUInt16BE(answer.length, 6);
  head.writeUInt16BE(authority.length, 8);
  const opt = options !== undefined || additional.some(one => one.type === Type.OPT);
  const rest = additional.filter(one => one.type !== Type.OPT);
  head.writeUInt16BE(rest.length + (opt ? 1 : 0), 10);
  const parts: Uint8Array[] = [head];
  const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
  if (question !== undefined) parts.push(question.name, u16(question.type), u16(question.dnsClass));
  for (const { name, type, dnsClass, ttl, data } of [...answer, ...authority, ...rest]) {
    const seconds = Buffer.alloc(4);
    seconds.writeUInt32BE(ttl >>> 0);
    parts.push(name, u16(type), u16(dnsClass), seconds, u16(data.length), data);
  }
  if (opt) {
    const data = options ?? new Uint8Array();
    const flags = entry.dnssecOk ? 0x80 : 0;
    parts.push(Buffer.from([0]), u16(Type.OPT), u16(udpSize), Buffer.from([0, 0, flags, 0]), u16(data.length), data);
  }
  return Uint8Array.from(Buffer.concat(parts));
}
