// One exchange as a promise, for tests of transports.
import type { SocketAddress } from '../../lib/base/address.js';
import type { Canceller } from '../../lib/base/cancel.js';
import { ShardnsError } from '../../lib/base/errors.js';
import type { Doubt, ExchangeOptions, Transport } from '../../lib/transport/transport.js';

export interface PromisedExchangeOptions extends ExchangeOptions {
  cancel?: Canceller;
  onDoubt?: (doubt: Doubt) => void;
}

export function exchange(
  transport: Transport,
  query: Uint8Array,
  server: SocketAddress,
  options: PromisedExchangeOptions,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let asking = true;
    const later = (): void => {
      if (asking) reject(new Error('the listener was called before ask() had returned'));
    };
    const exchanging = transport.ask(query, server, options, {
      answered: response => {
        later();
        resolve(response);
      },
      lost: error => {
        later();
        reject(error);
      },
      doubted: doubt => options.onDoubt?.(doubt),
    });
    asking = false;
    options.cancel?.subscribe(() => {
      exchanging.callOff();
      reject(new ShardnsError('ERR_SHARDNS_ABORTED', 'called off'));
    });
  });
}
