// Targets of a service's records: endpoints before their addresses are known. What is no host name, has no port or lies
// outside of `within` is none.
import type { ResourceRecord } from '../../wire/message.js';
import { nameKey } from '../../wire/name.js';
import { type Ignored, nothingIgnored } from './found.js';
import { type Metadata, readMetadata } from './metadata.js';
import { type Addresses, alongside, hostKey, hostText, isHostName, isWithin, u16 } from './reading.js';

export interface Target {
  readonly host: string;
  readonly key: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
  readonly alpn: readonly string[];
  readonly instance: string | undefined;
  /** Undefined: nobody has told them with it. */
  readonly texts: Metadata | undefined;
  readonly hints: readonly string[];
  /** Addresses that came along with it. */
  readonly came: Addresses | undefined;
  /** Whoever lists it speaks for another domain than its own: what is said of the host itself is not believed. */
  readonly isForeign: boolean;
  /** Of a source that proves: why that which lists it is not. */
  readonly unproven: string | undefined;
}
export type Listed = Pick<Target, 'host' | 'port'> & Partial<Target>;

const UNSAID = {
  priority: 0,
  weight: 1,
  alpn: [],
  instance: undefined,
  texts: undefined,
  hints: [],
  came: undefined,
  isForeign: false,
  unproven: undefined,
};

const ROOT = '\0';
export const isRoot = (data: Uint8Array, at: number): boolean => nameKey(data.subarray(at)) === ROOT;

export class TargetList {
  targets: Target[] = [];

  constructor(
    private readonly within: string | undefined,
    readonly ignored: Ignored = nothingIgnored(),
  ) {}

  add(listed: Listed): void {
    const { host, port } = listed;
    if (port === 0 || !isHostName(host)) this.ignored.unusable++;
    else if (this.within !== undefined && !isWithin(host, this.within)) this.ignored.outside++;
    else this.targets.push({ ...UNSAID, ...listed, key: hostKey(host) });
  }

  /** Data of a SRV record. */
  addSrv(data: Uint8Array, own: Partial<Target> = {}): void {
    if (data.length < 7 || isRoot(data, 6)) {
      this.ignored.unusable++;
      return;
    }
    const host = hostText(data.subarray(6));
    this.add({ ...own, host, port: u16(data, 4), priority: u16(data, 0), weight: u16(data, 2) });
  }

  /** What came along with their answer, where that counts for anything. */
  believe(additionals: readonly ResourceRecord[], withTexts: boolean): void {
    const along = alongside(additionals, new Set(this.targets.map(({ key }) => key)));
    if (along.addresses.size + along.texts.size === 0) return;
    this.targets = this.targets.map(one => {
      if (one.isForeign) return one;
      const texts = withTexts ? along.texts.get(one.key) : undefined;
      return {
        ...one,
        came: along.addresses.get(one.key),
        texts: one.texts ?? (texts === undefined ? undefined : readMetadata(texts)),
      };
    });
  }
}

/**
 * One target and port is one endpoint: of several records one from its own domain, then the one with the lowest priority,
 * then the greatest weight.
 */
export function unique(targets: readonly Target[]): Target[] {
  const found = new Map<string, Target>();
  for (const one of targets) {
    const id = `${one.key}${one.port}`;
    const other = found.get(id);
    if (other === undefined || isBetter(one, other)) found.set(id, one);
  }
  return [...found.values()];
}
function isBetter(one: Target, other: Target): boolean {
  if (one.isForeign !== other.isForeign) return other.isForeign;
  return one.priority < other.priority || (one.priority === other.priority && one.weight > other.weight);
}
