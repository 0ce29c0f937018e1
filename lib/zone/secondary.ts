// A zone that is had from primaries: asked for by the timers of its SOA (RFC 1034 section 4.3.5) and when a primary says that
// it has changed (RFC 1996), tried again, served until it expires, kept in a file for the next start. A new version takes
// the old one's place whole; whatever goes wrong leaves that.
//
// Bounds: one transfer at a time of a zone, in a place that TransferPlaces gives; refresh and retry from MIN_WAIT to
// MAX_WAIT seconds, whatever the SOA says. Notifications while one is under way come to one more; those that lead to nothing
// new lead to one question in FIRST_PAUSE seconds, then in twice as many, and so on: whoever sends them may have made up the
// address of a primary.
import type { Clock, Timer } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { below, type Random } from '../base/random.js';
import { nameToText } from '../wire/name.js';
import { fromSerial, type Difference } from './transfer/difference.js';
import { type FetchArgs, type Fetched, type FetchLimits } from './transfer/fetch-zone.js';
import { type PeerServer, peerText } from './transfer/primary-connection.js';
import type { SavedZone } from './zone-files.js';
import type { Zone } from './zone.js';

/** Seconds. */
const MIN_WAIT = 30;
const MAX_WAIT = 86_400;
/** While there is nothing to serve: at first, and at most. */
const FIRST_RETRY = 5;
const MAX_FIRST_RETRY = 600;
/** Behind a question that brought nothing new, until a notification leads to another one: at first, and at most. */
const FIRST_PAUSE = 1;
const MAX_PAUSE = MIN_WAIT;
/** Of a wait, by chance: many zones of one primary do not all ask at a time. */
const JITTER = 0.1;

export interface SecondaryOptions {
  readonly apex: Uint8Array;
  /** Asked in this order, the one that has spoken up first. */
  readonly primaries: readonly PeerServer[];
  readonly limits: FetchLimits;
  readonly needsDigest: boolean;
}

/** What a secondary is given: where its versions go, and how they are had. */
export interface SecondaryParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Has one try, when there is a place for it. `begun` is given what calls it off. */
  fetch(args: FetchArgs, begun: (callOff: () => void) => void): Promise<Fetched>;
  /** Serves a version; undefined: there is none any more to be served, until the next. */
  serve(zone: Zone | undefined, difference: Difference | undefined): void;
  /** Keeps it for the next start. */
  keep(zone: Zone, difference: Difference | undefined, expireSeconds: number): void;
  /** Notes that it holds still. */
  confirm(zone: Zone, expireSeconds: number): void;
  /** What was kept, where there is something. Rejects for what cannot be used. */
  load(): Promise<{ zone: Zone; saved: SavedZone } | undefined>;
}

export interface SecondaryReport {
  /** Undefined: nothing has been had yet. */
  serial: number | undefined;
  state: 'empty' | 'serving' | 'expired';
  /** Seconds: since a primary has confirmed it, until it is asked anew, until it expires. */
  confirmedSecondsAgo: number | undefined;
  refreshInSeconds: number;
  expiresInSeconds: number | undefined;
  transfers: number;
  failures: number;
  /** Why the last try failed; undefined: it did not. */
  problem: string | undefined;
}

export class Secondary {
  #zone: Zone | undefined;
  #confirmedMs = 0;
  #expiresMs = 0;
  #dueMs = 0;
  #refresh: Timer | undefined;
  #expiry: Timer | undefined;
  #callOff: (() => void) | undefined;
  #isBusy = false;
  /** To be asked once more when what is under way is over. */
  #again: { whole: boolean; isNotified: boolean } | undefined;
  /** Asked first: it said that the zone has changed. */
  #first: PeerServer | undefined;
  #isExpired = false;
  #isClosed = false;
  #emptyRetry = FIRST_RETRY;
  /** Seconds, and when it is over. */
  #pause = 0;
  #pausedUntilMs = 0;
  #pausing: Timer | undefined;
  #transfers = 0;
  #failures = 0;
  #problem: string | undefined;

  constructor(
    public options: SecondaryOptions,
    private readonly parts: SecondaryParts,
  ) {}

