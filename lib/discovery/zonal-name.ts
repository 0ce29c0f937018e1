// The name of a service's endpoints in one zone, where the cluster's DNS has one (CoreDNS, `zonal`):
// `_http._tcp.eu-1a.prefer._zone.orders.shop.svc.cluster.local.`. Servers without that option say that there is no such name;
// those that have it say of a zone with no endpoint that this name has no records, which holds where it is to be that zone alone.
import type { Clock } from '../base/clock.js';
import type { ServiceSettings } from './options.js';

/** For so long a server is not asked again whether it has the option. */
const WITHOUT_MS = 60_000;

export class ZonalName {
  #withoutUntilMs = -Infinity;
  readonly #zonal: string | undefined;
  readonly #isPin: boolean;

  constructor(
    private readonly plain: string,
    { zone, zonal }: Pick<ServiceSettings, 'zone' | 'zonal'>,
    private readonly clock: Clock,
  ) {
    this.#isPin = zonal === 'pin';
    if (zonal === 'off' || zone === undefined) return;
    const labels = /^(_[^.]*\.)*/.exec(plain)![0];
    this.#zonal = `${labels}${zone}.${zonal}._zone.${plain.slice(labels.length)}`;
  }

  get current(): string {
    return this.#zonal === undefined || this.clock.nowMs() < this.#withoutUntilMs ? this.plain : this.#zonal;
  }
  /**
   * It has no records: the plain one is asked for from now on, for a time.
   * @param noName whether there is no such name at all
   * @returns whether there is another one to ask for
   */
  isMissing(name: string, noName: boolean): boolean {
    if (name === this.plain || (this.#isPin && !noName)) return false;
    this.#withoutUntilMs = this.clock.nowMs() + WITHOUT_MS;
    return true;
  }
  /** The plain one is not there either, as while no pod is ready: that says nothing of the option. */
  isUnknown(): void {
    this.#withoutUntilMs = -Infinity;
  }
}
