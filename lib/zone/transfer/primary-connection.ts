// A connection to a primary, over TCP or TLS (RFC 9103), over which one question after the other is asked and answered by
// one message or by a stream of them. Signed where there is a key: then nothing is believed that is not.
//
// Bounds: CONNECT_MS until it is open, SILENCE_MS without an octet, `untilMs` in all; of what comes a message is held at a
// time. Whoever asks bounds the rest (TransferReader).
import type { Duplex } from 'node:stream';
import { formatSocketAddress } from '../../base/address.js';
import type { Clock, Timer } from '../../base/clock.js';
import { ShardnsError } from '../../base/errors.js';
import type { Random } from '../../base/random.js';
import { frame, MessageReader } from '../../transport/framing.js';
import type { ServerAddress } from '../../transport/transport.js';
import { padded, QUERY_BLOCK } from '../../wire/opt.js';
import type { TsigKey } from '../tsig/key.js';
import { signMessage } from '../tsig/mac.js';
import { TsigStreamChecker } from '../tsig/stream.js';

const CONNECT_MS = 10_000;
const SILENCE_MS = 30_000;

/** A server that a zone is had from, or told of changes. */
export interface PeerServer {
  readonly server: ServerAddress;
  readonly key?: TsigKey;
}

/** For logs. */
export const peerText = ({ server }: PeerServer): string =>
  `${server.tls === undefined ? '' : 'tls://'}${formatSocketAddress(server)}`;

/** A stream to a server: `opened` is called once, when it has proved who it is. */
export type OpenStream = (server: ServerAddress, opened: () => void) => Duplex;

export interface ConnectionTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly open: OpenStream;
}

/** Takes a message, without its signature. @returns whether it was the last one */
export type TakeMessage = (message: Uint8Array, isSettled: boolean) => boolean;

interface Asked {
  readonly take: TakeMessage;
  readonly checker: TsigStreamChecker | undefined;
  resolve(): void;
  reject(error: ShardnsError): void;
}

export class PrimaryConnection {
  readonly #stream: Duplex;
  readonly #reader = new MessageReader();
  #asked: Asked | undefined;
  #error: ShardnsError | undefined;
  #timer: Timer | undefined;
  readonly #limit: Timer;
  #isOpen = false;
  #unsent: Buffer | undefined;
  octets = 0;

  /** @param untilMs milliseconds that it may take in all */
  constructor(
    readonly peer: PeerServer,
    private readonly tools: ConnectionTools,
    untilMs: number,
  ) {
    this.#watch(CONNECT_MS, 'no connection');
    this.#limit = tools.clock.after(untilMs, () =>
      this.fail(`not done in ${Math.round(untilMs / 1000)} s`, 'ERR_SHARDNS_TIMEOUT'),
    );
    const stream = (this.#stream = tools.open(peer.server, () => this.#opened()));
    stream.on('error', (cause: Error) => this.fail(cause.message, 'ERR_SHARDNS_UPSTREAM', cause));
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('end', () => this.fail('it closed the connection'));
    stream.on('close', () => this.fail('the connection was closed'));
  }

  get isUsable(): boolean {
    return this.#error === undefined;
  }

  /**
   * Asks, and hands over what comes until that was the last message.
   * @param query with its id; it is padded here, where it goes over TLS and has an OPT (RFC 8467), and signed
   * @throws {ShardnsError} ERR_SHARDNS_TIMEOUT, ERR_SHARDNS_UPSTREAM, ERR_SHARDNS_MESSAGE (what came is not signed as it
   * should be); the connection is closed then
   */
  ask(query: Uint8Array, take: TakeMessage): Promise<void> {
    const { key, server } = this.peer;
    return new Promise((resolve, reject) => {
      if (this.#error !== undefined) {
        reject(this.#error);
        return;
      }
      const whole = server.tls === undefined ? query : padded(query, QUERY_BLOCK);
      const signed = key && signMessage(whole, { key, now: this.tools.clock.wallSeconds() });
      const checker = key && signed && new TsigStreamChecker(key, signed.mac);
      this.#asked = { take, checker, resolve, reject };
      const framed = frame(signed?.message ?? whole);
      if (this.#isOpen) {
        this.#stream.write(framed);
        this.#watch(SILENCE_MS, 'nothing came');
      } else this.#unsent = framed;
    });
  }

  close(): void {
    this.fail('closed', 'ERR_SHARDNS_CLOSED');
  }

  #opened(): void {
    if (this.#error !== undefined) return;
    this.#isOpen = true;
    if (this.#unsent !== undefined) this.#stream.write(this.#unsent);
    this.#unsent = undefined;
    this.#watch(SILENCE_MS, 'nothing came');
  }

  #watch(afterMs: number, what: string): void {
    this.#timer?.cancel();
    this.#timer = this.tools.clock.after(afterMs, () => {
      if (this.#asked === undefined) this.close();
      else this.fail(`${what} in ${afterMs / 1000} s`, 'ERR_SHARDNS_TIMEOUT');
    });
  }

  #onData(chunk: Buffer): void {
    if (this.#error !== undefined) return;
    this.octets += chunk.length;
    this.#watch(SILENCE_MS, 'nothing came');
    for (const message of this.#reader.push(chunk)) {
      if (this.#error !== undefined) return;
      this.#take(message);
    }
  }

  #take(message: Buffer): void {
    const asked = this.#asked;
    if (asked === undefined) {
      this.fail('it sent more than it was asked for', 'ERR_SHARDNS_MESSAGE');
      return;
    }
    let taken: Uint8Array = message;
    const verdict = asked.checker?.check(message, this.tools.clock.wallSeconds());
    if (verdict?.status === 'bad') {
      this.fail(verdict.reason, 'ERR_SHARDNS_MESSAGE');
      return;
    }
    if (verdict !== undefined) taken = verdict.message;
    try {
      const isSettled = asked.checker?.isSettled ?? true;
      if (!asked.take(taken, isSettled)) return;
      if (!isSettled) {
        this.fail('the last message is not signed', 'ERR_SHARDNS_MESSAGE');
        return;
      }
    } catch (error) {
      const reason = error instanceof ShardnsError ? error.message : `a mistake here: ${(error as Error).message}`;
      this.fail(reason, error instanceof ShardnsError ? error.code : 'ERR_SHARDNS_INTERNAL', error);
      return;
    }
    this.#asked = undefined;
    asked.resolve();
  }

  fail(reason: string, code: ShardnsError['code'] = 'ERR_SHARDNS_UPSTREAM', cause?: unknown): void {
    if (this.#error !== undefined) return;
    this.#error = new ShardnsError(code, `${peerText(this.peer)}: ${reason}`, { cause });
    this.#timer?.cancel();
    this.#limit.cancel();
    this.#stream.destroy();
    const asked = this.#asked;
    this.#asked = undefined;
    asked?.reject(this.#error);
  }
}
