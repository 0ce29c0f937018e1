// The state of trust anchors that follow their zones (RFC 5011) as the text of a file: JSON, versioned, with times and keys that
// people can read and compare. What it says decides what is believed, so that a text which is not whole, not of this version
// or not consistent is refused with the place that is wrong, and never half of it taken.
//
// Bounds: MAX_ZONES zones, as options have; MAX_TRACKED_KEYS keys of each, MAX_CONFIGURED configured anchors. The size of the
// text is the reader's to bound.
import { show } from '../base/errors.js';
import { Type } from '../wire/iana.js';
import { encodeName, foldName, nameToText } from '../wire/name.js';
import { decodeRdata, encodeRdata } from '../wire/rdata.js';
import { ANCHOR_STATES, type AnchorState, MAX_TRACKED_KEYS, type TrackedKey, withoutRevoke } from './anchor-states.js';
import { type ConfiguredAnchor, dataOf, type FollowedZone } from './anchor-zone.js';
import { keyTag, parseKey } from './key.js';

const FORMAT = 'shardns trust anchors';
const VERSION = 1;
const MAX_ZONES = 256;
const MAX_CONFIGURED = 256;
/** Of times: 9999-12-31. */
const MAX_SECONDS = 253_402_300_799;
/** Of TTLs and what is left of signatures (RFC 2181 section 8; RFC 4034 section 3.1.5). */
const MAX_DURATION = 2 ** 31 - 1;

const timeText = (seconds: number): string | null =>
  seconds === 0 ? null : new Date(Math.min(seconds, MAX_SECONDS) * 1000).toISOString().replace('.000Z', 'Z');

/** The text of a file. */
export function anchorText(zones: readonly FollowedZone[]): string {
  const plain = {
    format: FORMAT,
    version: VERSION,
    zones: zones.map(({ zone, configured, keys, lastProbe, lastSuccess, nextProbe, ttl, interval }) => ({
      zone,
      lastProbe: timeText(lastProbe),
      lastSuccess: timeText(lastSuccess),
      nextProbe: timeText(nextProbe),
      ttl,
      interval,
      configured,
      keys: keys.map(({ data, state, since, seen, holdDown, by }) => {
        const octets = Buffer.from(data, 'base64');
        const key = decodeRdata(Type.DNSKEY, octets);
        // The tag is for people: a key is known by its octets.
        const validatedBy = by?.map(one => decodeRdata(Type.DNSKEY, Buffer.from(one, 'base64')));
        return { tag: keyTag(octets), state, since: timeText(since), seen, holdDown, key, validatedBy };
      }),
    })),
  };
  return `${JSON.stringify(plain, null, 2)}\n`;
}

/**
 * The states that a text holds.
 * @throws {Error} that says what is wrong and where, without the file's name
 */
export function readAnchorText(text: string): FollowedZone[] {
  if (text.trim() === '') throw new Error('it is empty');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new Error(`not JSON, or cut: ${(error as Error).message.slice(0, 120)}`);
  }
  const file = new At(parsed, '');
  if (typeof parsed !== 'object' || parsed === null || file.value('format') !== FORMAT) {
    throw new Error(`no file of trust anchors: format: expected ${show(FORMAT)}`);
  }
  const version = file.value('version');
  if (version !== VERSION) throw new Error(`version: expected ${VERSION}, got ${show(version)}`);
  file.only('format', 'version', 'zones');
  const zones = file.list('zones', MAX_ZONES).map(readZone);
  const names = new Set(zones.map(one => one.zone));
  if (names.size < zones.length) throw new Error('zones: expected each zone once');
  return zones;
}

function readZone(at: At): FollowedZone {
  at.only('zone', 'lastProbe', 'lastSuccess', 'nextProbe', 'ttl', 'interval', 'configured', 'keys');
  const zone = at.read('zone', 'a domain name', text => nameToText(foldName(encodeName(text))));
  const keys = at.list('keys', MAX_TRACKED_KEYS).map(readKey);
  if (new Set(keys.map(one => one.data)).size < keys.length) throw at.wrong('keys', 'each key once');
  return {
    zone,
    lastProbe: at.time('lastProbe'),
    lastSuccess: at.time('lastSuccess'),
    nextProbe: at.time('nextProbe'),
    ttl: at.whole('ttl', MAX_DURATION),
    interval: at.whole('interval', MAX_DURATION),
    configured: at.list('configured', MAX_CONFIGURED).map(readConfigured),
    keys,
  };
}