  get apex(): Uint8Array {
    return this.options.apex;
  }
  get name(): string {
    return nameToText(this.options.apex);
  }
  get zone(): Zone | undefined {
    return this.#zone;
  }
  get state(): SecondaryReport['state'] {
    if (this.#zone === undefined) return 'empty';
    return this.#isExpired ? 'expired' : 'serving';
  }

  /** Whole seconds that are left of its time; 0: it has expired, or there is none. */
  get expiresInSeconds(): number {
    if (this.#zone === undefined) return 0;
    return Math.max(0, Math.floor((this.#expiresMs - this.parts.clock.nowMs()) / 1000));
  }

  /** Serves what was kept, if anything, and asks the primaries. Never rejects. */
  async begin(): Promise<void> {
    const { clock, log } = this.parts;
    try {
      const kept = await this.parts.load();
      if (kept !== undefined && !this.#isClosed) {
        const { zone, saved } = kept;
        const age = Math.max(0, clock.wallSeconds() - saved.at);
        this.#zone = zone;
        this.#confirmedMs = clock.nowMs() - age * 1000;
        this.#setExpiry((saved.expireSeconds - age) * 1000);
        if (!this.#isExpired) this.parts.serve(zone, undefined);
      }
    } catch (error) {
      log.warn({ zone: this.name, reason: (error as Error).message }, 'a saved zone cannot be used');
    }
    if (!this.#isClosed) this.#ask({ whole: false, isNotified: false });
  }

  /** A primary says that the zone has changed. The serial that it tells is a hint that nothing rests on. */
  notified(by: PeerServer | undefined): void {
    if (this.#isClosed) return;
    this.#first = by ?? this.#first;
    this.#askNotified();
  }
  /** Asks now. @param whole for all of the zone, whatever its serial */
  refresh(whole: boolean): void {
    if (!this.#isClosed) this.#ask({ whole, isNotified: false });
  }

  close(): void {
    this.#isClosed = true;
    this.#refresh?.cancel();
    this.#expiry?.cancel();
    this.#pausing?.cancel();
    this.#callOff?.();
  }

  report(): SecondaryReport {
    const now = this.parts.clock.nowMs();
    const seconds = (ms: number): number => Math.round(ms / 1000);
    const has = this.#zone !== undefined;
    return {
      serial: this.#zone?.serial,
      state: this.state,
      confirmedSecondsAgo: has ? seconds(now - this.#confirmedMs) : undefined,
      refreshInSeconds: Math.max(0, seconds(this.#dueMs - now)),
      expiresInSeconds: has ? Math.max(0, seconds(this.#expiresMs - now)) : undefined,
      transfers: this.#transfers,
      failures: this.#failures,
      problem: this.#problem,
    };
  }

  /** At once, or when the pause is over. */
  #askNotified(): void {
    const { clock } = this.parts;
    const waitMs = this.#isBusy ? 0 : this.#pausedUntilMs - clock.nowMs();
    if (waitMs <= 0) this.#ask({ whole: false, isNotified: true });
    else {
      this.#pausing ??= clock.after(waitMs, () => {
        this.#pausing = undefined;
        this.#ask({ whole: false, isNotified: true });
      });
    }
  }
  #pauseBehind(isNews: boolean): void {
    const now = this.parts.clock.nowMs();
    const isQuiet = now - this.#pausedUntilMs > this.#pause * 1000;
    const next = this.#pause === 0 || isQuiet ? FIRST_PAUSE : Math.min(MAX_PAUSE, 2 * this.#pause);
    this.#pause = isNews ? 0 : next;
    this.#pausedUntilMs = now + this.#pause * 1000;
  }

  #ask(how: { whole: boolean; isNotified: boolean }): void {
    if (this.#isBusy) {
      const { whole, isNotified } = this.#again ?? { whole: false, isNotified: true };
      this.#again = { whole: how.whole || whole, isNotified: how.isNotified && isNotified };
      return;
    }
    this.#isBusy = true;
    this.#refresh?.cancel();
    const transfers = this.#transfers;
    void this.#askAll(how.whole).then(isDone => {
      this.#isBusy = false;
      this.#callOff = undefined;
      if (this.#isClosed) return;
      this.#pauseBehind(this.#transfers > transfers);
      const { expire: _, ...times } = this.#zone?.times ?? { expire: 0, refresh: 0, retry: 0 };
      this.#later(this.#waitSeconds(isDone, times));
      const again = this.#again;
      this.#again = undefined;
      if (again?.isNotified === true) this.#askNotified();
      else if (again !== undefined) this.#ask(again);
    });
  }

  #waitSeconds(isDone: boolean, { refresh, retry }: { refresh: number; retry: number }): number {
    if (this.#zone === undefined) {
      const wait = this.#emptyRetry;
      this.#emptyRetry = Math.min(MAX_FIRST_RETRY, 2 * wait);
      return wait;
    }
    this.#emptyRetry = FIRST_RETRY;
    return Math.min(MAX_WAIT, Math.max(MIN_WAIT, isDone ? refresh : retry));
  }

  #later(seconds: number): void {
    const { clock, random } = this.parts;
    const ms = seconds * 1000 * (1 - (JITTER * below(random, 1000)) / 1000);
    this.#dueMs = clock.nowMs() + ms;
    this.#refresh?.cancel();
    this.#refresh = clock.after(ms, () => this.#ask({ whole: false, isNotified: false }));
  }

  /** One primary after the other. Never rejects. @returns whether one has said what there is */
  async #askAll(whole: boolean): Promise<boolean> {
    const { primaries } = this.options;
    const first = this.#first;
    this.#first = undefined;
    const order = first === undefined ? primaries : [first, ...primaries.filter(one => one !== first)];
    let isBehind: string | undefined;
    let leftSeconds = 0;
    for (const peer of order) {
      if (this.#isClosed) return false;
      try {
        const fetched = await this.#fetch(peer, whole);
        if (this.#isClosed) return false;
        if (fetched.kind === 'current' && fetched.behind) {
          // Another one may be ahead of it.
          isBehind = `${peerText(peer)} has serial ${fetched.serial}, older than ${this.#zone!.serial}`;
          leftSeconds = Math.max(leftSeconds, lifeOf(this.#zone!, fetched));
          continue;
        }
        this.#took(peer, fetched);
        return true;
      } catch (error) {
        if (this.#isClosed) return false;
        this.#failures++;
        this.#problem = (error as Error).message;
        const isMistake = !(error instanceof ShardnsError) || error.code === 'ERR_SHARDNS_INTERNAL';
        const level = isMistake ? 'error' : 'warn';
        this.parts.log[level]({ zone: this.name, reason: this.#problem }, 'a zone cannot be had from a primary');
      }
    }
    if (isBehind === undefined || this.#zone === undefined) return false;
    // They are there, and have no newer version: what is served holds on (RFC 1034 section 4.3.5).
    this.#problem = isBehind;
    this.parts.log.warn({ zone: this.name, reason: isBehind }, 'primaries have older versions of a zone');
    this.#confirm(this.#zone, leftSeconds);
    return true;
  }

  #fetch(peer: PeerServer, whole: boolean): Promise<Fetched> {
    const { apex, limits, needsDigest } = this.options;
    const args = { apex, peer, current: this.#zone, whole, limits, needsDigest };
    return this.parts.fetch(args, callOff => {
      this.#callOff = callOff;
      // It has waited for its place until nobody wants the zone any more.
      if (this.#isClosed) callOff();
    });
  }

  #took(peer: PeerServer, fetched: Fetched): void {
    const { log } = this.parts;
    this.#problem = undefined;
    if (fetched.kind === 'current') {
      const zone = this.#zone!;
      const was = this.#isExpired;
      this.#confirm(zone, lifeOf(zone, fetched));
      if (was && !this.#isExpired) this.parts.serve(zone, undefined);
      return;
    }
    const { zone, difference, octets, records } = fetched;
    const fits = difference !== undefined && this.#zone?.serial === fromSerial(difference) && !this.#isExpired;
    this.#zone = zone;
    this.#transfers++;
    const seconds = lifeOf(zone, fetched);
    this.#livesFor(seconds);
    if (!this.#isExpired) this.parts.serve(zone, fits ? difference : undefined);
    this.parts.keep(zone, difference, seconds);
    const way = difference === undefined ? 'AXFR' : 'IXFR';
    log.info({ zone: this.name, serial: zone.serial, from: peerText(peer), way, octets, records }, 'a zone was had');
  }

  /**
   * It is what its primary has: its time begins anew, changed or not. A primary that has less of it left than another had
   * takes nothing away (RFC 7314 section 4).
   */
  #confirm(zone: Zone, seconds: number): void {
    const left = Math.max(seconds, this.expiresInSeconds);
    this.#livesFor(left);
    this.parts.confirm(zone, left);
  }
  #livesFor(seconds: number): void {
    this.#confirmedMs = this.parts.clock.nowMs();
    this.#setExpiry(seconds * 1000);
  }

  #setExpiry(leftMs: number): void {
    const { clock } = this.parts;
    this.#expiry?.cancel();
    this.#isExpired = leftMs <= 0;
    this.#expiresMs = clock.nowMs() + leftMs;
    if (this.#isExpired) this.#expire();
    // Timers reach no further than 2^31 milliseconds.
    else
      this.#expiry = clock.after(Math.min(leftMs, MAX_WAIT * 1000), () =>
        this.#setExpiry(this.#expiresMs - clock.nowMs()),
      );
  }

  #expire(): void {
    this.parts.log.error(
      { zone: this.name, serial: this.#zone?.serial },
      'a zone has expired: its primaries are silent',
    );
    this.parts.serve(undefined, undefined);
  }
}

/** Seconds that it may be served from now on: what its SOA allows, or the less that its primary has of that itself. */
const lifeOf = ({ times }: Zone, { expireSeconds = Infinity }: Fetched): number =>
  Math.min(times.expire, expireSeconds);
