// How values become octets and back. A value is read by the codec of the cache or namespace that asks; the kind that is
// stored beside it says who may: what another codec has written is no value. Octets in a snapshot, a file or shared
// memory thus never choose what reads them.
import { deserialize, serialize } from 'node:v8';
import { optionError, ShardnsError } from '../../base/errors.js';
import { isWellFormed } from '../../base/text.js';

export type CodecName = 'bytes' | 'utf8' | 'json' | 'v8';

export interface Codec {
  /** Stored in three bits of an entry: append only. */
  readonly kind: number;
  /** What it takes, for people. */
  readonly takes: string;
  /** Undefined: it does not take that. */
  encode(value: unknown): Uint8Array | string | undefined;
  /** Of the first `length` octets, which are another's after it returns. Throws for octets that it has not written. */
  decode(octets: Buffer, length: number): unknown;
}

/** A value again from what `encodeValue` has just made of it; throws for what else octets may be. */
export function revive(codec: Codec, encoded: Uint8Array | string): unknown {
  if (codec === CODECS.utf8 && typeof encoded === 'string') return encoded;
  if (codec === CODECS.json && typeof encoded === 'string') return JSON.parse(encoded) as unknown;
  const octets = Buffer.from(encoded as Uint8Array);
  return codec.decode(octets, octets.length);
}

export const CODECS: Readonly<Record<CodecName, Codec>> = {
  bytes: {
    kind: 0,
    takes: 'a Uint8Array',
    encode: value => (value instanceof Uint8Array ? value : undefined),
    decode: (octets, length) => {
      const value = Buffer.allocUnsafe(length);
      octets.copy(value, 0, 0, length);
      return value;
    },
  },
  utf8: {
    kind: 1,
    takes: 'a string without lone surrogates',
    encode: value => (typeof value === 'string' && isWellFormed(value) ? value : undefined),
    decode: (octets, length) => octets.toString('utf8', 0, length),
  },
  json: {
    kind: 2,
    takes: 'a value that JSON can write',
    encode: value => JSON.stringify(value) as string | undefined,
    decode: (octets, length) => JSON.parse(octets.toString('utf8', 0, length)) as unknown,
  },
  v8: {
    kind: 3,
    takes: 'a value that v8.serialize can write',
    encode: value => serialize(value),
    decode: (octets, length) => deserialize(Buffer.from(octets.subarray(0, length))) as unknown,
  },
};

/** @throws {ShardnsError} ERR_SHARDNS_OPTION for a value that the codec does not take */
export function encodeValue(codec: Codec, value: unknown): Uint8Array | string {
  let encoded;
  try {
    encoded = codec.encode(value);
  } catch (cause) {
    const text = `value: expected ${codec.takes}: ${(cause as Error).message}`;
    throw new ShardnsError('ERR_SHARDNS_OPTION', text, { cause });
  }
  if (encoded === undefined) throw optionError('value', value, codec.takes);
  return encoded;
}

/** Of a key, or of what `encodeValue` has made. */
export const octetsOf = (text: Uint8Array | string): number =>
  typeof text === 'string' ? Buffer.byteLength(text) : text.length;
