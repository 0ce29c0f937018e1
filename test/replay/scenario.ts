// Reads replay scenarios: the `.rpl` format of Unbound's testbound and of Deckard. Text in, plain data out; knows
// nothing of how they are run.
import { Flag, Rcode, typeCode, Type } from '../../lib/wire/iana.js';
import type { ResourceRecord } from '../../lib/wire/message.js';
import { encodeName } from '../../lib/wire/name.js';
import { encodeRdata } from '../../lib/wire/rdata.js';

export type Dialect = 'unbound' | 'deckard';

/** `option: value` of the head; the clause it stands in is '' or `server` for the server's own. */
export interface HeadOption {
  clause: string;
  /** Counts the clauses, so that two `stub-zone:` are told apart. */
  clauseNumber: number;
  key: string;
  value: string;
}

export interface Question {
  name: Uint8Array;
  type: number;
  dnsClass: number;
}

export interface Entry {
  match: string[];
  adjust: string[];
  opcode: number;
  rcode: number;
  flags: number;
  dnssecOk: boolean;
  question: Question | undefined;
  sections: { answer: ResourceRecord[]; authority: ResourceRecord[]; additional: ResourceRecord[] };
  /** Octets as they are, in place of everything else. */
  raw: Uint8Array | undefined;
  ednsData: Uint8Array | undefined;
  /** Further messages of a stream, and other things that not every replayer can do. */
  extraPackets: number;
  line: number;
}

export interface Range {
  from: number;
  to: number;
  /** Empty: any address. */
  addresses: string[];
  entries: Entry[];
}

export interface Step {
  number: number;
  type: string;
  /** What stands behind the type on its line. */
  words: string[];
  address: string | undefined;
  entry: Entry | undefined;
  /** Lines of a file that is expected, comments and all. */
  file: string[];
  line: number;
}

export interface Scenario {
  title: string;
  dialect: Dialect;
  /** The server of `stub-addr` resolves; ours is a cache before it. */
  forwarding: boolean;
  head: HeadOption[];
  ranges: Range[];
  steps: Step[];
}

/** What it asks for does not exist here: named in the message. */
export class Unsupported extends Error {}

export class ScenarioError extends Error {
  constructor(line: number, what: string) {
    super(`line ${line}: ${what}`);
  }
}

const OPCODES: Readonly<Record<string, number>> = { QUERY: 0, IQUERY: 1, STATUS: 2, NOTIFY: 4, UPDATE: 5 };
const RCODES: Readonly<Record<string, number>> = { ...Rcode, YXDOMAIN: 6, YXRRSET: 7, NXRRSET: 8, NOTZONE: 10 };
const CLASSES: Readonly<Record<string, number>> = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 };
const DEFAULT_TTL = 3600;

interface Line {
  number: number;
  text: string;
  /** With its comment. */
  whole: string;
}

/** The text without its comment: from a `;` outside quotes on. */
function withoutComment(text: string): string {
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') quoted = !quoted;
    else if (text[i] === ';' && !quoted) return text.slice(0, i).trim();
  }
  return text.trim();
}

