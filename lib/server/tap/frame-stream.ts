// Frame Streams (https://farsightsec.github.io/fstrm/), as one who sends: over a unix socket or TCP it says READY, is told
// ACCEPT, says START and then frames; at its end STOP, and waits for FINISH a moment.
//
//  data:    | length | octets |             control: | 0 | length | type | fields: | 1 | length | content type |
//
// Whoever takes them may be away: it is asked for again after a while, twice as long each time.
//
// Bound: MAX_FRAMES and MAX_QUEUED octets that wait; what comes beyond is dropped and counted.
import { connect, type Socket } from 'node:net';
import { BackOff } from '../../base/back-off.js';
import type { Clock, Timer } from '../../base/clock.js';
import type { Random } from '../../base/random.js';

const MAX_FRAMES = 10_000;
const MAX_QUEUED = 8 * 2 ** 20;
/** Handed to the socket, and not taken yet. */
const MAX_UNREAD = 2 ** 20;
const HANDSHAKE_MS = 5000;
const FINISH_MS = 1000;
/** Of a control frame. */
const MAX_CONTROL = 512;

export const Control = { accept: 1, start: 2, stop: 3, ready: 4, finish: 5 } as const;
const CONTENT_TYPE = 1;

export type FrameTarget = { readonly path: string } | { readonly host: string; readonly port: number };

export interface FrameStats {
  sent: number;
  dropped: number;
  connected: number;
  failures: number;
}

export interface FrameStreamParts {
  readonly clock: Clock;
  readonly random: Random;
  /** Of a connection that could not be made, or was lost. */
  readonly failed: (reason: string) => void;
}

export class FrameStream {
  readonly stats: FrameStats = { sent: 0, dropped: 0, connected: 0, failures: 0 };
  readonly #type: Buffer;
  readonly #backOff: BackOff;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #socket: Socket | undefined;
  /** START was said. */
  #isOpen = false;
  #timer: Timer | undefined;
  #read = Buffer.alloc(0);
  #closed = false;
  #finished: (() => void) | undefined;

  constructor(
    private readonly target: FrameTarget,
    contentType: string,
    private readonly parts: FrameStreamParts,
  ) {
    this.#type = Buffer.from(contentType);
    this.#backOff = new BackOff(parts.random, { firstMs: 1000, mostMs: 30_000 });
    this.#connect();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** @param frame kept */
  send(frame: Uint8Array): void {
    if (this.#closed || this.#queue.length >= MAX_FRAMES || this.#queued + frame.length > MAX_QUEUED) {
      this.stats.dropped++;
      return;
    }
    this.#queue.push(frame);
    this.#queued += frame.length;
    // Those of one turn are one write.
    if (this.#queue.length === 1 && this.#isOpen) setImmediate(() => this.#flush());
  }

  /** Sends what waits, if whoever takes it is there; never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    const socket = this.#socket;
    if (socket === undefined || !this.#isOpen) {
      this.stats.dropped += this.#queue.length;
      socket?.destroy();
      return;
    }
    // What is waited for keeps the process alive.
    socket.ref();
    await new Promise<void>(resolve => {
      this.#finished = resolve;
      this.#flush();
      socket.write(controlFrame(Control.stop));
      this.#timer = this.parts.clock.after(FINISH_MS, resolve);
    });
    this.#timer?.cancel();
    this.stats.dropped += this.#queue.length;
    socket.destroy();
  }

  #connect(): void {
    const socket = connect(this.target);
    this.#socket = socket;
    this.#read = Buffer.alloc(0);
    let reason = 'it was closed';
    socket.setNoDelay(true);
    socket.on('connect', () => socket.write(controlFrame(Control.ready, this.#type)));
    socket.on('data', chunk => {
      const wrong = this.#take(chunk);
      if (wrong === undefined) return;
      reason = wrong;
      socket.destroy();
    });
    socket.on('error', error => (reason = error.message));
    socket.on('drain', () => this.#flush());
    socket.on('close', () => this.#lost(reason));
    this.#timer = this.parts.clock.after(HANDSHAKE_MS, () => {
      reason = `no ACCEPT came within ${HANDSHAKE_MS / 1000} s`;
      socket.destroy();
    });
    // It does not keep the process alive.
    socket.unref();
  }

  #lost(reason: string): void {
    this.#isOpen = false;
    this.#socket = undefined;
    this.#timer?.cancel();
    this.#finished?.();
    if (this.#closed) return;
    this.stats.failures++;
    this.parts.failed(reason);
    this.#timer = this.parts.clock.after(this.#backOff.next(), () => this.#connect());
  }

  /** @returns what is wrong with what came */
  #take(chunk: Buffer): string | undefined {
    this.#read = Buffer.concat([this.#read, chunk]);
    for (;;) {
      if (this.#read.length < 12) return undefined;
      const length = this.#read.readUInt32BE(4);
      if (this.#read.readUInt32BE(0) !== 0 || length < 4 || length > MAX_CONTROL)
        return 'what it says is no control frame';
      if (this.#read.length < 8 + length) return undefined;
      const type = this.#read.readUInt32BE(8);
      const fields = this.#read.subarray(12, 8 + length);
      this.#read = this.#read.subarray(8 + length);
      if (type === Control.accept && !this.#isOpen) {
        if (!accepts(fields, this.#type)) return `it does not take ${this.#type.toString()}`;
        this.#begin();
      } else if (type === Control.finish) this.#finished?.();
      else return `control frame ${type} is not expected`;
    }
  }

  #begin(): void {
    this.#timer?.cancel();
    this.#backOff.reset();
    this.#isOpen = true;
    this.stats.connected++;
    this.#socket?.write(controlFrame(Control.start, this.#type));
    this.#flush();
  }

  #flush(): void {
    const socket = this.#socket;
    if (socket === undefined || !this.#isOpen || this.#queue.length === 0) return;
    // 'drain' goes on where it takes no more.
    const room = MAX_UNREAD - socket.writableLength;
    let octets = 0;
    let count = 0;
    while (count < this.#queue.length && octets < room) octets += this.#queue[count++].length + 4;
    if (count === 0) return;
    const out = Buffer.allocUnsafe(octets);
    let at = 0;
    for (const frame of this.#queue.slice(0, count)) {
      at = out.writeUInt32BE(frame.length, at);
      out.set(frame, at);
      at += frame.length;
    }
    this.#queue = this.#queue.slice(count);
    this.#queued -= octets - 4 * count;
    this.stats.sent += count;
    socket.write(out);
  }
}

export function controlFrame(type: number, contentType?: Uint8Array): Buffer {
  const field = contentType === undefined ? 0 : 8 + contentType.length;
  const frame = Buffer.alloc(12 + field);
  frame.writeUInt32BE(4 + field, 4);
  frame.writeUInt32BE(type, 8);
  if (contentType !== undefined) {
    frame.writeUInt32BE(CONTENT_TYPE, 12);
    frame.writeUInt32BE(contentType.length, 16);
    frame.set(contentType, 20);
  }
  return frame;
}

/** Whether the content type is among those of an ACCEPT; one without any takes all. */
function accepts(fields: Buffer, wanted: Buffer): boolean {
  let some = false;
  for (let at = 0; at + 8 <= fields.length;) {
    const length = fields.readUInt32BE(at + 4);
    const value = fields.subarray(at + 8, at + 8 + length);
    if (fields.readUInt32BE(at) === CONTENT_TYPE) {
      if (value.equals(wanted)) return true;
      some = true;
    }
    at += 8 + length;
  }
  return !some;
}
