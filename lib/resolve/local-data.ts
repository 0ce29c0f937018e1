// Answers of the operator's own: records, and zones that say what becomes of the names in them. Records of a name with
// an asterisk are those of all names below that do not exist (RFC 4592).
import { ShardnsError, show } from '../base/errors.js';
import { Class, Rcode, Type, typeCode } from '../wire/iana.js';
import { buildResponseOrFailure, type ResourceRecord } from '../wire/message.js';
import { ancestors, bySuffix, encodeName, foldName, isAtOrBelow, nameKey, nameToText } from '../wire/name.js';
import { encodeRdata } from '../wire/rdata.js';
import { RECURSION_LIMITS } from './recurse/limits.js';

/** What becomes of the names at and below a local zone. */
export const LOCAL_ZONE_KINDS = [
  /** Only what has records exists. */
  'static',
  /** What has records is answered from them; everything else is resolved. */
  'transparent',
  /** The same, and other types of a name with records are resolved too. */
  'typeTransparent',
  /** The zone's own records stand for every name below. */
  'redirect',
  'refuse',
  'nxdomain',
  'nodata',
  /** 0.0.0.0 and :: for every name: nobody is there, and who connects is told so at once. */
  'null',
  /** No A records here but those that are given, nor such hints in HTTPS and SVCB; all else is resolved, or given. */
  'blockA',
  'blockAaaa',
] as const;
export type LocalZoneKind = (typeof LOCAL_ZONE_KINDS)[number];

const DEFAULT_TTL_SECONDS = 3600;

/**
 * One record of a line: `name [ttl] [IN] type data`, the name absolute.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming what is wrong with it
 */
export function parseLocalRecord(line: string): ResourceRecord {
  const match = /^\s*(\S+)\s+(?:(\d{1,10})\s+)?(?:IN\s+)?(?:(\d{1,10})\s+)?([A-Za-z][\w-]*)\s+(\S[\s\S]*)$/i.exec(line);
  const type = match === null ? undefined : typeCode(match[4]);
  if (match === null || type === undefined) {
    throw new ShardnsError('ERR_SHARDNS_OPTION', `expected "name [ttl] type data", got ${show(line)}`);
  }
  const ttl = Number(match[2] ?? match[3] ?? DEFAULT_TTL_SECONDS);
  if (ttl > 0x7fffffff) throw new ShardnsError('ERR_SHARDNS_OPTION', `expected a TTL up to 2147483647, got ${ttl}`);
  return {
    name: foldName(encodeName(match[1])),
    type,
    dnsClass: Class.IN,
    ttl,
    data: encodeRdata(type, match[5].trim(), '.'),
  };
}

export type LocalAnswer = { kind: 'message' | 'refused'; message: Uint8Array } | { kind: 'alias'; target: Uint8Array };

export interface LocalQuery {
  message: Uint8Array;
  name: Uint8Array;
  type: number;
  dnsClass: number;
}

export interface LocalDataSettings {
  zones: readonly { name: string; kind: LocalZoneKind }[];
  records: readonly string[];
  /** AA in what is answered. */
  authoritative: boolean;
}

export class LocalData {
  readonly #zones: ReadonlyMap<string, { zone: Uint8Array; kind: LocalZoneKind }>;
  readonly #names = new Map<string, ResourceRecord[]>();
  /** Names with records, and names that others with records lie below. */
  readonly #existing = new Set<string>();

  #hasWildcards = false;
  readonly #authoritative: boolean;

