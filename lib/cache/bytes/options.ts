// Every option of a byte cache and of its namespaces: type, default, bounds.
import { fraction, type InputOf, milliseconds, flag, oneOf, type SettingsOf, whole } from '../../base/fields.js';
import { fileFields, regionFields } from '../region.js';
import { redisField } from './level-options.js';
import { type WriterOptions, writerField } from './writer-options.js';

/** What values are: Uint8Array, string, or anything that JSON or v8.serialize takes. */
const codec = oneOf('bytes', 'utf8', 'json', 'v8');
/** Lifetime of values for which none is given; Infinity = until evicted. */
const ttlMs = milliseconds(1, true);
const MAX_MS = 2 ** 31 - 1;
const ownFields = {
  codec: codec.default('bytes'),
  ttlMs: ttlMs.default(Infinity),
  /** Sizes the index, which is full before the space is where entries are smaller: key, value and 24 octets. */
  averageEntryBytes: whole(64, 65_536).default(128),
  /** `fetch` answers with a value expired for up to this, and loads a new one meanwhile. */
  staleWhileRevalidateMs: whole(0, MAX_MS).default(0),
  /** `fetch` answers with a value expired for up to this when its loader fails. */
  staleIfErrorMs: whole(0, MAX_MS).default(0),
  /** `fetch` loads anew when less than this share of a lifetime is left; less popular values later, or not at all. */
  refreshAhead: fraction(0, 0.9).default(0),
  /** `fetch` loads anew early with probability exp(-remaining / this) (Vattani et al., VLDB 2015); 0 = off. */
  earlyRefreshBetaMs: whole(0, MAX_MS).default(0),
  /** How long `fetch` remembers a loader's failure; 0 = not at all. */
  errorTtlMs: milliseconds(0).default(0),
  /** Loaders at work at the same time; one more `fetch` fails. */
  maxLoads: whole(1, 1_000_000).default(10_000),
  /** How long `fetch` waits for a loader where there is an expired value to answer with; 0 = as long as it takes. */
  softTimeoutMs: whole(0, MAX_MS).default(0),
  /** How long it waits at all; what comes later is stored all the same. 0 = as long as it takes. */
  hardTimeoutMs: whole(0, MAX_MS).default(0),
  /** After which a load is given up: its place is free, and its value is not stored. 0 = never. */
  loadDeadlineMs: whole(0, MAX_MS).default(0),
  /** Failures in a row after which loaders of a namespace are not called for a while; 0 = never. */
  breakerFailures: whole(0, 1_000_000).default(0),
  /** How long not, at first; doubled each time it was in vain. */
  breakerOpenMs: whole(1, MAX_MS).default(1000),
  breakerMaxOpenMs: whole(1, MAX_MS).default(30_000),
};
/** What is not for other threads: objects and functions of this one. */
const placeFields = { writer: writerField.optional() };
/** The second level, of all namespaces. */
const fleetFields = { redis: redisField.optional() };
export const byteCacheFields = {
  ...regionFields,
  /** In a SharedArrayBuffer, so that other threads can attach. */
  shared: flag.default(false),
  ...ownFields,
};
export const byteCacheCreateFields = { ...byteCacheFields, ...placeFields, ...fleetFields };
export const byteCacheFileFields = { ...regionFields, ...ownFields, ...fileFields, ...placeFields, ...fleetFields };
export const namespaceFields = {
  codec: codec.optional(),
  ttlMs: ttlMs.optional(),
  /** Nothing of it is shared with other instances. */
  local: flag.default(false),
  ...placeFields,
};

/** @typeParam V what values are */
type Typed<F, V> = Omit<F, keyof typeof placeFields> & { writer?: WriterOptions<V> | undefined };

export type ByteCacheOptions<V = never> = Typed<InputOf<typeof byteCacheCreateFields>, V>;
export type ByteCacheFileOptions<V = never> = Typed<InputOf<typeof byteCacheFileFields>, V> & { path: string };
export type ByteNamespaceOptions<V = never> = Typed<InputOf<typeof namespaceFields>, V>;
/** As another thread gets them. */
export type ByteCacheSettings = SettingsOf<typeof byteCacheFields>;
export type ByteNamespaceSettings = Partial<SettingsOf<typeof namespaceFields>>;
