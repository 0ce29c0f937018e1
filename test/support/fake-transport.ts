// A network of functions: each server answers, fails, or stays silent as its handler says.
import type { SocketAddress } from '../../lib/base/address.js';
import { formatSocketAddress } from '../../lib/base/address.js';
import type { Clock } from '../../lib/base/clock.js';
import { ShardnsError } from '../../lib/base/errors.js';
import { systemRandom } from '../../lib/base/random.js';
import { drawLetters, isBareError, matches } from '../../lib/transport/matching.js';
import type { ExchangeOptions, Transport } from '../../lib/transport/transport.js';
import { questionEnd } from '../../lib/wire/message.js';

/** The response, or undefined for silence. May throw for a broken connection. */
export type Handler = (
  query: Buffer,
  server: string,
  options: ExchangeOptions,
) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

export class FakeTransport implements Transport {
  readonly asked: { query: Buffer; server: string; options: ExchangeOptions }[] = [];
  /** Exchanges under way. */
  open = 0;

  /** @param proto `udp` draws letters and compares what comes as the real one does */
  constructor(
    private readonly clock: Clock,
    public handler: Handler,
    private readonly proto: 'udp' | 'any' = 'any',
  ) {}

  exchange(query: Uint8Array, server: SocketAddress, options: ExchangeOptions): Promise<Uint8Array> {
    const where = formatSocketAddress(server);
    const octets = Buffer.from(query);
    const end = questionEnd(octets);
    if (this.proto === 'udp' && options.letters !== 'kept') drawLetters(octets, end, systemRandom);
    this.asked.push({ query: octets, server: where, options });
    this.open++;
    return new Promise<Uint8Array>((resolve, reject) => {
      const timer =
        options.timeoutMs === undefined
          ? undefined
          : this.clock.after(options.timeoutMs, () =>
              reject(new ShardnsError('ERR_SHARDNS_TIMEOUT', `${where} did not answer in ${options.timeoutMs} ms`)),
            );
      options.cancel?.subscribe(() => {
        timer?.cancel();
        reject(new ShardnsError('ERR_SHARDNS_ABORTED', 'aborted'));
      });
      Promise.resolve()
        .then(() => this.handler(octets, where, options))
        .then(
          response => {
            if (response === undefined) return;
            if (this.proto === 'udp') {
              const letters = options.letters === 'kept' ? 'folded' : 'exact';
              if (!matches(response, octets, end, letters)) {
                if (isBareError(response, octets)) options.onDoubt?.('question');
                else if (matches(response, octets, end, 'folded')) options.onDoubt?.('letters');
                return;
              }
            }
            timer?.cancel();
            resolve(response);
          },
          (error: Error) => {
            timer?.cancel();
            reject(
              error instanceof ShardnsError
                ? error
                : new ShardnsError('ERR_SHARDNS_UPSTREAM', error.message, { cause: error }),
            );
          },
        );
    }).finally(() => this.open--);
  }
  close(): void {}
}
