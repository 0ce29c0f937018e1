// A value as it lies in Redis: when it is from and how long it holds, who wrote it, and a seal over all of it and over its
// key, so that it can be neither changed nor put under another name.
//
//  0      1        2      3       4        10        16            22      26       42      48
//  | seal | secret | kind | flags | stored | expires | stale until | epoch | writer | count | body ... | tag, 16 octets |
//
// Times are milliseconds of Redis' clock. `seal` has the version in its upper half. The tag is there where it is sealed:
// HMAC-SHA-256, of which 16 octets are kept (RFC 2104 section 5), or AES-256-GCM, which encrypts the body. Its nonce is
// `count`, its key the writer's own.
import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';
import type { Secret, Secrets } from './secrets.js';

export const FRAME_HEADER = 48;
export const FRAME_TAG = 16;
/** Octets of a frame that are looked at at all: more than any value's. */
export const MAX_FRAME = 16 * 1024 * 1024;

const VERSION = 0x10;
const Seal = { none: 0, hmac: 1, encrypted: 2 } as const;
const At = {
  seal: 0,
  secret: 1,
  kind: 2,
  flags: 3,
  stored: 4,
  expires: 10,
  stale: 16,
  epoch: 22,
  writer: 26,
  count: 42,
};
const WRITER_OCTETS = 16;
const NONCE_OCTETS = 12;
const MAX_TIME = 2 ** 48 - 1;

export interface FrameFields {
  /** What the body is, for whom it is: one of FrameKind. */
  kind: number;
  /** What else its kind says of it: 8 bits. */
  flags: number;
  /** When what it says was asked for: what was invalidated since is over. */
  storedMs: number;
  expiresMs: number;
  /** Until when it may be served when nothing better is found. */
  staleUntilMs: number;
  /** 32 bits that its kind gives a meaning. */
  epoch: number;
}

export const FrameKind = { answer: 1, bytes: 2, invalidations: 3, lease: 4, write: 5 } as const;

export interface Frame extends FrameFields {
  /** Those of the frame, or decrypted ones. */
  body: Buffer;
  /** Under a secret that is known here. */
  sealed: boolean;
  /** Whoever wrote it: 16 octets as latin1. */
  writer: string;
}

/** Why a value is not taken: each is counted. */
export type FrameRefusal =
  /** Shorter than a frame, or cut. */
  | 'short'
  | 'version'
  /** It has no seal, and this fleet has a secret. */
  | 'unsealed'
  /** Its seal is another fleet's, or it was changed or moved. */
  | 'forged';

export interface SealerOptions {
  readonly secrets: Secrets;
  readonly encrypt: boolean;
  /** 16 octets that no other process has drawn. */
  readonly writer?: Buffer;
}

export class Sealer {
  /** Of this process, as latin1. */
  readonly writer: string;
  readonly #writer: Buffer;
  readonly #secrets: Secrets;
  readonly #encrypts: boolean;
  #count = 0;
  readonly #nonce = Buffer.alloc(NONCE_OCTETS);

  constructor({ secrets, encrypt, writer = randomBytes(WRITER_OCTETS) }: SealerOptions) {
    this.#secrets = secrets;
    this.#encrypts = encrypt && secrets.newest !== undefined;
    this.#writer = writer;
    this.writer = writer.toString('latin1');
  }

