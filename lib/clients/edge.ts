// What is decided before a lookup beside access: cookies, rates and lists, written as the native edge reads them.
import type { AddressPrefix } from '../base/address.js';
import { type NativeEdge, RateAction, RateKind } from '../native/binding.js';
import { type NameLists, translationOctets } from './lists.js';

export interface CookieRules {
  /** One to three of 16 octets: the first makes cookies, the others are checked only (RFC 9018 section 5). */
  secrets: readonly Uint8Array[];
  /** Whether clients need one over UDP. */
  required: boolean;
}

export interface RateLimit {
  kind: keyof typeof RateKind;
  perSecond: number;
  burst: number;
}
export interface RateClass {
  action: keyof typeof RateAction;
  /** One in so many is truncated, the others dropped. */
  slip: number;
  dryRun: boolean;
  /** The class, by its number, of those who have proven their address. */
  proven: number;
  ipv4Prefix: number;
  ipv6Prefix: number;
  /** None: exempt. */
  limits: readonly RateLimit[];
}
export interface RateRules {
  classes: readonly RateClass[];
  /** Words of 8 octets. */
  counters: number;
}

export interface ListRules {
  lists: NameLists | undefined;
  /** Asked before the lists, and of everybody. */
  overrides: NameLists | undefined;
  /** The lists of each set, as bits. */
  sets: readonly bigint[];
  ttlSeconds: number;
  /** Of each list the extended error, and the name where those who are blocked may know it. */
  errors: readonly number[];
  names: readonly string[];
  /** Of each of the lists' data the tag of its alias: {@link ListAliases}. */
  aliasTags: Uint32Array;
}

export interface EdgeRules {
  cookies?: CookieRules;
  rates?: RateRules;
  lists?: ListRules;
  /** The server's name, for those who ask for it. */
  nsid?: Uint8Array;
  /** By which addresses are made of IPv4 ones. */
  translation?: AddressPrefix;
}

const NO_LISTS: ListRules = {
  lists: undefined,
  overrides: undefined,
  sets: [],
  ttlSeconds: 0,
  errors: [],
  names: [],
  aliasTags: new Uint32Array(0),
};

/** Undefined where nothing is decided there. */
export function nativeEdge({ cookies, rates, lists, nsid, translation }: EdgeRules): NativeEdge | undefined {
  if (cookies === undefined && rates === undefined && lists === undefined && nsid === undefined) return undefined;
  const said = lists ?? NO_LISTS;
  const low = (bits: bigint): number => Number(bits & 0xffff_ffffn);
  return {
    secrets: Uint8Array.from(cookies?.secrets.flatMap(one => [...one]) ?? []),
    requireCookie: cookies?.required ? 1 : 0,
    classes: Uint32Array.from(rates?.classes.flatMap(wordsOf) ?? []),
    counters: rates?.counters ?? 0,
    nsid: nsid ?? new Uint8Array(0),
    translation: translationOctets(translation),
    lists: said.lists?.native,
    overrides: said.overrides?.native,
    sets: Uint32Array.from(said.sets.flatMap(set => [low(set), low(set >> 32n)])),
    ttlSeconds: said.ttlSeconds,
    errors: Uint32Array.from(said.errors),
    names: said.names,
    records: said.lists?.records.octets ?? new Uint8Array(0),
    recordEnds: said.lists?.records.ends ?? new Uint32Array(0),
    aliasTags: said.aliasTags,
  };
}

function wordsOf({ action, slip, dryRun, proven, ipv4Prefix, ipv6Prefix, limits }: RateClass): number[] {
  return [
    RateAction[action],
    slip,
    dryRun ? 1 : 0,
    proven,
    limits.length,
    ...limits.flatMap(({ kind, perSecond, burst }) => [
      RateKind[kind],
      ipv4Prefix,
      ipv6Prefix,
      Math.max(1, Math.round(perSecond * 1000)),
      burst,
    ]),
  ];
}
