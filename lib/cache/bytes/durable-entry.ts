// One write in a stream: a frame, sealed as values are, whose body is
//
//   length of the key, 2 octets | key within its namespace | value as its codec writes it; nothing where it is deleted
import { MAX_KEY_OCTETS } from '../../native/binding.js';
import { FrameKind, type Sealer } from '../redis/frame.js';
import type { ByteKey } from './arguments.js';
import { octetsOf } from './codec.js';

const Flag = { deleted: 1, text: 2 } as const;

export interface DurableWrite {
  readonly key: ByteKey;
  /** Undefined: the key is deleted. */
  readonly encoded: Buffer | undefined;
}

const NO_TIMES = { storedMs: 0, expiresMs: 0, staleUntilMs: 0, epoch: 0 };

/** By each of the secrets. */
export function sealWrite(
  sealer: Sealer,
  stream: string,
  key: Uint8Array | string,
  encoded: Uint8Array | string | undefined,
): Buffer[] {
  const length = octetsOf(key);
  const body = Buffer.allocUnsafe(2 + length + (encoded === undefined ? 0 : octetsOf(encoded)));
  body.writeUInt16BE(length, 0);
  put(body, key, 2);
  if (encoded !== undefined) put(body, encoded, 2 + length);
  const flags = (encoded === undefined ? Flag.deleted : 0) | (typeof key === 'string' ? Flag.text : 0);
  return sealer.sealForAll(Buffer.from(stream), { kind: FrameKind.write, flags, ...NO_TIMES }, body);
}

/** Undefined for what is none, or of another fleet. */
export function readWrite(sealer: Sealer, stream: string, values: readonly Buffer[]): DurableWrite | undefined {
  const frame = sealer.openAny(Buffer.from(stream), values);
  if (typeof frame === 'string' || frame.kind !== FrameKind.write || frame.body.length < 2) return undefined;
  const end = 2 + frame.body.readUInt16BE(0);
  if (end > frame.body.length || end - 2 > MAX_KEY_OCTETS) return undefined;
  const key = frame.body.subarray(2, end);
  const deleted = (frame.flags & Flag.deleted) !== 0;
  const given = (frame.flags & Flag.text) !== 0 ? key.toString() : key;
  return { key: given, encoded: deleted ? undefined : frame.body.subarray(end) };
}

function put(to: Buffer, text: Uint8Array | string, at: number): void {
  if (typeof text === 'string') to.write(text, at);
  else to.set(text, at);
}
