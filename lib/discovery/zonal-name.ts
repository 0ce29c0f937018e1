// The name of a service's endpoints in one zone, where the cluster's DNS has one (CoreDNS, `zonal`):
// `_http._tcp.eu-1a.prefer._zone.orders.shop.svc.cluster.local.`. Servers without that option say that there is no such name.
import type { Clock } from '../base/clock.js';
import type { ServiceSettings } from './options.js';

/** For so long a server is not asked again whether it has the option. */
const WITHOUT_MS = 60_000;

export class ZonalName {
  #withoutUntilMs = -Infinity;
  readonly #zonal: string | undefined;

  constructor(
    private readonly plain: string,
    { zone, zonal }: Pick<ServiceSettings, 'zone' | 'zonal'>,
    private readonly clock: Clock,
  ) {
    if (zonal === 'off' || zone === undefined) return;
    const labels = /^(_[^.]*\.)*/.exec(plain)![0];
    this.#zonal = `${labels}${zone}.${zonal}._zone.${plain.slice(labels.length)}`;
  }

  get current(): string {
    return this.#zonal === undefined || this.clock.nowMs() < this.#withoutUntilMs ? this.plain : this.#zonal;
  }
  /** There is no such name: the plain one is asked for from now on, for a time. @returns whether that is another one */
  isMissing(name: string): boolean {
    if (name === this.plain) return false;
    this.#withoutUntilMs = this.clock.nowMs() + WITHOUT_MS;
    return true;
  }
}
