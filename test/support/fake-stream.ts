// A connection without a socket: what is written to it is collected, what is pushed arrives.
import { Duplex } from 'node:stream';
import { frame, MessageReader } from '../../lib/transport/framing.js';

export class FakeStream extends Duplex {
  readonly #reader = new MessageReader();
  /** Told of each message that the other side writes. */
  onMessage: (message: Buffer) => void = () => {};

  constructor(
    readonly remoteAddress = '127.0.0.1',
    readonly remotePort = 53_535,
  ) {
    super();
  }
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    for (const message of this.#reader.push(chunk)) this.onMessage(message);
    done();
  }
  /** A message from the client. */
  send(message: Uint8Array): void {
    this.push(frame(message));
  }
}
