// Reads zone files (RFC 1035 section 5; $TTL: RFC 2308 section 4; $GENERATE: as BIND has it). Goes on behind what is wrong,
// so that all of it is told at once; knows nothing of what makes a zone (zone-checks.ts).
//
// Bounds, since files come from people and from primaries: MAX_PROBLEMS are told, includes are INCLUDE_DEPTH deep,
// MAX_INCLUDES in all, and lie below the folder of the first file; a $GENERATE makes 65,536 entries, all of a file sixteen
// times that; what is taken is the sink's to bound.
import { show, ShardnsError } from '../base/errors.js';
import { Type, typeCode } from '../wire/iana.js';
import { nameToText } from '../wire/name.js';
import { nameExpected, writeNameOctets } from '../wire/name-octets.js';
import { EntryScanner, FieldKind } from './entry-scanner.js';
import { GENERATE_LIMIT, type Generated, generatedEntries } from './generate.js';
import { fieldText, type Origin, RdataText } from './rdata-text.js';
import { parseTtl } from './ttl-text.js';

export interface ZoneProblem {
  severity: 'error' | 'warning';
  file: string;
  /** From 1; 0 where it is about the zone as a whole. */
  line: number;
  column: number;
  message: string;
}
export const problemText = ({ severity, file, line, column, message }: ZoneProblem): string =>
  `${file}${line > 0 ? `:${line}:${column}` : ''}: ${severity}: ${message}`;

export const MAX_PROBLEMS = 100;
export const INCLUDE_DEPTH = 10;
const MAX_INCLUDES = 1000;
const MAX_GENERATED = 16 * GENERATE_LIMIT;
const MAX_TTL = 0x7fffffff;

/** What takes the records. @returns a warning, where it does not take this one */
export type RecordSink = (
  name: Uint8Array,
  nameLength: number,
  type: number,
  ttl: number,
  data: Uint8Array,
  length: number,
) => string | undefined;

export interface ZoneFileOptions {
  /** For messages. */
  file: string;
  /** Wire format: what names without a final dot end in. */
  origin: Uint8Array;
  /** Seconds, where the file has no $TTL and no TTL of a record before. */
  ttl?: number;
  /**
   * Reads what $INCLUDE names. Undefined: that is an error.
   * @throws {ShardnsError} saying why it cannot be read
   */
  include?: (path: string, from: string) => { octets: Uint8Array; file: string };
}

export interface ZoneFileResult {
  problems: ZoneProblem[];
  /** Also of those that are not told. */
  errors: number;
  warnings: number;
}

export function readZoneFile(octets: Uint8Array, options: ZoneFileOptions, sink: RecordSink): ZoneFileResult {
  const reader = new Reader(options, sink);
  reader.read(octets, options.file, 0);
  return { problems: reader.problems, errors: reader.errors, warnings: reader.warnings };
}

/** What a file is that only looks like another one's text; undefined: it may be a zone file. */
function formOf([a, b, c, d]: Uint8Array): string | undefined {
  // BIND keeps its secondaries so, where it is not told otherwise: a number of 32 bits, 2 or 3.
  if (a === 0 && b === 0 && c === 0 && (d === 2 || d === 3)) {
    return "BIND's raw format: `named-compilezone -f raw -F text -o TEXT ZONE FILE` makes text of it";
  }
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) return 'UTF-16';
  return undefined;
}

/** Too many problems: the rest is not looked at. */
class Stop extends Error {}

class Reader {
  readonly problems: ZoneProblem[] = [];
  errors = 0;
  warnings = 0;
  readonly #owner = new Uint8Array(256);
  /** 0: there is none yet, or the last was none. */
  #ownerLength = 0;
  #origin: Origin;
  #ttl: number | undefined;
  #lastTtl: number | undefined;
  #includes = 0;
  #generated = 0;
  readonly #rdata = new RdataText();
  readonly #scratch = new Uint8Array(256);
  /** Of the entry under way: where its problems are said to be. */
  #file = '';
  #placed: { line: number; column: number } | undefined;

