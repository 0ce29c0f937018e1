// A network of functions: each server answers, fails, or stays silent as its handler says.
import type { SocketAddress } from '../../lib/base/address.js';
import { formatSocketAddress } from '../../lib/base/address.js';
import type { Clock } from '../../lib/base/clock.js';
import { ShardnsError } from '../../lib/base/errors.js';
import { systemRandom } from '../../lib/base/random.js';
import { drawLetters, isBareError, matches } from '../../lib/transport/matching.js';
import type { Doubt, ExchangeListener, ExchangeOptions, Exchanging, Transport } from '../../lib/transport/transport.js';
import { questionEnd } from '../../lib/wire/message.js';

/** The response, or undefined for silence. May throw for a broken connection. */
export type Handler = (
  query: Buffer,
  server: string,
  options: ExchangeOptions,
) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

interface Asked {
  query: Buffer;
  server: string;
  options: ExchangeOptions;
  /** Tells whoever asks. */
  doubt(doubt: Doubt): void;
}

export class FakeTransport implements Transport {
  readonly asked: Asked[] = [];
  /** Exchanges under way. */
  open = 0;

  /** @param proto `udp` draws letters and compares what comes as the real one does */
  constructor(
    private readonly clock: Clock,
    public handler: Handler,
    private readonly proto: 'udp' | 'any' = 'any',
  ) {}

  ask(query: Uint8Array, server: SocketAddress, options: ExchangeOptions, listener: ExchangeListener): Exchanging {
    const where = formatSocketAddress(server);
    const octets = Buffer.from(query);
    const end = questionEnd(octets);
    if (this.proto === 'udp' && options.letters !== 'kept') drawLetters(octets, end, systemRandom);
    let over = false;
    this.open++;
    /** Runs `last` unless the exchange is over. */
    const finish = (last?: () => void): void => {
      if (over) return;
      over = true;
      this.open--;
      timer?.cancel();
      last?.();
    };
    const exchange = { callOff: () => finish() };
    const lose = (error: ShardnsError): void => finish(() => listener.lost(error, exchange));
    const doubt = (said: Doubt): void => {
      if (!over) listener.doubted(said, exchange);
    };
    this.asked.push({ query: octets, server: where, options, doubt });
    const { timeoutMs } = options;
    const timer =
      timeoutMs === undefined
        ? undefined
        : this.clock.after(timeoutMs, () =>
            lose(new ShardnsError('ERR_SHARDNS_TIMEOUT', `${where} did not answer in ${timeoutMs} ms`)),
          );
    void Promise.resolve()
      .then(() => this.handler(octets, where, options))
      .then(
        response => {
          if (response === undefined) return;
          const letters = options.letters === 'kept' ? 'folded' : 'exact';
          if (this.proto !== 'udp' || matches(response, octets, end, letters)) {
            finish(() => listener.answered(response, exchange));
          } else if (isBareError(response, octets)) {
            doubt('question');
          } else if (matches(response, octets, end, 'folded')) {
            doubt('letters');
          }
        },
        (error: Error) =>
          lose(
            error instanceof ShardnsError
              ? error
              : new ShardnsError('ERR_SHARDNS_UPSTREAM', error.message, { cause: error }),
          ),
      );
    return exchange;
  }
  close(): void {}
}