function readConfigured(at: At): ConfiguredAnchor {
  at.only('record', 'seen');
  const record = at.read('record', 'a DS or DNSKEY record', text => {
    if (!/^(DS|DNSKEY) /.test(text)) throw new Error();
    const { type, data } = dataOf(text);
    return `${type} ${decodeRdata(Type[type], data)}`;
  });
  const seen = at.value('seen');
  if (typeof seen !== 'boolean') throw at.wrong('seen', 'true or false');
  return { record, seen };
}

function readKey(at: At): TrackedKey {
  at.only('tag', 'state', 'since', 'seen', 'holdDown', 'key', 'validatedBy');
  const data = at.read('key', 'the data of a DNSKEY record', readKeyData);
  // A tag that is another one says that somebody, or a disk, has changed the key.
  if (at.value('tag') !== keyTag(data)) throw at.wrong('tag', `${keyTag(data)}, as the key has it`);
  if (withoutRevoke(data)[1] !== data[1]) throw at.wrong('key', 'a key without the REVOKE flag');
  const state = at.value('state') as AnchorState;
  if (!ANCHOR_STATES.includes(state)) throw at.wrong('state', `one of ${ANCHOR_STATES.join(', ')}`);
  const key: TrackedKey = {
    state,
    since: at.time('since'),
    seen: at.whole('seen', Number.MAX_SAFE_INTEGER),
    data: Buffer.from(data).toString('base64'),
  };
  if (at.value('holdDown') !== undefined) key.holdDown = at.whole('holdDown', MAX_DURATION);
  if (at.value('validatedBy') !== undefined) {
    const validators = at.texts('validatedBy', MAX_TRACKED_KEYS, 'the data of DNSKEY records', readKeyData);
    key.by = validators.map(one => Buffer.from(one).toString('base64'));
  }
  return key;
}

function readKeyData(text: string): Uint8Array {
  const octets = encodeRdata(Type.DNSKEY, text);
  if (parseKey(octets) === undefined) throw new Error();
  return octets;
}

/** A value of the text, and where it stands. */
class At {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(
    it: unknown,
    private readonly path: string,
  ) {
    if (typeof it !== 'object' || it === null || Array.isArray(it)) {
      throw new Error(`${path === '' ? 'the file' : path}: expected keys and values, got ${show(it)}`);
    }
    this.#fields = it as Record<string, unknown>;
  }

  value(key: string): unknown {
    return Object.hasOwn(this.#fields, key) ? this.#fields[key] : undefined;
  }
  wrong(key: string, expected: string): Error {
    return new Error(`${this.#pathOf(key)}: expected ${expected}, got ${show(this.value(key))}`);
  }
  /** What is written wrong would be taken for absent. */
  only(...keys: string[]): void {
    const other = Object.keys(this.#fields).find(key => !keys.includes(key));
    if (other !== undefined) throw new Error(`${this.#pathOf(show(other))}: is not known`);
  }
  list(key: string, most: number): At[] {
    const value = this.value(key);
    if (!Array.isArray(value) || value.length > most) throw this.wrong(key, `a list of at most ${most}`);
    return value.map((one, i) => new At(one, `${this.#pathOf(key)}[${i}]`));
  }
  whole(key: string, max: number): number {
    const value = this.value(key);
    if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > max) {
      throw this.wrong(key, `a whole number from 0 to ${max}`);
    }
    return value as number;
  }
  /** Seconds since 1970; 0 for null. */
  time(key: string): number {
    const value = this.value(key);
    if (value === null) return 0;
    const isText = typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value);
    const seconds = isText ? Date.parse(value) / 1000 : NaN;
    if (!Number.isInteger(seconds) || seconds < 0)
      throw this.wrong(key, 'a time such as 2026-12-31T12:00:00Z, or null');
    return seconds;
  }
  read<T>(key: string, expected: string, parse: (text: string) => T): T {
    return this.#parsed(key, this.value(key), expected, parse);
  }
  texts<T>(key: string, most: number, expected: string, parse: (text: string) => T): T[] {
    const value = this.value(key);
    if (!Array.isArray(value) || value.length > most) throw this.wrong(key, `a list of at most ${most}`);
    return value.map((one: unknown) => this.#parsed(key, one, expected, parse));
  }
  #parsed<T>(key: string, value: unknown, expected: string, parse: (text: string) => T): T {
    if (typeof value !== 'string') throw this.wrong(key, expected);
    try {
      return parse(value);
    } catch {
      throw this.wrong(key, expected);
    }
  }
  #pathOf(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }
}