  constructor(
    private readonly options: ZoneFileOptions,
    private readonly sink: RecordSink,
  ) {
    this.#origin = { wire: options.origin, text: nameToText(options.origin) };
    this.#ttl = options.ttl;
  }

  read(octets: Uint8Array, file: string, depth: number): void {
    const entry = new EntryScanner(octets);
    const other = formOf(octets);
    if (other !== undefined) {
      this.#file = file;
      this.#placed = undefined;
      return this.#tell('error', entry, 0, `expected text in ASCII or UTF-8, got ${other}`);
    }
    try {
      while (entry.next()) {
        this.#file = file;
        if (entry.problem !== undefined) {
          const { at, expected } = entry.problem;
          this.#ownerLength = 0;
          this.#tell('error', entry, at, `expected ${expected}`);
        } else if (!entry.isIndented && entry.text[entry.begin[0]] === 0x24) this.#directive(entry, depth);
        else this.#record(entry);
      }
    } catch (error) {
      if (!(error instanceof Stop) || depth > 0) throw error;
    }
  }

  #tell(severity: 'error' | 'warning', entry: EntryScanner, at: number, message: string): void {
    if (severity === 'error') this.errors++;
    else this.warnings++;
    const known = severity === 'error' ? this.errors : this.warnings;
    if (known <= MAX_PROBLEMS) {
      const place = this.#placed ?? entry.placeOf(at);
      this.problems.push({ severity, file: this.#file, ...place, message });
    }
    if (this.errors >= MAX_PROBLEMS) throw new Stop();
  }
  /** @param field counted past the entry's last it is its end */
  #wrong(entry: EntryScanner, field: number, expected: string): void {
    const isEnd = field >= entry.count;
    const at = isEnd ? entry.end[entry.count - 1] : entry.begin[field];
    const got = isEnd ? 'the end of the entry' : show(fieldText(entry, field));
    this.#tell('error', entry, at, `expected ${expected}, got ${got}`);
  }

