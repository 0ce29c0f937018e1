// Takes Frame Streams over a unix socket or TCP, and reads the dnstap messages in them: an implementation of its own, by
// dnstap.proto.
import { createServer, type Server, type Socket } from 'node:net';

const ACCEPT = 1;
const START = 2;
const STOP = 3;
const READY = 4;
const FINISH = 5;

/** Fields by their numbers, in the order in which they came. */
export type Fields = Map<number, (number | Buffer)[]>;

export function readProtobuf(octets: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const octet = octets[at++];
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) return value;
    }
  };
  while (at < octets.length) {
    const key = varint();
    const wire = key & 7;
    let value: number | Buffer;
    if (wire === 0) value = varint();
    else if (wire === 5) value = octets.readUInt32LE((at += 4) - 4);
    else if (wire === 2) {
      const length = varint();
      value = octets.subarray(at, (at += length));
      if (at > octets.length) throw new Error('a field is cut off');
    } else throw new Error(`wire type ${wire}`);
    const field = key >>> 3;
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

export class FrameReader {
  readonly frames: Buffer[] = [];
  /** What was said, in order, beside frames. */
  readonly said: string[] = [];
  readonly #sockets = new Set<Socket>();
  #waiting: { least: number; told: () => void }[] = [];
  /** Answers READY; else it says nothing. */
  accepts = true;
  /** What it says it takes. */
  contentType: string | undefined;

  private constructor(readonly server: Server) {
    server.on('connection', socket => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
      let read = Buffer.alloc(0);
      socket.on('data', chunk => {
        read = Buffer.concat([read, chunk]);
        for (;;) {
          if (read.length < 8) return;
          const length = read.readUInt32BE(0);
          const end = length === 0 ? 8 + read.readUInt32BE(4) : 4 + length;
          if (read.length < end) return;
          if (length === 0) this.#control(read.subarray(8, end), socket);
          else this.#frame(read.subarray(4, end));
          read = read.subarray(end);
        }
      });
    });
  }
  static async listen(at: { path: string } | { port: number; host: string }): Promise<FrameReader> {
    const reader = new FrameReader(createServer());
    await new Promise<void>(resolve => reader.server.listen(at, resolve));
    return reader;
  }
  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  async has(least: number): Promise<void> {
    if (this.frames.length >= least) return;
    await new Promise<void>(told => this.#waiting.push({ least, told }));
  }
  hangUp(): void {
    for (const one of this.#sockets) one.destroy();
  }
  async close(): Promise<void> {
    this.hangUp();
    await new Promise(resolve => this.server.close(resolve));
  }

  #control(frame: Buffer, socket: Socket): void {
    const type = frame.readUInt32BE(0);
    const content = frame.length > 4 ? frame.subarray(12, 12 + frame.readUInt32BE(8)).toString() : '';
    if (type === READY) {
      this.said.push(`READY ${content}`);
      if (this.accepts) socket.write(this.#controlOf(ACCEPT, this.contentType ?? content));
    } else if (type === START) this.said.push(`START ${content}`);
    else if (type === STOP) {
      this.said.push('STOP');
      socket.write(this.#controlOf(FINISH));
    } else this.said.push(`control ${type}`);
  }
  #controlOf(type: number, content?: string): Buffer {
    const field = content === undefined ? Buffer.alloc(0) : Buffer.alloc(8 + content.length);
    if (content !== undefined) {
      field.writeUInt32BE(1, 0);
      field.writeUInt32BE(content.length, 4);
      field.write(content, 8);
    }
    const head = Buffer.alloc(12);
    head.writeUInt32BE(4 + field.length, 4);
    head.writeUInt32BE(type, 8);
    return Buffer.concat([head, field]);
  }
  #frame(octets: Buffer): void {
    this.frames.push(Buffer.from(octets));
    this.#waiting = this.#waiting.filter(({ least, told }) => this.frames.length < least || void told());
  }
}
