// What this host's files say of names and name servers, read anew when they change: hosts(5) and resolv.conf(5).
import type { Clock } from '../base/clock.js';
import { WatchedFile } from '../base/watched-file.js';
import { parseResolvConf, type ResolvConf } from '../upstream/resolv-conf.js';
import { Hosts } from './hosts.js';
import type { LookupSettings } from './options.js';

const NO_CONF = parseResolvConf('');
/** resolv.conf(5): where no server is named, the one on this machine is meant. */
const THIS_MACHINE: readonly string[] = ['127.0.0.1:53'];

export class HostFiles {
  readonly #hosts: WatchedFile<Hosts> | undefined;
  readonly #conf: WatchedFile<ResolvConf> | undefined;

  /** @param named servers in the place of those of resolv.conf */
  constructor(
    private readonly settings: LookupSettings,
    readonly named: readonly string[] | undefined,
    clock: Clock,
  ) {
    const { hostsFile, resolvConf } = settings;
    if (hostsFile !== false) this.#hosts = new WatchedFile(hostsFile, text => new Hosts(text), clock);
    if (resolvConf !== false) {
      this.#conf = new WatchedFile(resolvConf, text => parseResolvConf(text, process.env), clock);
    }
  }

  get hosts(): Hosts | undefined {
    return this.#hosts?.value;
  }
  get conf(): ResolvConf {
    return this.#conf?.value ?? NO_CONF;
  }
  get servers(): readonly string[] {
    if (this.named !== undefined) return this.named;
    const { servers } = this.conf;
    return servers.length > 0 ? servers : THIS_MACHINE;
  }
  /** How long a question may take. */
  get deadlineMs(): number {
    const { timeoutMs, attempts } = this.conf;
    return this.settings.timeoutMs ?? Math.min(timeoutMs * attempts, 30_000);
  }
}
