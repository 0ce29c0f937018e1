// Tells the log of zones all of whose answers are bogus: an error where the zone has a trust anchor, since all below is gone
// with it, else a warning.
//
// Bounds: a line for each of MAX_ZONES zones in AGAIN_MS, MAX_LINES a minute of all but those with anchors: who asks for names
// below many broken zones does not fill the log.
import { BoundedMap } from '../base/bounded-map.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { BogusZone } from '../resolve/recurse/checker.js';

const MAX_ZONES = 1024;
const AGAIN_MS = 3_600_000;
const MAX_LINES = 5;
const MINUTE_MS = 60_000;

export class BogusZones {
  /** When each was told of. */
  readonly #told = new BoundedMap<string, number>(MAX_ZONES);
  #minuteMs = -Infinity;
  #lines = 0;

  constructor(private readonly parts: { readonly clock: Clock; readonly log: Logger }) {}

  readonly tell = ({ zone, reason, extendedError, isAnchored }: BogusZone): void => {
    const { clock, log } = this.parts;
    const now = clock.nowMs();
    if ((this.#told.get(zone) ?? -Infinity) + AGAIN_MS > now) return;
    if (this.#minuteMs + MINUTE_MS <= now) [this.#minuteMs, this.#lines] = [now, 0];
    if (!isAnchored && ++this.#lines > MAX_LINES) return;
    this.#told.set(zone, now);
    const fields = { zone, reason, extendedError };
    if (isAnchored) {
      log.error(fields, 'the keys of a zone do not fit its trust anchor: all that it covers is SERVFAIL');
    } else log.warn(fields, 'a zone is bogus: its names are SERVFAIL for all who do not ask with CD');
  };
}
