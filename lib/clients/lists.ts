// Lists of names and addresses (hosts, domains, ad blockers' rules, response policy zones) compiled into one native
// object, off this thread: here is only what picks the sources, makes A-labels and tells what was wrong.
//
// Precedence: zones and lists in the order they are given. All lists that are no zones share four tiers, in the place
// of the first of them: important allow > important block > allow > block. A zone has a tier of its own, and the first
// that matches ends it.
//
// Bound: MAX_LISTS sources, `maxOctets` of their texts, `maxNames` rules; 36 octets a name of 19 when compiled, and
// about 80 while it is. A million names of a hosts file take half a second of another thread.
import { closeSync, read as readFile } from 'node:fs';
import { domainToASCII } from 'node:url';
import { promisify } from 'node:util';
import { addressOctets } from '../base/address.js';
import { optionError, ShardnsError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { openRegularFile } from '../base/regular-file.js';
import { Type, typeCode } from '../wire/iana.js';
import { encodeRdata } from '../wire/rdata.js';
import {
  binding,
  LIST_MATCH,
  LIST_SOURCE,
  ListAction,
  ListFormat,
  ListFull,
  type ListStep,
  MAX_LISTS,
  MAX_NAMES,
  NameKind,
  type NativeNameList,
} from '../native/binding.js';

const read = promisify(readFile);

export type ListActionName = keyof typeof ListAction;

export interface ListSource {
  /** For errors and reports. */
  name: string;
  format: keyof typeof ListFormat;
  /** Octets in pieces of any size, such as {@link listFile}; or all of them. */
  text: AsyncIterable<Uint8Array> | Uint8Array | string;
  /** What is answered where a rule does not say. Default nxdomain. */
  block?: Exclude<ListActionName, 'data'>;
  /** Hosts and domains: it lists what is allowed. */
  allows?: boolean;
  /** Domains: what a bare name stands for, default subtree. */
  plain?: keyof typeof NameKind;
  /** Domains: what `*.name` stands for, default subtree: with the name itself, as Blocky has it. */
  wildcard?: keyof typeof NameKind;
  /** Whatever its blocking rules say (an override of a response policy zone). */
  instead?: Exclude<ListActionName, 'data'>;
  /** A zone's name; default: the owner of its SOA. */
  origin?: string;
}

/** What is told in place of a name. */
export interface ListAlias {
  /** In wire form. */
  target: Uint8Array;
  /** The target stands below the name that is asked for: `CNAME *.garden.example` (section 3.1 of the draft). */
  below: boolean;
  ttlSeconds: number | undefined;
}

export interface ListReport {
  name: string;
  lines: number;
  /** Lines that are rules. */
  rules: number;
  /** Lines that cannot be read. */
  broken: number;
  /** Lines that mean something else than names: cosmetic rules, paths, regular expressions, unknown modifiers. */
  unsupported: number;
  /** The first 16 of both. */
  problems: { line: number; broken: boolean; text: string }[];
}

/** A rule that was found. */
export interface ListMatch {
  /** Place in the sources. */
  list: number;
  action: ListActionName;
  /** Action `data`: records as "[TTL] TYPE RDATA". */
  records: readonly string[];
  /** Of its source. */
  line: number;
}

export interface ListBounds {
  /** Default 1 GiB. */
  maxOctets?: number;
  /** Default, and at most, MAX_NAMES. */
  maxNames?: number;
  signal?: AbortSignal;
}

/** Pieces of text are at most so long: foreign lines that come back with one are made strings on this thread. */
const PIECE_OCTETS = 131_072;
/** So much of this thread's work is done at once: a millisecond or two. */
const LINES_A_TURN = 200;

export class NameLists {
  readonly #match = new Uint32Array(LIST_MATCH.length);
  #closed = false;

  /**
   * @param records what a match's `data` stands for
   */
  constructor(
    readonly native: NativeNameList,
    readonly reports: readonly ListReport[],
    readonly records: ListRecords,
  ) {}

  /** Of each of what a match's `data` stands for the alias that it is, if it is one. */
  get aliases(): readonly (ListAlias | undefined)[] {
    return this.records.aliases;
  }

  get names(): number {
    return this.native.names();
  }
  get memoryBytes(): number {
    return this.native.memoryBytes();
  }

  /** Gives its memory back, once no gate judges by it. Nothing is found any more. */
  close(): void {
    this.#closed = true;
    this.native.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * @param name in wire form
   * @param client numeric address of who asks
   * @param lists bits of the lists that apply to the client
   */
  find(name: Uint8Array, client: string, lists: bigint): ListMatch | undefined {
    if (this.#closed) return undefined;
    const low = Number(lists & 0xffff_ffffn);
    const high = Number((lists >> 32n) & 0xffff_ffffn);
    if (!this.native.find(name, addressOctets(client), low, high, this.#match)) return undefined;
    const [list, , action, data, line] = this.#match;
    const known = ACTION_NAMES[action];
    return { list, action: known, records: known === 'data' ? this.native.data(data, 1)[0].split('\n') : [], line };
  }
}

const ACTION_NAMES = Object.keys(ListAction) as ListActionName[];
/** Those that need no records. */
const { data: _data, ...PLAIN_ACTIONS } = ListAction;

/**
 * A file's octets in pieces, each of which is over when the next one is asked for.
 * @throws {ShardnsError} ERR_SHARDNS_FILE naming the path
 */
export async function* listFile(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const { fd } = openRegularFile(path);
  try {
    // One buffer for all of it: memory outside of V8's heap that comes and goes makes it collect the whole heap.
    const piece = new Uint8Array(PIECE_OCTETS);
    for (;;) {
      const { bytesRead } = await read(fd, piece, 0, piece.length, null);
      if (bytesRead === 0) return;
      yield piece.subarray(0, bytesRead);
    }
  } catch (cause) {
    throw new ShardnsError('ERR_SHARDNS_FILE', `${path}: cannot be read: ${(cause as Error).message}`, { cause });
  } finally {
    closeSync(fd);
  }
}

/**
 * @throws {ShardnsError} ERR_SHARDNS_OPTION for more sources than MAX_LISTS, a name that is no origin, or where a bound
 * is reached: then nothing is compiled
 */
export async function compileLists(
  sources: readonly ListSource[],
  random: Random,
  { maxOctets = 2 ** 30, maxNames = MAX_NAMES, signal }: ListBounds = {},
): Promise<NameLists> {
  if (sources.length > MAX_LISTS) throw optionError('lists', sources.length, `at most ${MAX_LISTS} lists`);
  const tiers = tiersOf(sources);
  const fields = sources.map((source, list) => words(source, list, tiers[list]));
  const native = binding().createNameList(random.uint32(), random.uint32(), maxOctets, maxNames);
  const reports: ListReport[] = [];
  const check = (source: ListSource, { full }: ListStep): void => {
    signal?.throwIfAborted();
    if (full === ListFull.no) return;
    const what =
      full === ListFull.octets
        ? `at most ${maxOctets} octets of lists in all`
        : full === ListFull.lines
          ? 'at most 536870911 lines'
          : `at most ${maxNames} names in all, 65536 different answers and 1048576 names with records`;
    throw new ShardnsError('ERR_SHARDNS_OPTION', `lists: ${source.name}: expected ${what}: none of them is in use`);
  };
  try {
    for (const [list, source] of sources.entries()) {
      signal?.throwIfAborted();
      native.begin(fields[list], source.origin ?? '');
      const take = async (piece: Uint8Array): Promise<void> => {
        const step = await native.feed(piece);
        await readForeign(native, step.foreign);
        check(source, step);
      };
      for await (const piece of pieces(source.text)) await take(piece);
      await take(new Uint8Array(0));
      const ended = await native.end();
      check(source, ended);
      reports.push(reportOf(source, ended));
    }
    const last = sources.at(-1);
    const built = await native.build();
    if (last !== undefined) check(last, built);
    return new NameLists(native, reports, await recordsOf(native));
  } catch (error) {
    // What was read so far may be a gibibyte.
    native.close();
    throw error;
  }
}

/** Type, TTL, length and data of each record, one behind the other, and where those of each text end. */
export interface ListRecords {
  octets: Uint8Array;
  ends: Uint32Array;
  /** Of each text the alias among them. */
  aliases: readonly (ListAlias | undefined)[];
  /** Records that say nothing that can be told, the first 16. */
  unreadable: string[];
}

/** What stands for the TTL of `blocking.ttlSeconds`: native/wire/reply_patch.h. */
const NO_TTL = 0xffff_ffff;
const MAX_UNREADABLE = 16;

async function recordsOf(native: NativeNameList): Promise<ListRecords> {
  const aliases: (ListAlias | undefined)[] = [];
  const unreadable: string[] = [];
  const ends: number[] = [];
  let octets = new Uint8Array(4096);
  let end = 0;
  for (;;) {
    const texts = native.data(ends.length, LINES_A_TURN);
    if (texts.length === 0)
      return { octets: octets.subarray(0, end), ends: Uint32Array.from(ends), aliases, unreadable };
    for (const text of texts) {
      let alias: ListAlias | undefined;
      for (const line of text.split('\n')) {
        const record = recordOf(line);
        if (record !== undefined) {
          alias ??= aliasOf(record);
          if (end + record.length > octets.length) octets = grown(octets, end + record.length);
          octets.set(record, end);
          end += record.length;
        } else if (unreadable.length < MAX_UNREADABLE) unreadable.push(line);
      }
      ends.push(end);
      aliases.push(alias);
    }
    await new Promise(resolve => setImmediate(resolve));
  }
}

function grown(octets: Uint8Array<ArrayBuffer>, least: number): Uint8Array<ArrayBuffer> {
  const greater = new Uint8Array(Math.max(least, 2 * octets.length));
  greater.set(octets);
  return greater;
}

/** Undefined for what is no record's text. */
function recordOf(line: string): Uint8Array | undefined {
  const [, ttl, name, text] = /^(?:(\d+) )?(\S+) ?(.*)$/s.exec(line) ?? [];
  const type = typeCode(name ?? '');
  if (type === undefined) return undefined;
  let data: Uint8Array;
  try {
    data = encodeRdata(type, text);
  } catch {
    return undefined;
  }
  const record = Buffer.allocUnsafe(8 + data.length);
  record.writeUInt16BE(type, 0);
  record.writeUInt32BE(ttl === undefined ? NO_TTL : Number(ttl), 2);
  record.writeUInt16BE(data.length, 6);
  record.set(data, 8);
  return record;
}

/** `*.` at the beginning stands for the name that is asked for. */
function aliasOf(record: Uint8Array): ListAlias | undefined {
  const view = Buffer.from(record.buffer, record.byteOffset, record.length);
  if (view.readUInt16BE(0) !== Type.CNAME) return undefined;
  const ttl = view.readUInt32BE(2);
  const name = Uint8Array.from(record.subarray(8));
  const below = name[0] === 1 && name[1] === 0x2a;
  return { target: below ? name.subarray(2) : name, below, ttlSeconds: ttl === NO_TTL ? undefined : ttl };
}

type Tiers = readonly [importantAllow: number, importantBlock: number, allow: number, block: number];

function tiersOf(sources: readonly ListSource[]): Tiers[] {
  let next = 0;
  let shared: Tiers | undefined;
  return sources.map(({ format }): Tiers => {
    if (format === 'zone') {
      const tier = next++;
      return [tier, tier, tier, tier];
    }
    if (shared === undefined) {
      shared = [next, next + 1, next + 2, next + 3];
      next += 4;
    }
    return shared;
  });
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming the source's option and its value */
function words(source: ListSource, list: number, tiers: Tiers): Uint32Array {
  const read = <Word extends string>(
    option: keyof ListSource,
    value: Word,
    known: Readonly<Record<Word, number>>,
  ): number => {
    if (Object.hasOwn(known, value)) return known[value];
    throw optionError(`lists: ${source.name}: ${option}`, value, `one of ${Object.keys(known).join(', ')}`);
  };
  const fields: Record<(typeof LIST_SOURCE)[number], number> = {
    format: read('format', source.format, ListFormat),
    list,
    tierImportantAllow: tiers[0],
    tierImportantBlock: tiers[1],
    tierAllow: tiers[2],
    tierBlock: tiers[3],
    block: read('block', source.block ?? 'nxdomain', PLAIN_ACTIONS),
    allows: source.allows ? 1 : 0,
    plain: read('plain', source.plain ?? 'subtree', NameKind),
    wildcard: read('wildcard', source.wildcard ?? 'subtree', NameKind),
    instead: source.instead === undefined ? ListAction.data : read('instead', source.instead, PLAIN_ACTIONS),
  };
  return Uint32Array.from(LIST_SOURCE, name => fields[name]);
}

async function* pieces(text: ListSource['text']): AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof text === 'string') text = Buffer.from(text);
  const all = text instanceof Uint8Array ? [text] : text;
  for await (const octets of all) {
    for (let at = 0; at < octets.length; at += PIECE_OCTETS) yield octets.subarray(at, at + PIECE_OCTETS);
  }
}

/** What stands between the marks of all formats and has letters outside ASCII. */
const FOREIGN_NAME = /[^\s|^/$,#@!*=.][^\s|^/$,#@!*=]*/g;

/** A name that has no A-labels stays as it is, and is broken. */
const withALabels = (line: string): string =>
  line.replace(FOREIGN_NAME, name => (/^[\0-\x7f]*$/.test(name) ? name : domainToASCII(name) || name));

async function readForeign(native: NativeNameList, foreign: ListStep['foreign']): Promise<void> {
  for (let i = 0; i < foreign.length; i += 2) {
    if (i > 0 && i % (2 * LINES_A_TURN) === 0) await new Promise(resolve => setImmediate(resolve));
    native.feedLine(foreign[i] as number, withALabels(foreign[i + 1] as string));
  }
}

function reportOf({ name }: ListSource, { lines, rules, broken, unsupported, problems }: ListStep): ListReport {
  const report: ListReport = { name, lines, rules, broken, unsupported, problems: [] };
  for (let i = 0; i < problems.length; i += 3) {
    report.problems.push({
      line: problems[i] as number,
      broken: problems[i + 1] as boolean,
      text: problems[i + 2] as string,
    });
  }
  return report;
}
