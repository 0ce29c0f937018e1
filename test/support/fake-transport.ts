// A network of functions: each server answers, fails, or stays silent as its handler says.
import type { SocketAddress } from '../../lib/base/address.js';
import { formatSocketAddress } from '../../lib/base/address.js';
import type { Clock } from '../../lib/base/clock.js';
import { ShardnsError } from '../../lib/base/errors.js';
import type { ExchangeOptions, Transport } from '../../lib/transport/transport.js';

/** The response, or undefined for silence. May throw for a broken connection. */
export type Handler = (query: Buffer, server: string) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

export class FakeTransport implements Transport {
  readonly asked: { query: Buffer; server: string }[] = [];
  constructor(
    private readonly clock: Clock,
    public handler: Handler,
  ) {}

  exchange(query: Uint8Array, server: SocketAddress, options: ExchangeOptions): Promise<Uint8Array> {
    const where = formatSocketAddress(server);
    const octets = Buffer.from(query);
    this.asked.push({ query: octets, server: where });
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(options.timeoutMs, () =>
        reject(new ShardnsError('ERR_SHARDNS_TIMEOUT', `${where} did not answer in ${options.timeoutMs} ms`)),
      );
      options.cancel?.subscribe(() => {
        timer.cancel();
        reject(new ShardnsError('ERR_SHARDNS_ABORTED', 'aborted'));
      });
      Promise.resolve()
        .then(() => this.handler(octets, where))
        .then(
          response => {
            if (response === undefined) return;
            timer.cancel();
            resolve(response);
          },
          (error: Error) => {
            timer.cancel();
            reject(new ShardnsError('ERR_SHARDNS_UPSTREAM', error.message));
          },
        );
    });
  }
  close(): void {}
}