  seal(key: Uint8Array, fields: FrameFields, body: Uint8Array): Buffer {
    return this.#seal(this.#secrets.newest, key, fields, body);
  }
  /**
   * The same by each secret: what all must be able to read while secrets change, of whom some know only the one and some
   * only the other.
   */
  sealForAll(key: Uint8Array, fields: FrameFields, body: Uint8Array): Buffer[] {
    const { all } = this.#secrets;
    return all.length === 0 ? [this.seal(key, fields, body)] : all.map(secret => this.#seal(secret, key, fields, body));
  }
  /** The first of them that can be opened; never throws. */
  openAny(key: Uint8Array, frames: readonly Buffer[]): Frame | FrameRefusal {
    let opened: Frame | FrameRefusal = 'short';
    for (const frame of frames) {
      opened = this.open(key, frame);
      if (typeof opened !== 'string') return opened;
    }
    return opened;
  }

  #seal(secret: Secret | undefined, key: Uint8Array, fields: FrameFields, body: Uint8Array): Buffer {
    const end = FRAME_HEADER + body.length;
    const frame = Buffer.allocUnsafe(secret === undefined ? end : end + FRAME_TAG);
    const seal = secret === undefined ? Seal.none : this.#encrypts ? Seal.encrypted : Seal.hmac;
    frame[At.seal] = VERSION | seal;
    frame[At.secret] = secret?.id ?? 0;
    frame[At.kind] = fields.kind;
    frame[At.flags] = fields.flags;
    frame.writeUIntBE(time(fields.storedMs), At.stored, 6);
    frame.writeUIntBE(time(fields.expiresMs), At.expires, 6);
    frame.writeUIntBE(time(fields.staleUntilMs), At.stale, 6);
    frame.writeUInt32BE(fields.epoch >>> 0, At.epoch);
    frame.set(this.#writer, At.writer);
    frame.writeUIntBE(this.#count++, At.count, 6);
    if (secret === undefined) {
      frame.set(body, FRAME_HEADER);
    } else if (seal === Seal.hmac) {
      frame.set(body, FRAME_HEADER);
      macOf(secret, key, frame, end).copy(frame, end, 0, FRAME_TAG);
    } else {
      const cipher = createCipheriv('aes-256-gcm', secret.encryptionKey(this.#writer), this.#nonceOf(frame));
      cipher.setAAD(authenticated(key, frame));
      frame.set(cipher.update(body), FRAME_HEADER);
      cipher.final();
      frame.set(cipher.getAuthTag(), end);
    }
    return frame;
  }

  /** Never throws. @param key under which it was found */
  open(key: Uint8Array, frame: Buffer): Frame | FrameRefusal {
    if (frame.length < FRAME_HEADER || frame.length > MAX_FRAME) return 'short';
    if ((frame[At.seal] & 0xf0) !== VERSION) return 'version';
    const seal = frame[At.seal] & 0x0f;
    if (seal > Seal.encrypted) return 'version';
    if (seal === Seal.none) {
      return this.#secrets.newest === undefined ? new Opened(frame, frame.subarray(FRAME_HEADER), false) : 'unsealed';
    }
    const end = frame.length - FRAME_TAG;
    if (end < FRAME_HEADER) return 'short';
    for (const secret of this.#secrets.all) {
      if (secret.id !== frame[At.secret]) continue;
      const body = seal === Seal.hmac ? verified(secret, key, frame, end) : this.#decrypted(secret, key, frame, end);
      if (body !== undefined) return new Opened(frame, body, true);
    }
    return 'forged';
  }

  #nonceOf(frame: Buffer): Buffer {
    this.#nonce.set(frame.subarray(At.count, FRAME_HEADER), NONCE_OCTETS - 6);
    return this.#nonce;
  }

  #decrypted(secret: Secret, key: Uint8Array, frame: Buffer, end: number): Buffer | undefined {
    try {
      const encryptionKey = secret.encryptionKey(frame.subarray(At.writer, At.writer + WRITER_OCTETS));
      const decipher = createDecipheriv('aes-256-gcm', encryptionKey, this.#nonceOf(frame), {
        authTagLength: FRAME_TAG,
      });
      decipher.setAAD(authenticated(key, frame));
      decipher.setAuthTag(frame.subarray(end));
      const body = decipher.update(frame.subarray(FRAME_HEADER, end));
      decipher.final();
      return body;
    } catch {
      return undefined; // the tag is another one
    }
  }
}

const time = (ms: number): number => Math.min(Math.max(0, Math.floor(ms)), MAX_TIME);

class Opened implements Frame {
  readonly kind: number;
  readonly flags: number;
  readonly storedMs: number;
  readonly expiresMs: number;
  readonly staleUntilMs: number;

  constructor(
    private readonly frame: Buffer,
    readonly body: Buffer,
    readonly sealed: boolean,
  ) {
    this.kind = frame[At.kind];
    this.flags = frame[At.flags];
    this.storedMs = timeAt(frame, At.stored);
    this.expiresMs = timeAt(frame, At.expires);
    this.staleUntilMs = timeAt(frame, At.stale);
  }
  get epoch(): number {
    return this.frame.readUInt32BE(At.epoch);
  }
  get writer(): string {
    return this.frame.toString('latin1', At.writer, At.writer + WRITER_OCTETS);
  }
}

/** As readUIntBE of 6 octets, which checks its arguments for as long as all of this takes. */
const timeAt = (frame: Buffer, at: number): number =>
  (frame[at] * 256 + frame[at + 1]) * 2 ** 32 +
  frame[at + 2] * 2 ** 24 +
  ((frame[at + 3] << 16) | (frame[at + 4] << 8) | frame[at + 5]);

/** The key with its length before it: where it ends and the frame begins is nobody's to choose. */
function authenticated(key: Uint8Array, frame: Buffer): Buffer {
  const all = Buffer.allocUnsafe(2 + key.length + FRAME_HEADER);
  all.writeUInt16BE(key.length, 0);
  all.set(key, 2);
  frame.copy(all, 2 + key.length, 0, FRAME_HEADER);
  return all;
}

/**
 * HMAC-SHA-256 (RFC 2104) over `authenticated` and the body, of which 16 octets are kept. By calls of a hash
 * that make no objects: an Hmac takes half as long again, and is garbage with a native part.
 */
function macOf(secret: Secret, key: Uint8Array, frame: Buffer, end: number): Buffer {
  const begin = secret.innerPad.length;
  const length = begin + 2 + key.length + end;
  const inner = length <= scratch.length ? scratch : Buffer.allocUnsafe(length);
  inner.set(secret.innerPad);
  inner[begin] = key.length >> 8;
  inner[begin + 1] = key.length & 0xff;
  inner.set(key, begin + 2);
  frame.copy(inner, begin + 2 + key.length, 0, end);
  outer.set(secret.outerPad);
  outer.set(hash('sha256', inner.subarray(0, length), 'buffer'), secret.outerPad.length);
  return hash('sha256', outer, 'buffer');
}
/** In a time that does not say where they differ. */
function verified(secret: Secret, key: Uint8Array, frame: Buffer, end: number): Buffer | undefined {
  const mac = macOf(secret, key, frame, end);
  let differs = 0;
  for (let i = 0; i < FRAME_TAG; i++) differs |= mac[i] ^ frame[end + i];
  return differs === 0 ? frame.subarray(FRAME_HEADER, end) : undefined;
}
const scratch = Buffer.allocUnsafeSlow(4096);
const outer = Buffer.allocUnsafeSlow(64 + 32);
