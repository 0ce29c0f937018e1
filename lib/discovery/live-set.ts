// A service as DNS has it, followed in the background: asked again when its records end, kept when nobody can tell, emptied
// only when that was said for long enough. Whoever picks reads what is here, and waits for nothing.
//
// Bounds: one look at a time; no two within `minRefreshMs`, nor within 5 ms for each question of the first, whoever wants
// them: 200 questions a second; `maxEndpoints` endpoints of about 2 KiB.
import type { Clock, Timer } from '../base/clock.js';
import { isOurs } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { isWanted, chooser } from './choosing.js';
import { Endpoint } from './endpoint.js';
import { isServiceError, serviceError, type ServiceError } from './failures.js';
import { Health, type HealthEvents } from './health.js';
import type { ServiceSettings } from './options.js';
import type { FoundEndpoint, Finding, Gathered } from './records/found.js';
import { Gatherer } from './records/gatherer.js';
import { CountedSource, QueryFailure, type RecordSource } from './records/source.js';
import { Retries } from './retries.js';
import { Roster } from './roster.js';
import { ZonalName } from './zonal-name.js';

const BACKOFF = { firstMs: 1000, factor: 1.6, mostMs: 30_000 }; // gRPC connection backoff, of a name
const JITTER = 0.1;
/** Whoever lists other names at each look would have them asked for as fast as they answer. */
const MS_A_QUESTION = 5;
/** A target of which nobody could tell is asked for again within so long, whatever the TTL of the others. */
const UNKNOWN_MS = 5000;
/** "Not offered" holds for its TTL, but no longer than a day. */
const MAX_NOT_OFFERED_MS = 86_400_000;

export interface Change {
  readonly added: readonly Endpoint[];
  readonly removed: readonly Endpoint[];
  readonly changed: readonly Endpoint[];
  /** Counts changes, from 1. */
  readonly version: number;
}

export interface SetEvents {
  changed(change: Change): void;
  /** Nobody can tell: what is known goes on. */
  stale(error: ServiceError): void;
  fresh(): void;
  failed(error: Error): void;
  health(endpoint: Endpoint): void;
}

export interface SetParts {
  readonly source: RecordSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: SetEvents;
}

const NO_CHANGE: readonly Endpoint[] = [];

export class LiveSet implements HealthEvents {
  readonly roster: Roster;
  readonly health: Health;
  readonly retries: Retries;
  version = 0;
  /** Why there is no endpoint, or none that is up to date. */
  problem: ServiceError | undefined;
  last: Gathered | undefined;
  refreshes = { good: 0, failed: 0 };
  readonly #gatherer: Gatherer;
  readonly #source: CountedSource;
  readonly #zonal: ZonalName;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  #looking: Promise<void> | undefined;
  #begunAtMs = -Infinity;
  #goodAtMs: number | undefined;
  #failures = 0;
  #emptySinceMs: number | undefined;
  #closed = false;

  constructor(
    readonly settings: ServiceSettings,
    private readonly parts: SetParts,
  ) {
    const { clock, random, source } = parts;
    const { name, kinds, port, within, maxEndpoints, texts, policy, slowStartMs, secure } = settings;
    this.roster = new Roster({ policy, slowStartMs, chosen: chooser(settings) }, clock, random);
    this.health = new Health(settings.health, clock, this);
    this.retries = new Retries(settings.retry, clock, random);
    const provenOnly = secure === 'required';
    const needsTexts = settings.where.length > 0 || settings.filter !== undefined || provenOnly;
    const wanted = { name, kinds, port, within, maxEndpoints, texts, needsTexts, provenOnly };
    this.#source = new CountedSource(source);
    this.#gatherer = new Gatherer(this.#source, wanted, clock);
    this.#zonal = new ZonalName(name, settings, clock);
  }

  /** Whether what it has is what was said last, by somebody who could tell. */
  get isStale(): boolean {
    return this.#failures > 0;
  }
  /** Milliseconds since somebody could tell; undefined: never. */
  get ageMs(): number | undefined {
    return this.#goodAtMs === undefined ? undefined : this.parts.clock.nowMs() - this.#goodAtMs;
  }
  endpoints(): Iterable<Endpoint> {
    return this.roster.endpoints.values();
  }

