// One endpoint of a service, for as long as it is there: what DNS says of it, which may change under it, and what its users
// have learned of it, which stays.
import type { FoundEndpoint } from './records/found.js';
import { type Metadata, sameMetadata } from './records/metadata.js';
import { textHash } from './policies/rendezvous.js';

/**
 * How a request has ended:
 * - `ok`: answered, with whatever
 * - `failed`: answered, with what counts as the endpoint's own failure (5xx, where that is wanted)
 * - `unreachable`: there was no connection
 * - `abandoned`: nobody can tell; the caller gave up
 */
export type RequestOutcome = 'ok' | 'failed' | 'unreachable' | 'abandoned';

/**
 * - `up`: used
 * - `out`: not used, for a time: it cannot be reached, or fails too often
 * - `trial`: one request at a time, to see whether it is well again
 * - `gone`: no longer in the set; what is under way may end
 */
export type EndpointState = 'up' | 'out' | 'trial' | 'gone';

/** Told of what requests come to. */
export interface EndpointKeeper {
  /** Everything but `ok` of an endpoint that is well. */
  ended(endpoint: Endpoint, outcome: RequestOutcome): void;
}

/** A smoothing of latencies over about ten requests. */
const LATENCY_SHARE = 0.1;

export class Endpoint {
  readonly id: string;
  /** The target's name, in lower case and without its final dot. */
  readonly host: string;
  readonly port: number;
  /** The one to try first in front. */
  addresses: readonly string[];
  /** The lowest is used first. */
  priority: number;
  weight: number;
  metadata: Metadata;
  /** Of SVCB and HTTPS records. */
  alpn: readonly string[];
  /** Of DNS-SD: the instance's name. */
  instance: string | undefined;
  /** All that led to it is proven (DNSSEC). */
  secure: boolean;

  /** Requests that were picked it for, and have not ended. */
  inFlight = 0;
  state: EndpointState = 'up';
  /** Of its name: the same in every process. */
  readonly seed: number;
  /** Milliseconds, smoothed; undefined while nobody has told. */
  latencyMs: number | undefined;
  /** Monotonic milliseconds. */
  readonly sinceMs: number;
  // Of its keeper.
  failures = 0;
  connectFailures = 0;
  successes = 0;
  ejections = 0;
  outUntilMs = 0;
  /** Where `out` is an opinion of requests, and not that nobody can connect. */
  ejected = false;
  /** A check says so: it stays out until one says otherwise. */
  checkFailed = false;
  /** A check has found it well, once. */
  checkedWell = false;
  /** Since when a request tries whether it is well: no other one does; -Infinity: none. */
  triedAtMs = -Infinity;
  /** Of those that `total` counts. */
  good = 0;
  abandoned = 0;
  /** Since success rates were compared; `requests` were before that. */
  total = 0;
  requests = 0;
  /** As DNS has them. */
  #found: readonly string[];
  #firstFamily: 4 | 6 | undefined;
  /** Not to be seen where an endpoint is printed or compared: behind it is the whole set. */
  readonly #keeper: EndpointKeeper;

  constructor(found: FoundEndpoint, nowMs: number, keeper: EndpointKeeper, firstFamily?: 4 | 6) {
    this.#keeper = keeper;
    this.id = found.id;
    this.host = found.host;
    this.port = found.port;
    this.#found = this.addresses = found.addresses;
    this.priority = found.priority;
    this.weight = found.weight;
    this.metadata = found.metadata;
    this.alpn = found.alpn;
    this.instance = found.instance;
    this.secure = found.secure;
    this.tryFirst(firstFamily);
    this.sinceMs = nowMs;
    this.seed = textHash(found.id);
  }

  /** The address to try first. */
  get address(): string {
    return this.addresses[0];
  }
  get family(): 4 | 6 {
    return familyOf(this.addresses[0]);
  }
  /** From now on addresses of a family are in front, within it in their order. */
  tryFirst(family: 4 | 6 | undefined): void {
    this.#firstFamily = family;
    const found = this.#found;
    if (family === undefined || familyOf(found[0]) === family) this.addresses = found;
    else {
      const isFirst = (address: string): boolean => familyOf(address) === family;
      this.addresses = [...found.filter(isFirst), ...found.filter(one => !isFirst(one))];
    }
  }
  /** Where its metadata say so. */
  get zone(): string | undefined {
    return this.metadata.zone;
  }

  /**
   * Of a request that it was picked for, once.
   * @param latencyMs what it took, where somebody has looked
   */
  done(outcome: RequestOutcome = 'ok', latencyMs?: number): void {
    if (this.inFlight > 0) this.inFlight--;
    if (latencyMs !== undefined) {
      this.latencyMs =
        this.latencyMs === undefined ? latencyMs : this.latencyMs + LATENCY_SHARE * (latencyMs - this.latencyMs);
    }
    this.total++;
    if (outcome === 'ok') {
      this.good++;
      if (this.state === 'up') {
        this.failures = this.connectFailures = 0;
        return;
      }
    } else if (outcome === 'abandoned') this.abandoned++;
    this.triedAtMs = -Infinity;
    this.#keeper.ended(this, outcome);
  }

  /** A request that lasts, such as a socket that somebody keeps, goes well so far: a trial need not wait for its end. */
  goesWell(): void {
    if (this.state !== 'trial') return;
    this.triedAtMs = -Infinity;
    this.#keeper.ended(this, 'ok');
  }
  /** A request that was picked it for goes elsewhere, and was never sent: as if it had not been picked. */
  notAsked(): void {
    if (this.inFlight > 0) this.inFlight--;
    this.triedAtMs = -Infinity;
  }

  /** There was no connection, for whomever. Requests that say it too are not counted again. */
  isUnreachable(): void {
    this.#keeper.ended(this, 'unreachable');
  }

  /** Whether it would have none of the addresses that it has. */
  movesWith({ addresses }: FoundEndpoint): boolean {
    return !addresses.some(one => this.#found.includes(one));
  }

  /** Takes over what DNS says now. @returns whether anything is different, but for the order that servers give addresses in */
  update(found: FoundEndpoint): boolean {
    const same =
      this.priority === found.priority &&
      this.weight === found.weight &&
      this.instance === found.instance &&
      this.secure === found.secure &&
      sameList(this.alpn, found.alpn) &&
      sameMembers(this.#found, found.addresses) &&
      sameMetadata(this.metadata, found.metadata);
    this.#found = found.addresses;
    this.tryFirst(this.#firstFamily);
    if (same) return false;
    this.priority = found.priority;
    this.weight = found.weight;
    this.metadata = found.metadata;
    this.alpn = found.alpn;
    this.instance = found.instance;
    this.secure = found.secure;
    return true;
  }
}

export const familyOf = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4);

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}
/** Of lists that name nothing twice. */
function sameMembers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every(one => b.includes(one));
}
