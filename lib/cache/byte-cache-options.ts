// Every option of a byte cache and of its namespaces: type, default, bounds.
import { fraction, type InputOf, milliseconds, flag, oneOf, type SettingsOf, whole } from '../base/fields.js';
import { fileFields, regionFields } from './region.js';

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
};
export const byteCacheFields = {
  ...regionFields,
  /** In a SharedArrayBuffer, so that other threads can attach. */
  shared: flag.default(false),
  ...ownFields,
};
export const byteCacheFileFields = { ...regionFields, ...ownFields, ...fileFields };
export const namespaceFields = { codec: codec.optional(), ttlMs: ttlMs.optional() };

export type ByteCacheOptions = InputOf<typeof byteCacheFields>;
export type ByteCacheFileOptions = InputOf<typeof byteCacheFileFields> & { path: string };
export type ByteNamespaceOptions = InputOf<typeof namespaceFields>;
export type ByteCacheSettings = SettingsOf<typeof byteCacheFields>;
export type ByteNamespaceSettings = Partial<SettingsOf<typeof namespaceFields>>;
