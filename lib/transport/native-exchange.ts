// One query of the native asker that a race listens to.
import type { SocketAddress } from '../base/address.js';
import type { Timer } from '../base/clock.js';
import type { ExchangeListener, Exchanging } from './transport.js';

export class NativeExchange implements Exchanging {
  /** Native name of it; -1 when it is not under way there. */
  number = -1;
  serial = 0;
  timer: Timer | undefined;

  constructor(
    private readonly transport: { callOff(exchange: NativeExchange): void },
    readonly server: SocketAddress,
    /** Undefined when it is to hear nothing more. */
    public listener: ExchangeListener | undefined,
  ) {}

  callOff(): void {
    if (this.listener === undefined) return;
    this.listener = undefined;
    this.transport.callOff(this);
  }
}
