// Native lists of names: their methods, words and values.

/** native/gate/name_list.h. */
export const MAX_NAMES = 134_217_728;
export const MAX_LISTS = 64;

/** Words of `begin`. */
export const LIST_SOURCE = [
  'format',
  'list',
  'tierImportantAllow',
  'tierImportantBlock',
  'tierAllow',
  'tierBlock',
  'block',
  'allows',
  'plain',
  'wildcard',
  'instead',
] as const;
/** Words of a match. */
export const LIST_MATCH = ['list', 'tier', 'action', 'data', 'line', 'labels'] as const;

export const ListFormat = { hosts: 0, domains: 1, adblock: 2, zone: 3 } as const;
/** What a rule's name stands for: itself; itself and all below; all below. */
export const NameKind = { exact: 0, subtree: 1, below: 2 } as const;
export const ListAction = {
  pass: 0,
  nxdomain: 1,
  nodata: 2,
  zero: 3,
  refuse: 4,
  drop: 5,
  truncate: 6,
  data: 7,
} as const;
/** Which bound was reached. */
export const ListFull = { no: 0, octets: 1, lines: 2, rules: 3 } as const;

/** What came of a piece; the counts are what `end` says. */
export interface ListStep {
  /** One of ListFull. */
  full: number;
  /** Numbers and texts, by turns, of lines whose names are to be made A-labels. */
  foreign: (number | string)[];
  lines: number;
  rules: number;
  broken: number;
  unsupported: number;
  /** Number, whether it is broken (or unsupported), and text, by turns. */
  problems: (number | boolean | string)[];
}

/** Calls are made one after another: each promise is waited for before the next. */
export interface NativeNameList {
  /** @param source LIST_SOURCE @param origin a zone's name, '' where its SOA says it */
  begin(source: Uint32Array, origin: string): void;
  /** Off this thread; the piece is copied. One without octets ends the text: its last line need not have an end. */
  feed(piece: Uint8Array): Promise<ListStep>;
  /** One of the lines that came back as foreign. */
  feedLine(line: number, text: string): void;
  /** Of a source, after its text and its foreign lines. */
  end(): Promise<ListStep>;
  /** After the last source. */
  build(): Promise<ListStep>;
  /**
   * @param name in wire form
   * @param client address of 4 or 16 octets
   * @param listsLow bits of lists 0 to 31
   * @param match LIST_MATCH
   * @returns whether there is a rule
   */
  find(name: Uint8Array, client: Uint8Array, listsLow: number, listsHigh: number, match: Uint32Array): boolean;
  /** Whether there are rules for names or addresses of servers. */
  hasServerRules(): boolean;
  /**
   * Who serves a zone, for rules that are about that.
   * @param zone folded wire format
   * @param names of its servers, one behind the other, the same
   * @param addresses the same, an octet with its length before each
   * @returns false: there is no room for one more zone that has rules
   */
  servers(zone: Uint8Array, names: Uint8Array, addresses: Uint8Array): boolean;
  /**
   * What lists say of a response without what they say of its question's own name.
   * @param translation as that of `NativeEdge`
   * @param match LIST_MATCH
   * @returns how many records of the answer stay before what the rule puts in; -1: there is none
   */
  judge(message: Uint8Array, listsLow: number, listsHigh: number, translation: Uint8Array, match: Uint32Array): number;
  /** What a match's `data` is the place of, so many from one on: "[TTL] TYPE RDATA" in a line each. */
  data(from: number, most: number): string[];
  /**
   * Its memory goes as soon as nobody judges by it any more; not while a promise is open. Where nobody does, it goes on
   * another thread.
   */
  close(): void;
  names(): number;
  memoryBytes(): number;
}