  #record(entry: EntryScanner): void {
    let field = 0;
    if (!entry.isIndented) {
      field = 1;
      if (!this.#takeOwner(entry)) return;
    } else if (this.#ownerLength === 0) {
      return this.#wrong(entry, 0, 'an entry with an owner before this one without');
    }
    let ttl = -1;
    let hasClass = false;
    let type = -1;
    for (; field < entry.count; field++) {
      const first = entry.kind[field] === FieldKind.plain ? entry.text[entry.begin[field]] : 0;
      if (first >= 0x30 && first <= 0x39) {
        if (ttl >= 0) return this.#wrong(entry, field, 'a type such as A');
        ttl = parseTtl(entry.text, entry.begin[field], entry.end[field]);
        if (ttl < 0) return this.#wrong(entry, field, 'a TTL: seconds such as 3600 or 1h30m, up to 4294967295');
        continue;
      }
      const text = entry.text.subarray(entry.begin[field], entry.end[field]);
      type = first === 0 ? -1 : typeOf(text);
      if (type >= 0) break;
      const dnsClass = first === 0 || hasClass ? -1 : classOf(text);
      if (dnsClass < 0) {
        const what = ttl < 0 && !hasClass ? 'a TTL, class or type' : hasClass && ttl >= 0 ? 'a type' : 'a TTL or type';
        return this.#wrong(entry, field, `${what} such as A or TYPE123`);
      }
      if (dnsClass !== 1) return this.#wrong(entry, field, 'class IN: zones of other classes are not served');
      hasClass = true;
    }
    if (type < 0) return this.#wrong(entry, field, 'a type such as A');
    if (META_TYPES.has(type)) return this.#wrong(entry, field, 'a type of records, not one of queries');
    const rdata = this.#rdata;
    if (!rdata.write(type, entry, field + 1, this.#origin)) {
      const { field: at, message } = rdata.problem!;
      const isEnd = at >= entry.count;
      return this.#tell('error', entry, isEnd ? entry.end[entry.count - 1] : entry.begin[at], message);
    }
    if (ttl > MAX_TTL) {
      this.#tell('warning', entry, entry.begin[0], `a TTL of ${ttl} is taken as 0 (RFC 2181 section 8)`);
      ttl = 0;
    }
    if (ttl >= 0) this.#lastTtl = ttl;
    else {
      const given = this.#ttl ?? this.#lastTtl ?? this.#soaTtl(entry, type);
      if (given === undefined) return this.#wrong(entry, entry.isIndented ? 0 : 1, 'a TTL, or a $TTL before');
      ttl = given;
    }
    const refused = this.sink(this.#owner, this.#ownerLength, type, ttl, rdata.data, rdata.length);
    if (refused !== undefined) this.#tell('warning', entry, entry.begin[0], refused);
  }

  #takeOwner(entry: EntryScanner): boolean {
    this.#ownerLength = 0;
    if ((entry.kind[0] & ~FieldKind.escaped) !== 0) {
      this.#wrong(entry, 0, 'an owner without quotes');
      return false;
    }
    const { text, begin, end } = entry;
    const length = writeNameOctets(text, begin[0], end[0], this.#origin.wire, this.#owner, 0);
    if (length < 0) this.#wrong(entry, 0, `${nameExpected()} as owner`);
    else this.#ownerLength = length;
    return length >= 0;
  }

  /** A SOA of no TTL has its last field for one, and so have all without one behind it, as if by $TTL (BIND does so). */
  #soaTtl(entry: EntryScanner, type: number): number | undefined {
    if (type !== Type.SOA) return undefined;
    const { data, length } = this.#rdata;
    const minimum = new DataView(data.buffer, length - 4).getUint32(0);
    const ttl = minimum > MAX_TTL ? 0 : minimum;
    this.#tell('warning', entry, entry.begin[0], `no TTL and no $TTL: ${ttl}, the SOA's MINIMUM, is taken`);
    this.#ttl = ttl;
    return ttl;
  }

  #directive(entry: EntryScanner, depth: number): void {
    const word = fieldText(entry, 0).toUpperCase();
    if (word === '$ORIGIN') {
      const name = this.#absolute(entry, 1, this.#origin);
      if (name === undefined) return;
      if (entry.count > 2) return this.#wrong(entry, 2, 'nothing more');
      this.#origin = name;
    } else if (word === '$TTL') {
      const ttl = entry.count > 1 && entry.kind[1] === 0 ? parseTtl(entry.text, entry.begin[1], entry.end[1]) : -1;
      if (ttl < 0) return this.#wrong(entry, 1, 'seconds such as 3600 or 1h30m, up to 4294967295');
      if (entry.count > 2) return this.#wrong(entry, 2, 'nothing more');
      if (ttl > MAX_TTL) {
        this.#tell('warning', entry, entry.begin[1], `a TTL of ${ttl} is taken as 0 (RFC 2181 section 8)`);
      }
      this.#ttl = ttl > MAX_TTL ? 0 : ttl;
    } else if (word === '$INCLUDE') this.#include(entry, depth);
    else if (word === '$GENERATE') this.#generate(entry);
    else this.#wrong(entry, 0, '$ORIGIN, $TTL, $INCLUDE or $GENERATE');
  }

  #absolute(entry: EntryScanner, field: number, origin: Origin): Origin | undefined {
    if (field >= entry.count) this.#wrong(entry, field, 'a name');
    else {
      const { text, begin, end } = entry;
      const length = writeNameOctets(text, begin[field], end[field], origin.wire, this.#scratch, 0);
      if (length >= 0) {
        const wire = this.#scratch.slice(0, length);
        return { wire, text: nameToText(wire) };
      }
      this.#wrong(entry, field, nameExpected());
    }
    return undefined;
  }

