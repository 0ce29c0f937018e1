// How often clients may shake hands (TLS): a signature costs as much as hundreds of queries. One client (address, IPv6 /56)
// has so many a second, and BURST_SECONDS of them at once; who has none left is turned away before it is greeted. What a
// handshake comes to is not known before: each takes a whole one, of which a resumed one gets half back.
//
// Bound: MAX_CLIENTS are remembered; of more, those that have shaken hands longest ago are taken for new.
import { BoundedMap } from '../../base/bounded-map.js';
import { clientOf } from '../../base/client-shares.js';
import type { Clock } from '../../base/clock.js';

const MAX_CLIENTS = 16_384;
const BURST_SECONDS = 5;
const RESUMED_BACK = 0.5;

export class HandshakeRate {
  /** When each would have its whole burst again, in milliseconds. */
  readonly #wholeAt = new BoundedMap<string, number>(MAX_CLIENTS);

  /** @param perSecond asked each time; 0: no limit */
  constructor(
    private readonly clock: Clock,
    private readonly perSecond: () => number,
  ) {}

  /** Takes one. @returns false where there is none */
  take(address: string): boolean {
    const perSecond = this.perSecond();
    if (perSecond === 0) return true;
    const client = clientOf(address);
    const now = this.clock.nowMs();
    const next = Math.max(this.#wholeAt.get(client) ?? 0, now) + 1000 / perSecond;
    if (next - now > BURST_SECONDS * 1000) return false;
    this.#wholeAt.set(client, next);
    return true;
  }

  /** One that was taken was resumed. */
  resumed(address: string): void {
    const perSecond = this.perSecond();
    const client = clientOf(address);
    const wholeAt = this.#wholeAt.get(client);
    if (perSecond > 0 && wholeAt !== undefined) this.#wholeAt.set(client, wholeAt - (RESUMED_BACK * 1000) / perSecond);
  }
}
