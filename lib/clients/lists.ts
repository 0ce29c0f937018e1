// Lists of names and addresses (hosts, domains, ad blockers' rules, response policy zones) compiled into one native
// object, off this thread: here is only what picks the sources, makes A-labels and tells what was wrong.
//
// Precedence: zones and lists in the order they are given. All lists that are no zones share four tiers, in the place
// of the first of them: important allow > important block > allow > block. A zone has a tier of its own, and the first
// that matches ends it.
//
// Bound: MAX_LISTS sources, `maxOctets` of their texts, `maxNames` rules; 36 octets a name of 19 when compiled, and
// about 80 while it is. A million names of a hosts file take half a second of another thread.
import { domainToASCII } from 'node:url';
import { type AddressPrefix, addressOctets } from '../base/address.js';
import { optionError, ShardnsError } from '../base/errors.js';
import type { Random } from '../base/random.js';
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
import { LINES_A_TURN, type ListAlias, type ListRecords, recordsOf } from './list-records.js';

export type ListActionName = keyof typeof ListAction;

export interface ListSource {
  /** For errors and reports. */
  name: string;
  format: keyof typeof ListFormat;
  /** Octets in pieces of any size, or all of them. */
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

/** One for an answer. */
export interface AnswerMatch extends ListMatch {
  /** Action `data`: the place of its records among those of all lists. */
  data: number;
  /** How many records of the answer stay before what the rule puts in: what leads to the name that it is about. */
  kept: number;
}

/** A zone, and who serves it. Names are folded, in wire form; addresses numeric. */
export interface ServedZone {
  zone: Uint8Array;
  names: readonly Uint8Array[];
  addresses: readonly string[];
}

export interface ListBounds {
  /** Default 1 GiB. */
  maxOctets?: number;
  /** Default, and at most, MAX_NAMES. */
  maxNames?: number;
  signal?: AbortSignal;
  /** Called with the place of each source when it is read, from then on what is thrown is about it. */
  reading?: (list: number) => void;
}

/** Pieces of text are at most so long: foreign lines that come back with one are made strings on this thread. */
const PIECE_OCTETS = 131_072;

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
    const found = this.native.find(name, addressOctets(client), ...wordsOf(lists), this.#match);
    return found ? this.#found() : undefined;
  }

  /**
   * What lists say of an answer, without what they say of its question's own name.
   * @param message a whole response in wire form
   * @param translation by which addresses are made of IPv4 ones
   */
  judge(message: Uint8Array, lists: bigint, translation?: AddressPrefix): AnswerMatch | undefined {
    if (this.#closed) return undefined;
    const records = this.native.judge(message, ...wordsOf(lists), translationOctets(translation), this.#match);
    return records < 0 ? undefined : { ...this.#found(), data: this.#match[3], kept: records };
  }

  #found(): ListMatch {
    const [list, , action, data, line] = this.#match;
    const known = ACTION_NAMES[action];
    return { list, action: known, records: known === 'data' ? this.native.data(data, 1)[0].split('\n') : [], line };
  }

  /** Whether there are rules for names or addresses of servers. */
  get hasServerRules(): boolean {
    return !this.#closed && this.native.hasServerRules();
  }
  /** Who serves a zone, for rules that are about that. @returns false: there is no room for one more that has rules */
  noteServers({ zone, names, addresses }: ServedZone): boolean {
    if (this.#closed) return true;
    const octets = addresses.map(addressOctets);
    return this.native.servers(
      zone,
      Uint8Array.from(names.flatMap(name => [...name])),
      Uint8Array.from(octets.flatMap(one => [one.length, ...one])),
    );
  }
}

/** As the native side reads it. */
export const translationOctets = (prefix: AddressPrefix | undefined): Uint8Array =>
  prefix === undefined ? new Uint8Array(0) : Uint8Array.of(...prefix.octets, prefix.bits);

/** A set of lists as two words, the lower one first. */
const wordsOf = (lists: bigint): [number, number] => [
  Number(lists & 0xffff_ffffn),
  Number((lists >> 32n) & 0xffff_ffffn),
];

const ACTION_NAMES = Object.keys(ListAction) as ListActionName[];
/** Those that need no records. */
const { data: _data, ...PLAIN_ACTIONS } = ListAction;

/**
 * @throws {ShardnsError} ERR_SHARDNS_OPTION for more sources than MAX_LISTS, a name that is no origin, or where a bound
 * is reached: then nothing is compiled
 */
export async function compileLists(
  sources: readonly ListSource[],
  random: Random,
  { maxOctets = 2 ** 30, maxNames = MAX_NAMES, signal, reading }: ListBounds = {},
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
      reading?.(list);
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