  #include(entry: EntryScanner, depth: number): void {
    const { include } = this.options;
    if (entry.count < 2) return this.#wrong(entry, 1, 'a file');
    if (entry.count > 3) return this.#wrong(entry, 3, 'nothing more');
    const origin = entry.count === 3 ? this.#absolute(entry, 2, this.#origin) : this.#origin;
    if (origin === undefined) return;
    if (include === undefined) return this.#wrong(entry, 0, 'no $INCLUDE here');
    if (depth >= INCLUDE_DEPTH) return this.#wrong(entry, 1, `files inside each other at most ${INCLUDE_DEPTH} deep`);
    if (++this.#includes > MAX_INCLUDES) return this.#wrong(entry, 1, `at most ${MAX_INCLUDES} included files`);
    const file = this.#file;
    let included: { octets: Uint8Array; file: string };
    try {
      const path = fieldText(entry, 1).replace(/\\(\d{3}|[\s\S])/g, (_, one: string) =>
        one.length === 3 ? String.fromCharCode(Number(one)) : one,
      );
      included = include(path, file);
    } catch (error) {
      if (!(error instanceof ShardnsError)) throw error;
      return this.#tell('error', entry, entry.begin[1], error.message);
    }
    // The origin and the owner come back behind it (RFC 1035 section 5.1).
    const before = this.#origin;
    this.#keepingOwner(() => {
      this.#origin = origin;
      this.read(included.octets, included.file, depth + 1);
    });
    this.#file = file;
    this.#origin = before;
  }

  /** Whatever owners stand in between: an entry without one has that of before. */
  #keepingOwner(read: () => void): void {
    const owner = this.#owner.slice(0, this.#ownerLength);
    read();
    this.#owner.set(owner);
    this.#ownerLength = owner.length;
  }

  #generate(entry: EntryScanner): void {
    const fields = Array.from({ length: entry.count }, (_, i) => {
      const text = Buffer.from(entry.text.subarray(entry.begin[i], entry.end[i])).toString('latin1');
      return (entry.kind[i] & FieldKind.quoted) !== 0 ? `"${text}"` : text;
    });
    const made = generatedEntries(fields);
    if ('expected' in made) return this.#wrong(entry, made.field, made.expected);
    this.#generated += made.count;
    if (this.#generated > MAX_GENERATED) return this.#wrong(entry, 1, `at most ${MAX_GENERATED} generated entries`);
    this.#placed = entry.placeOf(entry.begin[0]);
    this.#keepingOwner(() => this.#takeGenerated(made));
    this.#placed = undefined;
  }

  #takeGenerated(made: Generated): void {
    const errors = this.errors;
    const one = new EntryScanner();
    for (const text of made.entries()) {
      one.begins(Buffer.from(text, 'latin1'));
      if (one.next()) {
        if (one.problem === undefined) this.#record(one);
        else this.#tell('error', one, 0, `expected ${one.problem.expected} in what is generated`);
      }
      // One that is wrong tells of all.
      if (this.errors > errors) break;
    }
  }
}

/** Of queries, messages and updates (RFC 6895 section 3.1): never of records in a zone. */
const META_TYPES = new Set([0, 41, 249, 250, 251, 252, 253, 254, 255]);

const types = new Map<number, number>();
const classes = new Map([
  ['IN', 1],
  ['CH', 3],
  ['HS', 4],
  ['CHAOS', 3],
]);

/** A number of up to six letters, which most mnemonics have; -1 for more. */
function keyOf(text: Uint8Array): number {
  if (text.length > 6) return -1;
  let key = 0;
  for (const octet of text) key = key * 256 + (octet >= 0x61 && octet <= 0x7a ? octet & 0xdf : octet);
  return key;
}

function typeOf(text: Uint8Array): number {
  const key = keyOf(text);
  const known = types.get(key);
  if (known !== undefined) return known;
  const type = typeCode(Buffer.from(text).toString('latin1')) ?? -1;
  // What people call types is little; what is none is not remembered.
  if (key >= 0 && type >= 0 && types.size < 256) types.set(key, type);
  return type;
}

function classOf(text: Uint8Array): number {
  const name = Buffer.from(text).toString('latin1').toUpperCase();
  const number = /^CLASS(\d{1,5})$/.exec(name);
  return classes.get(name) ?? (number !== null && Number(number[1]) <= 65_535 ? Number(number[1]) : -1);
}