  constructor({ zones, records, authoritative }: LocalDataSettings) {
    this.#authoritative = authoritative;
    this.#zones = new Map(
      zones.map(({ name, kind }) => {
        const zone = foldName(encodeName(name));
        return [nameKey(zone), { zone, kind }];
      }),
    );
    for (const record of records.map(parseLocalRecord)) {
      const key = nameKey(record.name);
      const list = this.#names.get(key) ?? [];
      list.push(record);
      if (key.startsWith('\u0001*')) this.#hasWildcards = true;
      this.#names.set(key, list);
      for (const above of ancestors(record.name)) this.#existing.add(nameKey(above));
    }
  }

  /** Whether a zone of this name is configured: then the built-in one is not used. */
  has(zone: Uint8Array): boolean {
    return this.#zones.has(nameKey(zone));
  }

  /** Undefined: the name is none of ours. */
  find(query: LocalQuery): LocalAnswer | undefined {
    if (this.#zones.size === 0 && this.#names.size === 0) return undefined;
    const { name, type } = query;
    const { zone, kind } = bySuffix(name, this.#zones) ?? {};
    if (kind === 'refuse') return { ...this.#deny(query, Rcode.REFUSED, undefined), kind: 'refused' };
    if (kind === 'nxdomain') return this.#deny(query, Rcode.NXDOMAIN, zone);
    if (kind === 'nodata') return this.#deny(query, Rcode.NOERROR, zone);
    if (kind === 'null') {
      const octets = type === Type.A ? 4 : type === Type.AAAA ? 16 : 0;
      if (octets === 0) return this.#deny(query, Rcode.NOERROR, zone);
      const nobody = { name, type, dnsClass: Class.IN, ttl: DEFAULT_TTL_SECONDS, data: new Uint8Array(octets) };
      return this.#answer(query, [nobody]);
    }
    const records = this.#recordsOf(name, zone, kind);
    if (records !== undefined) {
      const alias = aliasIn(records);
      if (alias !== undefined && type !== Type.CNAME) return { kind: 'alias', target: alias.data };
      const answers = records.filter(one => one.type === type).map(one => ({ ...one, name }));
      if (answers.length > 0) {
        return this.#answer(query, answers);
      }
      const others = kind === 'typeTransparent' || kind === 'blockA' || kind === 'blockAaaa';
      if (!others) return this.#deny(query, Rcode.NOERROR, zone);
    }
    if (kind === 'redirect') return this.#deny(query, Rcode.NOERROR, zone);
    if (kind === 'blockA') return type === Type.A ? this.#deny(query, Rcode.NOERROR, zone) : undefined;
    if (kind === 'blockAaaa') return type === Type.AAAA ? this.#deny(query, Rcode.NOERROR, zone) : undefined;
    if (kind !== 'static') return undefined;
    const exists = name.length === zone!.length || this.#existing.has(nameKey(name));
    return this.#deny(query, exists ? Rcode.NOERROR : Rcode.NXDOMAIN, zone);
  }

  /** Whose addresses a zone keeps from the name, where it does. */
  blockedFamily(name: Uint8Array): 4 | 6 | undefined {
    if (this.#zones.size === 0) return undefined;
    const { kind } = bySuffix(name, this.#zones) ?? {};
    return kind === 'blockA' ? 4 : kind === 'blockAaaa' ? 6 : undefined;
  }

  /** An alias of these records that leads to itself, or through more others than are followed. */
  endlessAlias(): ResourceRecord | undefined {
    for (const records of this.#names.values()) {
      const alias = aliasIn(records);
      let at = alias?.data;
      for (let steps = 1; at !== undefined; steps++) {
        if (steps > RECURSION_LIMITS.aliases) return alias;
        const name = foldName(at);
        const { zone, kind } = bySuffix(name, this.#zones) ?? {};
        if (kind !== undefined && ANSWERED_AS_ONE.has(kind)) break;
        at = aliasIn(this.#recordsOf(name, zone, kind) ?? [])?.data;
      }
    }
    return undefined;
  }

  #recordsOf(
    name: Uint8Array,
    zone: Uint8Array | undefined,
    kind: LocalZoneKind | undefined,
  ): ResourceRecord[] | undefined {
    if (kind === 'redirect') return this.#names.get(nameKey(zone!));
    const own = this.#names.get(nameKey(name));
    if (own !== undefined || !this.#hasWildcards || this.#existing.has(nameKey(name))) return own;
    // RFC 4592 section 3.3.1: the asterisk right below the closest name that exists, inside the zone.
    for (const encloser of ancestors(name)) {
      if (zone !== undefined && encloser.length < zone.length) return undefined;
      if (this.#existing.has(nameKey(encloser))) return this.#names.get(`\u0001*${nameKey(encloser)}`);
    }
    return undefined;
  }

  #answer(query: LocalQuery, answers: ResourceRecord[]): LocalAnswer {
    const message = buildResponseOrFailure(query, {
      rcode: Rcode.NOERROR,
      answers,
      authoritative: this.#authoritative,
    });
    return { kind: 'message', message };
  }

  #deny(query: LocalQuery, rcode: number, zone: Uint8Array | undefined): { kind: 'message'; message: Uint8Array } {
    const soa =
      zone === undefined
        ? []
        : (this.#names.get(nameKey(zone)) ?? []).filter(
            one => one.type === Type.SOA && isAtOrBelow(query.name, one.name),
          );
    return {
      kind: 'message',
      message: buildResponseOrFailure(query, { rcode, authorities: soa, authoritative: this.#authoritative }),
    };
  }
}

const aliasIn = (records: readonly ResourceRecord[]): ResourceRecord | undefined =>
  records.find(one => one.type === Type.CNAME);

/** Kinds of zones whose names all get the same, whatever records they have. */
const ANSWERED_AS_ONE = new Set<LocalZoneKind>(['refuse', 'nxdomain', 'nodata', 'null']);

/**
 * Checks what no record shows by itself.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming the record whose aliases have no end
 */
export function checkAliases(settings: LocalDataSettings): void {
  const alias = new LocalData(settings).endlessAlias();
  if (alias === undefined) return;
  const record = `${nameToText(alias.name)} CNAME ${nameToText(alias.data)}`;
  throw new ShardnsError(
    'ERR_SHARDNS_OPTION',
    `expected aliases that end after at most ${RECURSION_LIMITS.aliases}, got a circle or more at "${record}"`,
  );
}

export const NO_LOCAL_DATA = new LocalData({ zones: [], records: [], authoritative: true });
