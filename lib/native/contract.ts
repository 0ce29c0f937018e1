// Whether the native addon means the same as this library by the words, records and values that cross. Each side has its
// own lists of names (native/addon/contract.h; the files beside this one): they are compared when the addon is loaded,
// so that a name that was added, moved or left out on one side is never read as another.
import { ShardnsError } from '../base/errors.js';
import {
  ASKER_STATS,
  AskCommand,
  AskEvent,
  AskFailure,
  AskFlag,
  AskRecord,
  EventRecord,
  ForwardResult,
  LEAST_INBOX,
  MAX_QUERIES,
} from './asker.js';
import {
  BYTE_TUNABLES,
  ByteControl,
  ByteForget,
  GetFlag,
  Got,
  KIND_SHIFT,
  MAX_KEY_OCTETS,
  MAX_TAGS,
  MAX_VALUE_OCTETS,
} from './bytes.js';
import {
  ALIAS_TAG,
  BEHIND_BIT,
  Control,
  ControlFlag,
  DROPPED,
  FOR_AUTHORITY,
  ForgetKind,
  MARK_AUTHORITATIVE,
  MARK_ZONE,
  MISS,
  MISS_WITH_STALE,
  NO_EXTENDED_ERROR,
  NOT_DUE,
  Silence,
  Status,
  TICKS_PER_SECOND,
  TUNABLES,
  UNKNOWN_TENANT,
  VariantFlag,
} from './cache.js';
import { CookieState, EDGE_STATS, EdgeAction, MAX_NSID, RateAction, RateKind } from './edge.js';
import {
  LIST_MATCH,
  LIST_SOURCE,
  ListAction,
  ListFormat,
  ListFull,
  MAX_LISTS,
  MAX_NAMES,
  NameKind,
} from './name-list.js';
import { HTTP2_WORDS, Http2Event, Http2Kind } from './http2.js';
import { AnsweredBy, COPY_OCTETS, FlightKind, FlightRecord, MORE_WAIT, PLANE_STATS } from './plane.js';
import { QUERY_WORDS, QueryVerdict } from './query.js';
import { CACHE_STATS, Policy } from './region.js';
import { MAX_TAP_EVERY, MAX_TAP_RECORD, TAP_STATS, TapField, TapProtocol } from './tap.js';

/** Names in the order of their words, or names with their values or places. */
export type NameList = readonly string[] | Readonly<Record<string, number>>;

/** What an addon says of itself. */
export interface Contract {
  /** Raised with every change that the names do not show. */
  contract: number;
  names: Readonly<Record<string, NameList>>;
}

export const CONTRACT = 17;

/** Names of words by their places; `words` is how many there are. */
function inOrder({ words, ...places }: Readonly<Record<string, number>>): string[] {
  const names = new Array<string>(words).fill('');
  for (const [name, at] of Object.entries(places)) names[at] = name;
  return names;
}

/** This library's lists. */
export const NAMES: Readonly<Record<string, NameList>> = {
  tunables: TUNABLES,
  control: inOrder(Control),
  byteControl: inOrder(ByteControl),
  byteTunables: BYTE_TUNABLES,
  queryWords: QUERY_WORDS,
  listSource: LIST_SOURCE,
  listMatch: LIST_MATCH,
  http2Words: HTTP2_WORDS,
  http2Event: inOrder(Http2Event),
  http2Kind: Http2Kind,
  cacheStats: CACHE_STATS,
  planeStats: PLANE_STATS.map(({ name, words }) => (words === 1 ? name : `${name}[${words}]`)),
  askerStats: ASKER_STATS,
  edgeStats: EDGE_STATS.map(({ name, words }) => (words === 1 ? name : `${name}[${words}]`)),
  tapStats: TAP_STATS,
  edgeAction: EdgeAction,
  cookieState: CookieState,
  rateKind: RateKind,
  rateAction: RateAction,
  answerResult: { dropped: DROPPED, miss: MISS, missWithStale: MISS_WITH_STALE, forAuthority: FOR_AUTHORITY },
  controlFlag: ControlFlag,
  silence: Silence,
  variantFlag: VariantFlag,
  forgetKind: ForgetKind,
  byteForget: ByteForget,
  getFlag: GetFlag,
  got: Got,
  status: Status,
  queryVerdict: QueryVerdict,
  policy: Policy,
  answeredBy: AnsweredBy,
  tapProtocol: TapProtocol,
  flightKind: FlightKind,
  listFormat: ListFormat,
  nameKind: NameKind,
  listAction: ListAction,
  listFull: ListFull,
  askCommand: AskCommand,
  askFlag: AskFlag,
  askEvent: AskEvent,
  forwardResult: ForwardResult,
  askFailure: AskFailure,
  limits: {
    ticksPerSecond: TICKS_PER_SECOND,
    unknownTenant: UNKNOWN_TENANT,
    aliasTag: ALIAS_TAG,
    behindBit: BEHIND_BIT,
    noExtendedError: NO_EXTENDED_ERROR,
    markAuthoritative: MARK_AUTHORITATIVE,
    markZone: MARK_ZONE,
    moreWait: MORE_WAIT,
    kindShift: KIND_SHIFT,
    maxValueOctets: MAX_VALUE_OCTETS,
    maxKeyOctets: MAX_KEY_OCTETS,
    maxTags: MAX_TAGS,
    maxQueries: MAX_QUERIES,
    leastInbox: LEAST_INBOX,
    maxNames: MAX_NAMES,
    maxLists: MAX_LISTS,
    maxNsid: MAX_NSID,
    notDue: NOT_DUE,
    copyOctets: COPY_OCTETS,
    maxTapEvery: MAX_TAP_EVERY,
    maxTapRecord: MAX_TAP_RECORD,
  },
  flightRecord: FlightRecord,
  askRecord: AskRecord,
  eventRecord: EventRecord,
  tapRecord: TapField,
};

/** @throws {ShardnsError} ERR_SHARDNS_NATIVE for an addon of another version, with the first name that differs */
export function checkContract({ contract, names }: Contract): void {
  if (contract !== CONTRACT) {
    throw differs(`speaks contract ${contract}, this library ${CONTRACT}`);
  }
  for (const [list, ours] of Object.entries(NAMES)) {
    const theirs = names[list];
    if (theirs === undefined) throw differs(`has no list "${list}"`);
    const difference = Array.isArray(ours)
      ? firstMoved(ours as string[], theirs as string[])
      : firstOther(ours as Record<string, number>, theirs as Record<string, number>);
    if (difference !== undefined) throw differs(`differs in "${list}": ${difference}`);
  }
}

function firstMoved(ours: readonly string[], theirs: readonly string[]): string | undefined {
  for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
    if (ours[i] !== theirs[i]) return `word ${i} is ${quoted(theirs[i])} there, ${quoted(ours[i])} in this library`;
  }
  return undefined;
}

function firstOther(ours: Readonly<Record<string, number>>, theirs: Readonly<Record<string, number>>) {
  for (const name of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    if (ours[name] !== theirs[name]) {
      return `${quoted(name)} is ${theirs[name] ?? 'not'} there, ${ours[name] ?? 'not'} in this library`;
    }
  }
  return undefined;
}

function quoted(name: string | undefined): string {
  return name === undefined ? 'nothing' : `"${name}"`;
}

function differs(how: string): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_NATIVE', `the native addon ${how}: build it again with "npx shardns build"`);
}
