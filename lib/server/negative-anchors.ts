// The ends of negative trust anchors (RFC 7646 section 2): what was told below one while it counted is forgotten when it ends,
// by the wall clock, since an end is a date. Validation itself asks the time with each question; this is about what was kept.
//
// Bounds: the names of the settings (4096), looked at once a minute and when the next one ends, while any has an end; of those
// that end at once beyond MAX_SUFFIXES everything is forgotten in place of one after the other.
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Forgotten } from '../cache/forgotten.js';
import { encodeName, foldName } from '../wire/name.js';
import { validates } from './settings/resolution.js';
import type { ServerSettings } from './settings/settings.js';

/** How long it waits before it looks at the time again: clocks are set, and timers stand while the machine sleeps. */
const MAX_SLEEP_MS = 60_000;
/** A timer may be a little early. */
const SPARE_MS = 100;
const MAX_SUFFIXES = 64;

export interface NegativeAnchorReport {
  readonly name: string;
  /** Unix time in seconds; undefined: it has no end. */
  readonly untilSeconds?: number;
  readonly hasEnded: boolean;
}

/** @param now seconds since 1970 */
export function negativeAnchorReports({ dnssec }: ServerSettings, now: number): NegativeAnchorReport[] {
  return dnssec.negativeTrustAnchors.map(one => {
    if (typeof one === 'string') return { name: one, hasEnded: false };
    const untilSeconds = Date.parse(one.until) / 1000;
    return { name: one.name, untilSeconds, hasEnded: untilSeconds <= now };
  });
}

export interface NegativeAnchorParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly forget: (what: Forgotten) => void;
}

export class NegativeAnchorEnds {
  #settings: ServerSettings | undefined;
  #timer: Timer | undefined;
  #closed = false;
  /** Those with an end that counted when they were last looked at. */
  #counting: ReadonlySet<string> = new Set();

  constructor(private readonly parts: NegativeAnchorParts) {}

  /** What these settings change is forgotten by who puts them in force. */
  use(settings: ServerSettings): void {
    this.#settings = validates(settings) ? settings : undefined;
    this.#counting = new Set(this.#ending.filter(one => !one.hasEnded).map(one => one.name));
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  get #ending(): NegativeAnchorReport[] {
    if (this.#settings === undefined) return [];
    const all = negativeAnchorReports(this.#settings, this.parts.clock.wallSeconds());
    return all.filter(one => one.untilSeconds !== undefined);
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const ending = this.#ending;
    if (this.#closed || ending.length === 0) return;
    const now = this.parts.clock.wallSeconds();
    const next = Math.min(...ending.filter(one => !one.hasEnded).map(one => one.untilSeconds! - now));
    this.#timer = this.parts.clock.after(Math.min(next * 1000 + SPARE_MS, MAX_SLEEP_MS), () => {
      this.#look();
      this.#schedule();
    });
  }

  #look(): void {
    const { log, forget } = this.parts;
    const ending = this.#ending;
    const ended = ending.filter(one => one.hasEnded && this.#counting.has(one.name));
    // A clock that is set back makes one count again, until it ends once more.
    this.#counting = new Set(ending.filter(one => !one.hasEnded).map(one => one.name));
    try {
      if (ended.length > MAX_SUFFIXES) forget('all');
      else for (const { name } of ended) forget({ suffix: foldName(encodeName(name)) });
    } catch (error) {
      log.error(
        { err: error },
        'what was told below a negative trust anchor could not be forgotten: a mistake of ours',
      );
    }
    for (const { name, untilSeconds } of ended.slice(0, MAX_SUFFIXES)) {
      const until = new Date(untilSeconds! * 1000).toISOString();
      log.info({ name, until }, 'a negative trust anchor has ended: what is at and below its name is validated again');
    }
  }
}