  /** Looks now; where somebody is looking already, that is it. Never rejects. */
  look(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)));
  }

  /** The same where the last look is long enough ago; else that one is it. */
  lookAgain(): Promise<void> {
    return this.#restMs > 0 ? (this.#looking ?? Promise.resolve()) : this.look();
  }

  /** As soon as it may: not while servers fail, who are asked when their time has come. */
  lookSoon(): void {
    if (this.#failures > 0 || this.#closed || this.#looking !== undefined) return;
    this.#schedule(this.#restMs);
  }
  /** Milliseconds in which there is no other look. */
  get #restMs(): number {
    const { minRefreshMs } = this.settings;
    const atMs = this.#begunAtMs + Math.max(minRefreshMs, this.#source.asked * MS_A_QUESTION);
    return Math.max(0, atMs - this.parts.clock.nowMs());
  }

  async #look(): Promise<void> {
    const { clock } = this.parts;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    this.#begunAtMs = clock.nowMs();
    this.#source.asked = 0;
    let waitMs: number;
    try {
      const found = await this.#gather();
      if (this.#closed) return;
      waitMs = this.#take(found);
    } catch (error) {
      if (this.#closed) return;
      waitMs = this.#fail(error);
    }
    this.#schedule(Math.max(waitMs, this.#restMs));
  }
  async #gather(): Promise<Finding> {
    const name = this.#zonal.current;
    const found = await this.#gatherer.gather(name);
    if (found.kind !== 'missing' || !this.#zonal.isMissing(name, found.noName)) return found;
    const plain = await this.#gatherer.gather();
    if (plain.kind === 'missing') this.#zonal.isUnknown();
    return plain;
  }

  #schedule(waitMs: number): void {
    const { clock } = this.parts;
    const atMs = clock.nowMs() + waitMs;
    if (atMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = clock.after(waitMs, () => void this.look());
  }

  /** @returns milliseconds until the next look */
  #take(found: Finding): number {
    if (found.kind === 'not offered') return this.#notOffered(found.why, found.ttl);
    if (found.kind === 'missing') return this.#empty(found.why, found.ttl);
    const broken: { by?: Error } = {};
    const filterFailed = (error: unknown): void => {
      broken.by ??= error instanceof Error ? error : new Error(String(error));
    };
    const wanted = found.endpoints.filter(one => isWanted(one, this.settings, filterFailed));
    if (broken.by !== undefined) this.parts.events.failed(broken.by);
    if (wanted.length === 0) {
      if (found.unknown > 0) throw new QueryFailure('ESERVFAIL');
      return this.#empty(emptyReason(found, this.settings, broken.by), found.ttl, broken.by);
    }
    this.last = found;
    this.#good();
    this.problem = undefined;
    this.#emptySinceMs = undefined;
    this.#replace(wanted);
    const waitMs = this.#waitFor(found.ttl);
    return found.unknown > 0 ? Math.min(waitMs, Math.max(UNKNOWN_MS, this.settings.minRefreshMs)) : waitMs;
  }

  #good(): void {
    this.refreshes.good++;
    this.#goodAtMs = this.parts.clock.nowMs();
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.parts.events.fresh();
  }

  /** Of a TTL, less up to a tenth, so that what begins together does not go on together. */
  #waitFor(ttl: number): number {
    const { minRefreshMs, maxRefreshMs } = this.settings;
    const early = 1 - JITTER * (this.parts.random.uint32() / 0x1_0000_0000);
    return Math.min(Math.max(ttl * 1000 * early, minRefreshMs), maxRefreshMs);
  }

  #notOffered(why: string, ttl: number): number {
    this.#good();
    this.#emptySinceMs = undefined;
    this.#became(serviceError('not offered', this.settings.name, why));
    this.#gatherer.forget();
    this.#replace([]);
    return Math.min(Math.max(ttl * 1000, this.settings.minRefreshMs), MAX_NOT_OFFERED_MS);
  }

  #empty(why: string, ttl: number, cause?: Error): number {
    this.#good();
    const { clock } = this.parts;
    const { emptyGraceMs, minRefreshMs } = this.settings;
    const error = serviceError('missing', this.settings.name, why, cause);
    this.#emptySinceMs ??= clock.nowMs();
    const leftMs = this.#emptySinceMs + emptyGraceMs - clock.nowMs();
    const waitMs = this.#waitFor(ttl);
    if (leftMs > 0 && this.roster.endpoints.size > 0) {
      this.problem = error;
      return Math.max(Math.min(waitMs, leftMs), minRefreshMs);
    }
    this.#became(error);
    this.#gatherer.forget();
    this.#replace([]);
    return waitMs;
  }
  /** Told where it is new. */
  #became(error: ServiceError): void {
    const isNew = this.problem?.category !== error.category || this.roster.endpoints.size > 0;
    this.problem = error;
    if (isNew) this.parts.events.failed(error);
  }

  #fail(cause: unknown): number {
    this.refreshes.failed++;
    const error = this.#errorOf(cause);
    const isFirst = this.#failures++ === 0;
    this.problem = error;
    if (isFirst) this.parts.events.stale(error);
    // A mistake of ours, or of a filter's, is told each time: nothing else would show it.
    if (isFirst || (isOurs(cause) && !(cause instanceof QueryFailure) && !isServiceError(cause))) {
      this.parts.events.failed(error);
    }
    const backoff = Math.min(BACKOFF.firstMs * BACKOFF.factor ** Math.min(this.#failures - 1, 20), BACKOFF.mostMs);
    const share = 1 - JITTER * (this.parts.random.uint32() / 0x1_0000_0000);
    return Math.max(backoff * share, Math.min(this.settings.minRefreshMs, BACKOFF.mostMs));
  }
  #errorOf(cause: unknown): ServiceError {
    if (isServiceError(cause)) return cause;
    const { name } = this.settings;
    if (cause instanceof QueryFailure) {
      const refused = cause.code === 'EREFUSED';
      const why = refused ? 'servers refuse to answer' : `no server could tell (${cause.message})`;
      return serviceError(refused ? 'refused' : 'transient', name, why, cause);
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    return serviceError('transient', name, why, cause);
  }

  #replace(found: readonly FoundEndpoint[]): void {
    const { roster } = this;
    const { clock } = this.parts;
    const before = [...roster.endpoints.values()];
    const now = clock.nowMs();
    const added: Endpoint[] = [];
    const changed: Endpoint[] = [];
    const moved: Endpoint[] = [];
    const next = new Map<string, Endpoint>();
    for (const one of found) {
      const known = roster.endpoints.get(one.id);
      if (known === undefined) {
        const made = new Endpoint(one, now, this.health, this.#firstFamily);
        added.push(made);
        next.set(one.id, made);
      } else {
        if (known.movesWith(one)) moved.push(known);
        if (known.update(one)) changed.push(known);
        next.set(one.id, known);
      }
    }
    const removed = before.filter(one => !next.has(one.id));
    if (added.length + removed.length + changed.length === 0) return;
    const well = removed.filter(one => one.state === 'up');
    for (const one of removed) one.state = 'gone';
    roster.endpoints.clear();
    for (const [id, one] of next) roster.endpoints.set(id, one);
    // All gone is what was waited for; more than half at once may be a mistake of somebody's.
    if (next.size > 0 && removed.length * 2 > before.length) roster.keepAsLastResort(well, this.settings.emptyGraceMs);
    roster.rebuild();
    this.version++;
    this.parts.events.changed({ added, removed, changed, version: this.version });
    for (const one of moved) this.health.moved(one);
  }
  get #firstFamily(): 4 | 6 | undefined {
    const { prefer } = this.settings;
    return prefer === 'ipv4' ? 4 : prefer === 'ipv6' ? 6 : undefined;
  }

  // Of its health.
  changed(endpoints: readonly Endpoint[]): void {
    this.roster.rebuild();
    for (const one of endpoints) this.parts.events.health(one);
  }
  unreachable(): void {
    this.lookSoon();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.health.close();
    for (const one of this.roster.endpoints.values()) one.state = 'gone';
    const removed = [...this.roster.endpoints.values()];
    this.roster.endpoints.clear();
    this.roster.close();
    this.roster.rebuild();
    if (removed.length === 0) return;
    this.parts.events.changed({ added: NO_CHANGE, removed, changed: NO_CHANGE, version: ++this.version });
  }
}

function emptyReason({ ignored, endpoints }: Gathered, { within }: ServiceSettings, broken: Error | undefined): string {
  const threw = broken === undefined ? '' : `, and the filter threw: ${broken.message}`;
  if (endpoints.length > 0) return `none of its ${endpoints.length} endpoints is wanted (where, filter)${threw}`;
  if (ignored.outside > 0) return `${ignored.outside} targets are outside of ${within} (within)`;
  if (ignored.unusable > 0) return 'its records have port 0, or targets that are no host names';
  return 'no target has an address';
}
