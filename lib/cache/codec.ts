// How values become octets and back. The kind is stored beside the value, so that each is read as it was written.
import { deserialize, serialize } from 'node:v8';

export type CodecName = 'bytes' | 'utf8' | 'json' | 'v8';

export interface Codec {
  /** Stored in three bits of an entry: append only. */
  readonly kind: number;
  /** What it takes, for people. */
  readonly takes: string;
  /** Undefined: it does not take that. */
  encode(value: unknown): Uint8Array | string | undefined;
}

export const CODECS: Readonly<Record<CodecName, Codec>> = {
  bytes: {
    kind: 0,
    takes: 'a Uint8Array',
    encode: value => (value instanceof Uint8Array ? value : undefined),
  },
  utf8: { kind: 1, takes: 'a string', encode: value => (typeof value === 'string' ? value : undefined) },
  json: {
    kind: 2,
    takes: 'a value that JSON can write',
    encode: value => JSON.stringify(value) as string | undefined,
  },
  v8: { kind: 3, takes: 'a value that v8.serialize can write', encode: value => serialize(value) },
};

/** Throws for octets that no codec has written. */
export function decode(kind: number, octets: Buffer, length: number): unknown {
  switch (kind) {
    case CODECS.bytes.kind: {
      const value = Buffer.allocUnsafe(length);
      octets.copy(value, 0, 0, length);
      return value;
    }
    case CODECS.utf8.kind:
      return octets.toString('utf8', 0, length);
    case CODECS.json.kind:
      return JSON.parse(octets.toString('utf8', 0, length)) as unknown;
    case CODECS.v8.kind:
      return deserialize(Buffer.from(octets.subarray(0, length)));
    default:
      throw new Error(`no codec has the kind ${kind}`);
  }
}
