// Who asks, and what of a question tells it from others.
import { setFlags } from '../wire/flags.js';
import { Class, Flag, typeName } from '../wire/iana.js';
import { Query } from '../wire/query.js';
import type { Variant } from '../cache/engine.js';
import type { AnsweredNote } from './answered.js';
import type { QueryDecision, QueryInfo } from './hooks.js';
import type { Outcome, Resolution } from './outcome.js';
import type { ZoneTicket } from './zone-rates.js';

export interface Asker {
  protocol: QueryInfo['protocol'];
  client?: { address: string; port: number } | undefined;
  /** Undefined: not known yet, where there are tenants; else 0. */
  tenant?: number | undefined;
  /**
   * Called when the hook moves the client to another tenant: others who wait for the same answer must not get its own.
   * False when they cannot be parted; then nobody gets it.
   */
  part?: (() => boolean) | undefined;
}

/** The flight of a question, as those who ask another one for it see it. */
export interface UnderWay extends AnsweredNote {
  readonly key: string;
  /** What it finds is told to those who wait, and not kept. */
  outdated: boolean;
  /** To be served when nothing better is found. */
  stale: Resolution | undefined;
  /** Since when it is asked for, where what it finds is for a whole fleet to know. */
  sharedSinceMs: number | undefined;
  /** Local data and the hook have let it go to the recursor: what that has may be shown. */
  recursive: boolean;
  /** The cache has, or had, an answer to it. */
  readonly isKnown: boolean;
  /** Where it counts, of the names that its zone may be asked for. */
  zone: ZoneTicket;
  /** The flight of the alias's target that this one waits for. */
  waitsFor: UnderWay | undefined;
}

/** An asker whose tenant is known, and what `onQuery` said when it was asked for it. */
export interface KnownAsker extends Asker {
  tenant: number;
  /** Ask anew although it is cached. */
  fresh?: boolean | undefined;
  decided?: { decision: QueryDecision | undefined } | undefined;
  /** Aliases that led to this question. */
  depth?: number | undefined;
  /** The question whose alias led to this one, and which waits for it. */
  parent?: UnderWay | undefined;
}

/** What is found for one who has to be told something made of it. */
export interface Translating {
  /** A response as it may be told; undefined where it cannot be read. */
  shown(octets: Uint8Array): Uint8Array | undefined;
  /** Holds an answer back that is not told as it is: `tell` keeps it. @returns what to go on with then */
  hold(found: {
    message: Uint8Array;
    /** It was validated here. */
    isJudged: boolean;
    tell: () => Outcome;
  }): Outcome | undefined;
}

/** One who has a flight of its own. */
export interface Flyer extends KnownAsker {
  flight: UnderWay;
  translation?: Translating | undefined;
}

/** Written out: what is spread into a literal and added to goes V8's slow way, and its readers with it (1 us a query). */
export function knownAsker(asker: Asker, tenant: number, decided?: KnownAsker['decided']): KnownAsker {
  if (asker instanceof ClientAsker && asker.tenant === tenant && decided === undefined) return asker as KnownAsker;
  const { protocol, client, part } = asker;
  return { protocol, client, tenant, part, fresh: undefined, decided, depth: undefined, parent: undefined };
}

/** A client of a listener: known as soon as its tenant is. */
export class ClientAsker implements Asker {
  part: Asker['part'] = undefined;
  readonly fresh = undefined;
  readonly decided = undefined;
  readonly depth = undefined;
  readonly parent = undefined;
  constructor(
    readonly protocol: Asker['protocol'],
    readonly client: Asker['client'],
    readonly tenant: number | undefined,
  ) {}
}

export function variantOf(query: Query, tenant: number): Variant {
  return { dnssecOk: query.dnssecOk, checkingDisabled: query.checkingDisabled, tenant };
}

export function infoOf(query: Query, asker: Asker): QueryInfo {
  return {
    name: query.nameText,
    type: typeName(query.type),
    dnssecOk: query.dnssecOk,
    protocol: asker.protocol,
    client: asker.client,
    tenant: asker.tenant,
  };
}

/** The query as if its asker wanted recursion, and to know of validation: so its answer is good for all. */
export function asRefresh(query: Query): Query {
  const message = query.message.slice();
  setFlags(message, query.flags | Flag.RD | Flag.AD);
  return new Query(message);
}

/** The same question of another name. */
export function withName(query: Query, name: Uint8Array): Query {
  const { message, questionEnd } = query;
  return new Query(Uint8Array.from([...message.subarray(0, 12), ...name, ...message.subarray(questionEnd - 4)]));
}

/** The same question of another type. */
export function withType(query: Query, type: number): Query {
  const message = Uint8Array.from(query.message);
  message[query.questionEnd - 4] = type >> 8;
  message[query.questionEnd - 3] = type & 0xff;
  return new Query(message);
}

/** The same question with DO as it was, and no other option: nobody's subnet in particular. */
export function withoutOptions(query: Query): Query {
  const { message, questionEnd, dnssecOk } = query;
  const plain = new Uint8Array(questionEnd + 11);
  plain.set(message.subarray(0, questionEnd));
  plain.fill(0, 6, 12);
  plain[11] = 1;
  plain.set([0, 0, 41, 4, 208, 0, 0, dnssecOk ? 0x80 : 0, 0, 0, 0], questionEnd);
  return new Query(plain);
}

/** Whether its answers are kept: of class IN, from those who want them whole. */
export const isKept = (query: Query): boolean => query.dnsClass === Class.IN && query.recursionDesired;
