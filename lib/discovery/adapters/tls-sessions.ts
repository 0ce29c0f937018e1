// Sessions of TLS for connections to come, of one user of a service: an agent, a dispatcher.
//
// A session that is resumed shows no certificate, and none is looked at. So it serves only those who asked for the same in
// every respect: who trusts others, or another name, shakes hands anew.
//
// Bound: KEPT an endpoint, for as long as that is there.
import { BoundedMap } from '../../base/bounded-map.js';
import type { Endpoint } from '../endpoint.js';

const KEPT = 8;

export class TlsSessions {
  readonly #of = new WeakMap<Endpoint, BoundedMap<string, Buffer>>();

  /** @param trust whose certificate is taken, and by whom it has to be signed, as far as that differs within one user */
  get(endpoint: Endpoint, trust: string): Buffer | undefined {
    return this.#of.get(endpoint)?.get(trust);
  }
  set(endpoint: Endpoint, trust: string, session: Buffer): void {
    let sessions = this.#of.get(endpoint);
    if (sessions === undefined) this.#of.set(endpoint, (sessions = new BoundedMap(KEPT)));
    sessions.set(trust, session);
  }
}