class Lines {
  #at = 0;
  readonly #lines: Line[];
  constructor(text: string) {
    this.#lines = text
      .split(/\r?\n/)
      .map((line, i) => ({ number: i + 1, text: withoutComment(line), whole: line }))
      .filter(line => line.text !== '');
  }
  peek(): Line | undefined {
    return this.#lines[this.#at];
  }
  next(expected: string): Line {
    const line = this.#lines[this.#at++];
    if (line === undefined)
      throw new ScenarioError(this.#lines.at(-1)?.number ?? 1, `the end of the file, ${expected}`);
    return line;
  }
}

const wordsOf = (text: string): string[] => text.split(/\s+/).filter(word => word !== '');

export function parseScenario(text: string): Scenario {
  const headEnd = /^[ \t]*CONFIG_END.*$/m.exec(text);
  const headText = headEnd === null ? '' : text.slice(0, headEnd.index);
  const head = parseHead(headText);
  // Lines keep their numbers: the head is blanked, not cut.
  const body = headEnd === null ? text : headText.replace(/[^\n]/g, '') + text.slice(headEnd.index).replace(/^.*/, '');
  const dialect = head.some(one => one.clause !== '') || headText.trim() === '' ? 'unbound' : 'deckard';
  const scenario: Scenario = { title: '', dialect, forwarding: false, head, ranges: [], steps: [] };
  const lines = new Lines(body);
  for (;;) {
    const line = lines.next('expected SCENARIO_END');
    const [word, ...rest] = wordsOf(line.text);
    if (word === 'SCENARIO_END') break;
    if (word === 'SCENARIO_BEGIN') scenario.title = rest.join(' ');
    else if (word === 'RANGE_BEGIN') scenario.ranges.push(parseRange(lines, rest, dialect));
    else if (word === 'STEP') scenario.steps.push(parseStep(lines, line, rest, dialect));
    else if (word !== 'RANGE_END')
      throw new ScenarioError(line.number, `expected a range or a step, got ${JSON.stringify(line.text)}`);
  }
  return scenario;
}

function parseHead(text: string): HeadOption[] {
  const options: HeadOption[] = [];
  let [clause, clauseNumber] = ['', 0];
  let open: { key: string; values: string[] } | undefined;
  const close = (): void => {
    if (open === undefined) return;
    if (open.values.length === 0) [clause, clauseNumber] = [open.key, clauseNumber + 1];
    else options.push({ clause, clauseNumber, key: open.key, value: open.values.join(' ') });
    open = undefined;
  };
  let skipUntil: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const first = wordsOf(line)[0];
    if (skipUntil !== undefined) {
      if (first === skipUntil) skipUntil = undefined;
      else options.at(-1)!.value += `${line}\n`;
      continue;
    }
    if (first === 'TEMPFILE_CONTENTS' || first === 'AUTOTRUST_FILE') {
      skipUntil = first === 'AUTOTRUST_FILE' ? 'AUTOTRUST_END' : 'TEMPFILE_END';
      options.push({ clause: '', clauseNumber: 0, key: first.toLowerCase(), value: '' });
      continue;
    }
    for (const [token] of line.matchAll(/"[^"]*"|'[^']*'|[#;].*|[^\s"']+/g)) {
      if (/^[#;]/.test(token)) break;
      if (/^[a-z][a-z0-9-]*:$/i.test(token)) {
        close();
        open = { key: token.slice(0, -1), values: [] };
      } else {
        open?.values.push(token.replace(/^["']|["']$/g, ''));
      }
    }
    // A value ends with its line.
    if (open !== undefined && open.values.length > 0) close();
  }
  close();
  return options;
}

function parseRange(lines: Lines, bounds: string[], dialect: Dialect): Range {
  const range: Range = { from: Number(bounds[0]), to: Number(bounds[1]), addresses: bounds.slice(2), entries: [] };
  for (;;) {
    const line = lines.next('expected RANGE_END');
    const [word, ...rest] = wordsOf(line.text);
    if (word === 'RANGE_END') return range;
    if (word === 'ADDRESS') range.addresses.push(rest[0].replace(/@\d+$/, ''));
    else if (word === 'ENTRY_BEGIN') range.entries.push(parseEntry(lines, line.number, dialect));
    else throw new ScenarioError(line.number, `expected an entry, got ${JSON.stringify(line.text)}`);
  }
}

function parseStep(lines: Lines, begin: Line, rest: string[], dialect: Dialect): Step {
  const [number, type, ...words] = rest;
  const step: Step = {
    number: Number(number),
    type,
    words,
    address: undefined,
    entry: undefined,
    file: [],
    line: begin.number,
  };
  const inline = words.indexOf('ADDRESS');
  if (inline >= 0) step.address = words[inline + 1];
  for (;;) {
    const line = lines.peek();
    const [word, ...more] = wordsOf(line?.text ?? '');
    if (word === 'ADDRESS') {
      step.address = more[0];
      lines.next('');
    } else if (word === 'ENTRY_BEGIN') {
      lines.next('');
      step.entry = parseEntry(lines, line!.number, dialect);
    } else if (word === 'FILE_BEGIN') {
      lines.next('');
      for (let one = lines.next('expected FILE_END'); one.text !== 'FILE_END'; one = lines.next('expected FILE_END')) {
        step.file.push(one.whole);
      }
    } else {
      return step;
    }
  }
}

function parseEntry(lines: Lines, begin: number, dialect: Dialect): Entry {
  const entry: Entry = {
    match: [],
    adjust: [],
    opcode: 0,
    rcode: 0,
    flags: 0,
    dnssecOk: false,
    question: undefined,
    sections: { answer: [], authority: [], additional: [] },
    raw: undefined,
    ednsData: undefined,
    extraPackets: 0,
    line: begin,
  };
  let section = '';
  let ttl = DEFAULT_TTL;
  for (;;) {
    const line = lines.next('expected ENTRY_END');
    const [word, ...rest] = wordsOf(line.text);
    switch (word) {
      case 'ENTRY_END':
        return entry;
      case 'MATCH':
        entry.match.push(...rest);
        continue;
      case 'ADJUST':
        entry.adjust.push(...rest);
        continue;
      case 'REPLY':
        readReplyWords(entry, rest, line.number);
        continue;
      case 'SECTION':
        section = rest[0].toLowerCase();
        continue;
      case 'HEX_ANSWER_BEGIN':
        entry.raw = readHex(lines, 'HEX_ANSWER_END');
        continue;
      case 'HEX_EDNSDATA_BEGIN':
        entry.ednsData = readHex(lines, 'HEX_EDNSDATA_END');
        continue;
      case 'OPCODE':
        readReplyWords(entry, rest, line.number);
        continue;
      case 'MANDATORY':
        continue; // that the entry must be used: a remark of its author
      case 'EXTRA_PACKET':
        entry.extraPackets++;
        continue;
      case '$TTL':
        ttl = Number(rest[0]);
        continue;
      case '$ORIGIN':
        continue; // names are absolute all the same
    }
    if (section === 'raw') {
      entry.raw = Uint8Array.from(Buffer.from(line.text.replace(/\s/g, ''), 'hex'));
    } else if (section === 'question') {
      entry.question = parseQuestion(line);
    } else if (section === 'answer' || section === 'authority' || section === 'additional') {
      let { text } = line;
      while (text.split('(').length > text.split(')').length) text += ` ${lines.next('expected )').text}`;
      const record = parseRecord(text.replace(/[()]/g, ' '), line.number, ttl, dialect);
      if (entry.extraPackets === 0) entry.sections[section].push(record);
    } else {
      throw new ScenarioError(line.number, `expected a section, got ${JSON.stringify(line.text)}`);
    }
  }
}

function readReplyWords(entry: Entry, words: string[], line: number): void {
  for (const word of words) {
    const upper = word.toUpperCase();
    if (Object.hasOwn(Flag, upper)) entry.flags |= Flag[upper as keyof typeof Flag];
    else if (Object.hasOwn(OPCODES, upper)) entry.opcode = OPCODES[upper];
    else if (Object.hasOwn(RCODES, upper)) entry.rcode = RCODES[upper];
    else if (upper === 'DO') entry.dnssecOk = true;
    else if (upper === 'NOTIMPL') entry.rcode = RCODES.NOTIMP;
    else if (/^RCODE\d+$/.test(upper)) entry.rcode = Number(upper.slice(5));
    else throw new ScenarioError(line, `REPLY ${word}: neither opcode, rcode nor flag`);
  }
}

function readHex(lines: Lines, end: string): Uint8Array {
  let hex = '';
  for (;;) {
    const { text } = lines.next(`expected ${end}`);
    if (text === end) return Uint8Array.from(Buffer.from(hex, 'hex'));
    hex += text.replace(/[^0-9a-f]/gi, '');
  }
}

function parseQuestion({ text, number }: Line): Question {
  const [name, ...rest] = wordsOf(text);
  let dnsClass: number = CLASSES.IN;
  let type: number | undefined;
  for (const [i, word] of rest.entries()) {
    const upper = word.toUpperCase();
    // ANY is both: as the last word it is the type.
    if (Object.hasOwn(CLASSES, upper) && (upper !== 'ANY' || i < rest.length - 1)) dnsClass = CLASSES[upper];
    else if (/^CLASS\d+$/.test(upper)) dnsClass = Number(upper.slice(5));
    else type = typeCode(upper);
  }
  if (type === undefined) throw new ScenarioError(number, `a question without a type: ${JSON.stringify(text)}`);
  return { name: encodeName(name), type, dnsClass };
}

function parseRecord(text: string, line: number, defaultTtl: number, dialect: Dialect): ResourceRecord {
  const match = /^(\S+)\s+([\s\S]*)$/.exec(text.trim());
  if (match === null) throw new ScenarioError(line, `not a record: ${JSON.stringify(text)}`);
  const owner = match[1];
  let rest = match[2];
  let ttl = defaultTtl;
  let dnsClass: number = CLASSES.IN;
  for (;;) {
    const word = /^(\S+)\s*([\s\S]*)$/.exec(rest);
    if (word === null) throw new ScenarioError(line, `a record without a type: ${JSON.stringify(text)}`);
    const upper = word[1].toUpperCase();
    if (/^\d+$/.test(upper)) ttl = Number(upper);
    else if (Object.hasOwn(CLASSES, upper)) dnsClass = CLASSES[upper];
    else if (/^CLASS\d+$/.test(upper)) dnsClass = Number(upper.slice(5));
    else {
      const type = typeCode(upper);
      if (type === undefined) throw new ScenarioError(line, `no record type: ${word[1]} (${dialect})`);
      const data = word[2] === '' ? new Uint8Array() : encodeAny(type, word[2], line);
      return { name: encodeName(owner), type, dnsClass, ttl, data };
    }
    rest = word[2];
  }
}

function encodeAny(type: number, text: string, line: number): Uint8Array {
  try {
    // Scenarios have signatures of no octets, which no zone file may have.
    const isBare = type === Type.RRSIG && text.trim().split(/\s+/).length === 8;
    if (isBare) return encodeRdata(type, `${text} AAAA`, '.').subarray(0, -3);
    return encodeRdata(type, text, '.');
  } catch (error) {
    if (type !== Type.OPT) throw new ScenarioError(line, (error as Error).message);
    return new Uint8Array();
  }
}
