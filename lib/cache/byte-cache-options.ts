// Every option of a byte cache and of its namespaces: type, default, bounds.
import { z } from 'zod';
import { count } from '../base/options.js';
import { fileShape, regionShape } from './region.js';

const milliseconds = (least: number) => z.number().min(least, `expected ${least} or more milliseconds`);

/** What values are: Uint8Array, string, or anything that JSON or v8.serialize takes. */
const codec = z.enum(['bytes', 'utf8', 'json', 'v8']);
/** Lifetime of values for which none is given; Infinity = until evicted. */
const ttlMs = z.union([z.literal(Infinity), milliseconds(1)]);
const tuningShape = {
  /** Sizes the index: octets of a typical key and value together. */
  averageEntryBytes: count(64, 65_536).default(256),
  /** `fetch` answers with a value expired for up to this, and loads a new one meanwhile. */
  staleWhileRevalidateMs: count(0, 2 ** 31 - 1).default(0),
  /** `fetch` answers with a value expired for up to this when its loader fails. */
  staleIfErrorMs: count(0, 2 ** 31 - 1).default(0),
  /** `fetch` loads anew when less than this share of a lifetime is left; less popular values later, or not at all. */
  refreshAhead: z.number().min(0).max(0.9).default(0),
  /** `fetch` loads anew early with probability exp(-remaining / this) (Vattani et al., VLDB 2015); 0 = off. */
  earlyRefreshBetaMs: count(0, 2 ** 31 - 1).default(0),
  /** How long `fetch` remembers a loader's failure; 0 = not at all. */
  errorTtlMs: milliseconds(0).default(0),
  /** Loaders at work at the same time; one more `fetch` fails. */
  maxLoads: count(1, 1_000_000).default(10_000),
};
export const byteCacheSchema = z.strictObject({
  ...regionShape,
  /** In a SharedArrayBuffer, so that other threads can attach. */
  shared: z.boolean().default(false),
  codec: codec.default('bytes'),
  ttlMs: ttlMs.default(Infinity),
  ...tuningShape,
});
export const byteCacheFileSchema = byteCacheSchema.omit({ shared: true }).extend(fileShape);
export const namespaceSchema = z.strictObject({ codec: codec.optional(), ttlMs: ttlMs.optional() });

export type ByteCacheOptions = z.input<typeof byteCacheSchema>;
export type ByteCacheFileOptions = z.input<typeof byteCacheFileSchema>;
export type ByteNamespaceOptions = z.input<typeof namespaceSchema>;
export type ByteCacheSettings = z.output<typeof byteCacheSchema>;
export type ByteNamespaceSettings = z.output<typeof namespaceSchema>;
