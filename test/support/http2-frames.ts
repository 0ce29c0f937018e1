// HTTP/2 by hand, for what no client library would send (RFC 9113).
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';

export const Frame = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const Flag = { endStream: 1, ack: 1, endHeaders: 4 } as const;

export function frameOf(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const uint32 = (value: number): Buffer => {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
};

/** A field without compression and without a place in the table (RFC 7541 section 6.2.2). */
export function field(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), literal(name), literal(value)]);
}
function literal(text: string): Buffer {
  const octets = Buffer.from(text, 'latin1');
  const length = [];
  if (octets.length < 127) length.push(octets.length);
  else {
    length.push(127);
    let rest = octets.length - 127;
    for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), octets]);
}

export const fields = (all: Record<string, string>): Buffer =>
  Buffer.concat(Object.entries(all).map(([name, value]) => field(name, value)));
export const POST_FIELDS = fields({
  ':method': 'POST',
  ':scheme': 'https',
  ':path': '/dns-query',
  ':authority': 'dns.example',
  'content-type': 'application/dns-message',
});
export const headersFrame = (stream: number, block = POST_FIELDS, flags: number = Flag.endHeaders): Buffer =>
  frameOf(Frame.headers, flags, stream, block);
export const postFrames = (stream: number, query: Uint8Array): Buffer =>
  Buffer.concat([headersFrame(stream), frameOf(Frame.data, Flag.endStream, stream, query)]);

export const PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frameOf(Frame.settings, 0, 0)]);

export interface ReadFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A client that writes what it is told to. */
export class RawHttp2 {
  readonly frames: ReadFrame[] = [];
  readonly closed: Promise<void>;
  #buffered = Buffer.alloc(0);

  private constructor(readonly socket: TLSSocket) {
    this.closed = new Promise(resolve => socket.on('close', () => resolve()));
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  static async open(port: number, preface: Uint8Array = PREFACE): Promise<RawHttp2> {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    const client = new RawHttp2(socket);
    client.write(preface);
    return client;
  }

  /** False once the connection is gone, or nothing is read at the other end. */
  write(octets: Uint8Array): boolean {
    return !this.socket.destroyed && this.socket.write(octets);
  }
  /** Writes it again and again, as fast as it is read, until the connection is closed or it was written `times`. */
  async flood(make: (i: number) => Uint8Array, times: number): Promise<void> {
    for (let i = 0; i < times && !this.socket.destroyed; i++) {
      if (this.write(make(i))) continue;
      await Promise.race([once(this.socket, 'drain').catch(() => {}), this.closed]);
    }
  }
  of(type: number): ReadFrame[] {
    return this.frames.filter(one => one.type === type);
  }
  destroy(): void {
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#buffered = Buffer.concat([this.#buffered, chunk]);
    while (this.#buffered.length >= 9) {
      const end = 9 + this.#buffered.readUIntBE(0, 3);
      if (this.#buffered.length < end) return;
      const [type, flags] = this.#buffered.subarray(3, 5);
      const stream = this.#buffered.readUInt32BE(5);
      this.frames.push({ type, flags, stream, payload: this.#buffered.subarray(9, end) });
      this.#buffered = this.#buffered.subarray(end);
    }
  }
}
